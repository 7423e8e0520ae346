"""A service with a database of its own, a lake and a partner, over both transports. No answer holds a secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from service import config, gateway
from service.app import create_app
from service.exports.outputs import ExportDetail, ExportList, ExportOutput, ExportRejectList
from tests.exports.house import House, opened
from tests.postgres import Postgres
from tests.transports import Answer, Client, Gunicorn, Headers, HttpClient, LambdaClient

RUNS = "/api/v1/exports"
SHAPES = (
    ("GET", r"/export\?.*", ExportOutput),
    ("POST", RUNS, ExportOutput),
    ("GET", rf"{RUNS}(\?.*)?", ExportList),
    ("GET", rf"{RUNS}/[^/?]+", ExportDetail),
    ("GET", rf"{RUNS}/[^/?]+/rejects(\?.*)?", ExportRejectList),
    ("POST", rf"{RUNS}/[^/?]+/(retry|cancel)", ExportOutput),
)
ERROR = {"error", "message", "status", "timestamp", "requestId"}


class Watched(Client):
    """A client that holds every answer against the partner's secrets, and every answer against its shape."""

    def __init__(self, client: Client, house: House) -> None:
        self.client, self.token, self.house = client, client.token, house

    def send(self, method: str, target: str, headers: Headers, body: bytes) -> Answer:
        answer = self.client.send(method, target, headers, body)
        told = answer.body.decode() + repr(answer.headers)
        grants = self.house.partner.grants
        assert not [secret for secret in (grants.client_secret, *grants.tokens) if secret in told]
        assert answer.status < 500 or answer.status == 503
        if answer.status >= 400:
            if method != "HEAD":
                assert answer.json().keys() - {"details", "exportId", "retry_after"} == ERROR
        elif answer.headers["content-type"] == "application/json":
            (shape,) = (shape for verb, path, shape in SHAPES if verb == method and re.fullmatch(path, target))
            shape().load(answer.json())
        return answer


@pytest.fixture(scope="session")
def _house(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with opened(postgres, tmp_path_factory.getbasetemp()) as house:
        yield house


@pytest.fixture
def house(_house: House) -> Iterator[House]:
    """A service that has sent nothing yet."""
    _house.empty()
    _house.renew()
    yield _house
    _house.close()


@pytest.fixture(scope="session")
def _server(_house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gunicorn]:
    server = Gunicorn(tmp_path_factory.mktemp("gunicorn") / "log", **_house.environ)
    yield server
    assert server.stop() == 0
    grants = _house.partner.grants
    assert not [secret for secret in (grants.client_secret, *grants.tokens) if secret in Path(server.log).read_text()]


@pytest.fixture(scope="session")
def _app(_house: House) -> Iterator[Flask]:
    app = create_app(config.load(_house.environ))
    yield app
    app.extensions["database"].close()


@pytest.fixture
def http(house: House, _server: Gunicorn) -> Client:
    return Watched(HttpClient(_server.port, house.token()), house)


@pytest.fixture
def on_lambda(house: House, context: Any) -> Iterator[Any]:
    """Makes clients of a function whose environment, or whose parts, are other ones: `on_lambda(jobs=NoQueue("…"))`."""
    apps: list[Flask] = []

    def make(environ: dict[str, str] | None = None, **extensions: Any) -> Client:
        found = {name: value for name, value in {**house.environ, **(environ or {})}.items() if value}
        apps.append(create_app(config.load(found)))
        apps[-1].extensions |= extensions
        return Watched(LambdaClient(lambda event: gateway.respond(apps[-1], event, context), house.token()), house)

    yield make
    for app in apps:
        app.extensions["database"].close()


@pytest.fixture(params=["gunicorn", "lambda"])
def client(request: pytest.FixtureRequest, house: House, context: Any) -> Client:
    """Each test that takes it runs over both transports."""
    if request.param == "gunicorn":
        found: Client = request.getfixturevalue("http")
        return found
    app = request.getfixturevalue("_app")
    return Watched(LambdaClient(lambda event: gateway.respond(app, event, context), house.token()), house)
