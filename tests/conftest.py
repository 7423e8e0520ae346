"""What every test stands on: one PostgreSQL a run, one gunicorn, one Lambda handler, and tokens for both."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import psycopg2
import pytest

from service import config, lambda_handler
from service.app import create_app
from service.database.schema import migrate
from service.operations import routes
from service.security.issuer import OwnIssuer
from tests.postgres import Postgres
from tests.secret_stores import Moto, Store, lead_to
from tests.transports import Client, Gunicorn, HttpClient, LambdaClient

pytest_plugins = ["tests.aws_calls", "tests.parallel"]

SCOPES = sorted({route.operation.scope for route in routes(create_app(config.Config())) if route.operation.scope})


class Person(NamedTuple):
    """A user of the service, with a token of their own."""

    id: str
    email: str
    token: str


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server that stays up. Tests that break theirs start one of their own."""
    server = Postgres("fsync = off", "max_connections = 300")
    yield server
    server.remove()


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def environment(postgres: Postgres, data_dir: Path) -> dict[str, str]:
    """The environment of the service under test, its database migrated."""
    environment = {
        "DATABASE_URL": postgres.create(f"test_{uuid.uuid4().hex}"),
        "DATA_DIR": str(data_dir),
        "CORS_ORIGINS": "https://app.example.com",
    }
    migrate(config.load(environment))
    return environment


@pytest.fixture(scope="session")
def settings(environment: dict[str, str]) -> config.Config:
    return config.load(environment)


@pytest.fixture(scope="session")
def token(settings: config.Config) -> str:
    """A token that grants every scope of the routes, and is no user's."""
    return OwnIssuer(settings).issue("test", SCOPES, 3600)


@pytest.fixture(scope="session")
def gunicorn(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gunicorn]:
    server = Gunicorn(tmp_path_factory.mktemp("gunicorn") / "log", **environment)
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="session")
def context() -> Any:
    """The context of an invocation with plenty of time."""
    return SimpleNamespace(aws_request_id="invocation", get_remaining_time_in_millis=lambda: 30_000)


@pytest.fixture
def handler(environment: dict[str, str], context: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The Lambda handler in the environment under test: a function of the event alone."""
    for name in list(os.environ):
        if name.startswith(("DATABASE_", "AURORA_", "DB_", "TOKEN_")):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    lambda_handler._settings.cache_clear()
    lambda_handler._app.cache_clear()
    monkeypatch.setattr(lambda_handler.logs, "configure", lambda level: None)  # pytest has its own
    yield lambda event: lambda_handler.handler(event, context)
    lambda_handler._app().extensions["database"].close()
    lambda_handler._settings.cache_clear()
    lambda_handler._app.cache_clear()


@pytest.fixture
def http(gunicorn: Gunicorn, token: str) -> HttpClient:
    return HttpClient(gunicorn.port, token)


@pytest.fixture(params=["gunicorn", "lambda"])
def client(request: pytest.FixtureRequest, token: str) -> Client:
    """Each test that takes it runs over both transports."""
    if request.param == "gunicorn":
        return HttpClient(request.getfixturevalue("gunicorn").port, token)
    return LambdaClient(request.getfixturevalue("handler"), token)


@pytest.fixture
def rows(environment: dict[str, str]) -> Iterator[Any]:
    """Runs SQL on the database under test and returns the rows."""
    connection = psycopg2.connect(environment["DATABASE_URL"])
    connection.autocommit = True

    def run(sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchall() if cursor.description else []

    yield run
    connection.close()


@pytest.fixture
def new_user(rows: Any, settings: config.Config) -> Callable[..., Person]:
    """Makes users without the way over HTTP, which takes a password's hash: `new_user(timezone="Asia/Tokyo")`."""

    def make(timezone: str = "UTC") -> Person:
        email = f"{uuid.uuid4().hex}@example.com"
        ((user_id,),) = rows(
            """
            INSERT INTO users (email, first_name, last_name, timezone) VALUES (%s, 'Ada', 'Lovelace', %s)
            RETURNING id
            """,
            email,
            timezone,
        )
        return Person(user_id, email, OwnIssuer(settings).issue(user_id, ["user"], 3600))

    return make


@pytest.fixture(scope="session")
def moto() -> Iterator[Moto]:
    """AWS over HTTP, with secrets that can be changed."""
    server = Moto()
    yield server
    server.close()


@pytest.fixture
def aws(moto: Moto, monkeypatch: pytest.MonkeyPatch) -> Moto:
    """The same, as what boto3 asks in this test."""
    lead_to(moto.url, monkeypatch)
    return moto


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A Secrets Manager that misbehaves as it is told to, as what boto3 asks in this test."""
    server = Store()
    lead_to(server.url, monkeypatch)
    yield server
    server.close()
