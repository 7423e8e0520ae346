"""The service with each provider, over both transports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from flask import Flask

from service import config, gateway
from service.app import create_app
from tests.accounts.people import Service
from tests.accounts.pools import Cognito
from tests.transports import Client, Gunicorn, HttpClient, LambdaClient


@pytest.fixture(scope="session")
def cognito_server() -> Iterator[Cognito]:
    server = Cognito()
    yield server
    server.close()


@pytest.fixture
def cognito(cognito_server: Cognito) -> Cognito:
    """Cognito, well and without a past."""
    cognito_server.reset()
    return cognito_server


@pytest.fixture(scope="session")
def pool_environment(environment: dict[str, str], cognito_server: Cognito) -> dict[str, str]:
    """The environment of a service whose accounts a user pool keeps."""
    return environment | cognito_server.create(UsernameAttributes=["email"], AutoVerifiedAttributes=["email"])


def serve(directory: Path, environment: dict[str, str]) -> Iterator[Gunicorn]:
    """Run a server that tells all it can, and is patient: forty passwords at once take a busy machine its time."""
    server = Gunicorn(directory / "log", **environment, LOG_LEVEL="debug", DEADLINE_SECONDS="30")
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="session")
def local_server(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gunicorn]:
    yield from serve(tmp_path_factory.mktemp("local"), environment)


@pytest.fixture(scope="session")
def pool_server(pool_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gunicorn]:
    yield from serve(tmp_path_factory.mktemp("pool"), pool_environment)


@pytest.fixture(scope="session")
def apps() -> Iterator[dict[str, Flask]]:
    """Applications by their environments. One keeps its client of Cognito, which takes longer to make than a test."""
    made: dict[str, Flask] = {}
    yield made
    for app in made.values():
        app.extensions["database"].close()


@pytest.fixture
def on_lambda(apps: dict[str, Flask], context: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Client]:
    """Makes a client of the Lambda transport in front of a service with an environment of its own."""

    def make(environment: dict[str, str], **event: Any) -> Client:
        if "AWS_ENDPOINT_URL" in environment:
            monkeypatch.setenv("AWS_ENDPOINT_URL", environment["AWS_ENDPOINT_URL"])
        key = repr(environment)
        if key not in apps:
            apps[key] = create_app(config.load(environment))
        return LambdaClient(lambda sent: gateway.respond(apps[key], sent | event, context))

    return make


def pool_service(client: Client, environment: dict[str, str], cognito: Cognito) -> Service:
    def confirm(email: str) -> None:
        cognito.admin.admin_confirm_sign_up(UserPoolId=environment["COGNITO_USER_POOL_ID"], Username=email.lower())

    return Service("cognito", client, confirm)


@pytest.fixture
def local_gunicorn(local_server: Gunicorn) -> Service:
    return Service("local", HttpClient(local_server.port), lambda email: None)


@pytest.fixture
def local_lambda(environment: dict[str, str], on_lambda: Callable[..., Client]) -> Service:
    return Service("local", on_lambda(environment), lambda email: None)


@pytest.fixture
def cognito_gunicorn(pool_server: Gunicorn, pool_environment: dict[str, str], cognito: Cognito) -> Service:
    return pool_service(HttpClient(pool_server.port), pool_environment, cognito)


@pytest.fixture
def cognito_lambda(pool_environment: dict[str, str], on_lambda: Callable[..., Client], cognito: Cognito) -> Service:
    return pool_service(on_lambda(pool_environment), pool_environment, cognito)


@pytest.fixture(params=["local_gunicorn", "local_lambda", "cognito_gunicorn", "cognito_lambda"])
def service(request: pytest.FixtureRequest) -> Service:
    """Each test that takes it runs with both providers, over both transports."""
    found: Service = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["local_gunicorn", "local_lambda"])
def local(request: pytest.FixtureRequest) -> Service:
    found: Service = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def forget_failures(environment: dict[str, str]) -> Iterator[Callable[[], None]]:
    """Forgets who failed to sign in. On a connection of its own, as making one takes longer than most tests."""
    connection = psycopg2.connect(environment["DATABASE_URL"])
    connection.autocommit = True

    def forget() -> None:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM sign_in_attempts")

    yield forget
    connection.close()


@pytest.fixture(autouse=True)
def _nobody_has_guessed(forget_failures: Callable[[], None]) -> Iterator[None]:
    """Let failures from the loopback address neither come from other tests nor go on to them."""
    forget_failures()
    yield
    forget_failures()
