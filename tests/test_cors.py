"""Which web pages may read answers: those of the list, each told its own name."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from service import config
from service.app import create_app
from tests.transports import Client

ORIGIN = "https://app.example.com"  # of tests/conftest.py
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}

FOREIGN = {
    "another site": "https://evil.com",
    "a longer name": "https://app.example.com.evil.com",
    "a name before it": "https://evilapp.example.com",
    "a subdomain": "https://x.app.example.com",
    "the parent": "https://example.com",
    "without TLS": "http://app.example.com",
    "another port": "https://app.example.com:8443",
    "the dot as any character": "https://appxexample.com",
    "a path": "https://app.example.com/",
    "a user": "https://app.example.com@evil.com",
    "no origin at all": "null",
    "a wildcard": "*",
    "a pattern": "https://.*",
    "two at once": "https://app.example.com, https://evil.com",
    "a file": "file://",
}


def cors_headers(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower().startswith("access-control-")}


@pytest.fixture
def open_to_two(settings: config.Config) -> Flask:
    origins = "https://app.example.com,http://localhost:3000"
    return create_app(config.load({"DATABASE_URL": str(settings.database.url), "CORS_ORIGINS": origins}))


@pytest.mark.parametrize("target", ["/health", "/api/v1/events", "/nowhere"])
def test_a_page_of_the_list_may_read_the_answer(client: Client, target: str) -> None:
    for token in ("", None):  # a refusal too: the page must be able to read why
        answer = client.get(target, headers={"Origin": ORIGIN}, token=token)
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "Origin" in answer.headers["vary"]
        assert "X-Request-Id" in answer.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("origin", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_any_other_page_is_told_nothing(client: Client, method: str, origin: str) -> None:
    answer = client.request(method, "/api/v1/events", headers={"Origin": origin, **PREFLIGHT})
    assert cors_headers(answer.headers) == {}
    assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize("target", ["/health", "/nowhere", "/api/v1/events"])
def test_answers_vary_by_origin_when_none_was_sent(client: Client, target: str) -> None:
    answer = client.get(target)
    assert "Origin" in answer.headers["vary"]
    assert cors_headers(answer.headers) == {}


def test_a_preflight_is_answered_without_a_token(client: Client) -> None:
    answer = client.request("OPTIONS", "/api/v1/events", headers={"Origin": ORIGIN, **PREFLIGHT}, token=None)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"].lower() == "authorization, content-type"
    assert answer.headers["access-control-max-age"] == "600"
    assert answer.body == b""


def test_a_header_that_the_service_does_not_read_is_not_allowed(client: Client) -> None:
    headers = {"Origin": ORIGIN, **PREFLIGHT, "Access-Control-Request-Headers": "x-evil,content-type"}
    answer = client.request("OPTIONS", "/api/v1/events", headers=headers, token=None)
    assert answer.headers["access-control-allow-headers"].lower() == "content-type"


@pytest.mark.parametrize("origin", ["https://app.example.com", "http://localhost:3000"])
def test_each_origin_of_a_list_is_told_its_own_name_alone(open_to_two: Flask, origin: str) -> None:
    answer = open_to_two.test_client().get("/health", headers={"Origin": origin})
    assert answer.headers.getlist("Access-Control-Allow-Origin") == [origin]
    assert answer.vary.as_set() >= {"origin"}


def test_an_answer_that_went_wrong_is_readable_too(open_to_two: Flask) -> None:
    from service.operations import PUBLIC, operation

    @operation(PUBLIC)
    def fail() -> str:
        raise RuntimeError("secret")

    open_to_two.add_url_rule("/fail", "fail", fail)
    answer = open_to_two.test_client().get("/fail", headers={"Origin": ORIGIN})
    assert answer.status_code == 500
    assert answer.headers.getlist("Access-Control-Allow-Origin") == [ORIGIN]
    assert answer.headers.getlist("Vary") == ["Origin"]


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_without_a_list_there_is_no_word_of_it(settings: Any, method: str) -> None:
    app = create_app(config.load({"DATABASE_URL": str(settings.database.url)}))
    answer = app.test_client().open("/health", method=method, headers={"Origin": ORIGIN, **PREFLIGHT})
    assert answer.status_code == 200
    assert cors_headers(dict(answer.headers)) == {}
    assert "Vary" not in answer.headers
