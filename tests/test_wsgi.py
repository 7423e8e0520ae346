"""What gunicorn is given: the application, which believes as many proxies as it is told, and no more."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask, jsonify, request

from service import logs, wsgi
from service.operations import PUBLIC, operation


@pytest.fixture
def create(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Flask]:
    """Returns the application for some more variables, with a route that tells who asks."""

    def make(**variables: str) -> Flask:
        for name, value in (environment | variables).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(logs, "configure", lambda level: None)  # pytest has its own
        app = wsgi.create()

        @app.get("/who")
        @operation(PUBLIC)
        def who() -> object:
            """Tell who asks."""
            return jsonify(address=request.remote_addr, scheme=request.scheme, host=request.host)

        return app

    return make


SENT = {
    "X-Forwarded-For": "6.6.6.6, 203.0.113.7, 10.0.0.1",
    "X-Forwarded-Proto": "http, https, https",
    "X-Forwarded-Host": "evil.example",
}


@pytest.mark.parametrize(
    ("hops", "address", "scheme"),
    [("0", "127.0.0.1", "http"), ("1", "10.0.0.1", "https"), ("2", "203.0.113.7", "https")],
)
def test_the_client_is_who_the_trusted_proxies_say(
    create: Callable[..., Flask], hops: str, address: str, scheme: str
) -> None:
    answer = create(WEB_PROXY_HOPS=hops).test_client().get("/who", headers=SENT)
    assert answer.json == {"address": address, "scheme": scheme, "host": "localhost"}
