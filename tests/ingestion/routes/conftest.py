"""A service with a database of its own and a Fullbay to read, over both transports. No answer holds a key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from service import config, gateway
from service.app import create_app
from service.ingestion.outputs import (
    CoverageOutput,
    RejectList,
    RejectOutput,
    ReplayOutput,
    RunDetail,
    RunList,
    RunOutput,
)
from service.jobs.worker import Worker
from service.security.issuer import OwnIssuer
from tests.conftest import SCOPES
from tests.fullbay import Fullbay
from tests.ingestion.conftest import Installation
from tests.jobs.conftest import wait_for
from tests.transports import Answer, Client, Gunicorn, Headers, HttpClient, LambdaClient

KEYS = {"default": "key-of-default-5rT9"}
API = "/api/v1/ingestion"


SHAPES = (
    ("POST", r"/runs", RunOutput),
    ("GET", r"/runs(\?.*)?", RunList),
    ("GET", r"/runs/[^/?]+", RunDetail),
    ("GET", r"/coverage\?.*", CoverageOutput),
    ("GET", r"/rejects(\?.*)?", RejectList),
    ("GET", r"/rejects/\d+", RejectOutput),
    ("POST", r"/rejects/\d+/replay", ReplayOutput),
)


class Watched(Client):
    """A client that holds every answer against the keys, and every success against its schema."""

    def __init__(self, client: Client) -> None:
        self.client, self.token = client, client.token

    def send(self, method: str, target: str, headers: Headers, body: bytes) -> Answer:
        answer = self.client.send(method, target, headers, body)
        told = answer.body.decode() + repr(answer.headers)
        assert not [key for key in KEYS.values() if key in told]
        assert answer.status < 500 or answer.status == 503
        if answer.status < 300 and target.startswith(API):
            (shape,) = (
                shape for verb, path, shape in SHAPES if verb == method and re.fullmatch(path, target.removeprefix(API))
            )
            shape().load(answer.json())
        return answer


class House(Installation):
    """An installation that reads one Fullbay, and works off its jobs when it is told to."""

    fullbay: Fullbay

    def work(self, **environ: str) -> None:
        """Work off the queue until it is empty."""
        with self.app(**environ) as app:
            worker = Worker(app, config.load(self.environ | environ))
            worker.start()
            wait_for(lambda: not self.sql("SELECT id FROM jobs WHERE dead_at IS NULL"), "the queue is empty", 60)
            worker.stop(5)
            assert worker.join(10)

    def token(self, *scopes: str) -> str:
        return OwnIssuer(config.load(self.environ)).issue("test", scopes or SCOPES, 3600)


@pytest.fixture(scope="session")
def fullbay() -> Iterator[Fullbay]:
    with Fullbay(
        seed=5, shops=KEYS, work_orders=90, customers=10, parts=10, invoices=30, invoice_days=10, invoices_per_page=10
    ) as fullbay:
        yield fullbay


@pytest.fixture(scope="session")
def _house(install: Any, fullbay: Fullbay) -> House:
    made: Installation = install(fullbay)
    house = House(made.url, **made.environ)
    house.fullbay = fullbay
    return house


@pytest.fixture
def house(_house: House) -> House:
    """A database that nothing was read into yet."""
    _house.empty()
    _house.put_schedules_off()
    _house.fullbay.faults = []
    return _house


@pytest.fixture(scope="session")
def _server(_house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gunicorn]:
    server = Gunicorn(tmp_path_factory.mktemp("gunicorn") / "log", **_house.environ)
    yield server
    assert server.stop() == 0
    assert not [key for key in KEYS.values() if key in Path(server.log).read_text(errors="replace")]


@pytest.fixture(scope="session")
def _app(_house: House) -> Iterator[Flask]:
    app = create_app(config.load(_house.environ))
    yield app
    app.extensions["database"].close()


@pytest.fixture
def http(house: House, _server: Gunicorn) -> Client:
    return Watched(HttpClient(_server.port, house.token()))


@pytest.fixture
def on_lambda(house: House, context: Any) -> Iterator[Any]:
    """Makes clients of a function whose environment, or whose parts, are other ones: `on_lambda(jobs=NoQueue("…"))`."""
    apps: list[Flask] = []

    def make(environ: dict[str, str] | None = None, **extensions: Any) -> Client:
        found = {name: value for name, value in {**house.environ, **(environ or {})}.items() if value}
        apps.append(create_app(config.load(found)))
        apps[-1].extensions |= extensions
        return Watched(LambdaClient(lambda event: gateway.respond(apps[-1], event, context), house.token()))

    yield make
    for app in apps:
        app.extensions["database"].close()


@pytest.fixture(params=["gunicorn", "lambda"])
def client(request: pytest.FixtureRequest, house: House, context: Any) -> Client:
    """Each test that takes it runs over both transports."""
    if request.param == "gunicorn":
        return request.getfixturevalue("http")
    app = request.getfixturevalue("_app")
    return Watched(LambdaClient(lambda event: gateway.respond(app, event, context), house.token()))


def walk(client: Client, target: str, name: str) -> list[dict[str, Any]]:
    """Follow the Link headers to the end."""
    found: list[dict[str, Any]] = []
    for _ in range(200):
        answer = client.get(target)
        assert answer.status == 200, answer.body
        page = answer.json()[name]
        found += page
        link = answer.headers.get("link")
        if link is None:
            return found
        assert page
        assert link.startswith("<")
        assert link.endswith('>; rel="next"')
        target = link[1 : link.index(">")]
    raise AssertionError("the pages do not end")
