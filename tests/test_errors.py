"""Every error has the one shape, over every transport, and a 5xx says nothing of what happened inside."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import psycopg2
import pytest
from flask import Flask, abort
from werkzeug.exceptions import HTTPException, TooManyRequests

from service import config, errors, gateway
from service.app import create_app
from service.operations import PUBLIC, operation
from tests.transports import Answer, Client, LambdaClient

KEYS = {"error", "message", "status", "timestamp", "requestId"}
MARKER = "marker-5f2c"


def expect_shape(answer: Answer, status: int, *extra: str) -> dict[str, Any]:
    """Check the body, and what it says twice; return it."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/json"
    body: dict[str, Any] = answer.json()
    assert set(body) == KEYS | set(extra)
    assert body["status"] == status
    assert body["requestId"] == answer.headers["x-request-id"]
    assert body["timestamp"].endswith("Z")
    assert abs((datetime.now(UTC) - datetime.fromisoformat(body["timestamp"])).total_seconds()) < 60
    assert isinstance(body["error"], str)
    assert isinstance(body["message"], str)
    assert body["message"]
    return body


def test_400_for_a_body_that_is_no_json(client: Client) -> None:
    answer = client.post("/api/v1/events", body="{", headers={"Content-Type": "application/json"})
    assert expect_shape(answer, 400)["error"] == "Invalid JSON"


def test_401_for_no_token(client: Client) -> None:
    expect_shape(client.get("/api/v1/events", token=None), 401)


def test_404_for_a_path_that_does_not_exist(client: Client) -> None:
    for target in ("/nowhere", "/api/v1/events/no/such/event", "/HEALTH", "/health/", "/%ff%fe"):
        expect_shape(client.get(target), 404)


def test_405_names_the_methods_that_are_allowed(client: Client) -> None:
    answer = client.request("DELETE", "/api/v1/events")
    expect_shape(answer, 405)
    assert {"GET", "POST"} <= set(answer.headers["allow"].replace(" ", "").split(","))


def test_413_for_a_body_that_is_too_large(client: Client) -> None:
    answer = client.post("/api/v1/events", body=b"[" + b" " * 6 * 1024 * 1024 + b"]")
    assert "6291456 bytes" in expect_shape(answer, 413)["message"]


def test_415_for_another_content_type(client: Client) -> None:
    answer = client.post("/api/v1/events", body="<a/>", headers={"Content-Type": "text/xml"})
    expect_shape(answer, 415)


def test_422_lists_each_violation_with_its_path(client: Client) -> None:
    body = expect_shape(client.post("/api/v1/events", json={}), 422, "details")
    assert all(set(violation) == {"path", "message"} for violation in body["details"]["errors"])


class OneOfOurs(errors.Conflict):
    """An error with a key that a contract names."""


FAILURES: dict[str, tuple[Any, int]] = {
    "an exception": (lambda: {}[MARKER], 500),
    "a value that is quoted": (lambda: int(MARKER), 500),
    "a defect in a statement": (lambda: raise_(psycopg2.ProgrammingError(MARKER)), 500),
    "an endless recursion": (lambda: recurse(MARKER), 500),
    "a server error of Werkzeug's": (lambda: abort(501, MARKER), 501),
    "a bad gateway": (lambda: abort(502, MARKER), 502),
    "an outage": (lambda: raise_(errors.ServiceUnavailable(reason=MARKER)), 503),
}


def raise_(error: BaseException) -> None:
    raise error


def recurse(text: str) -> Any:
    return recurse(text)


def fails_with(settings: config.Config, failure: Any, context: Any) -> Client:
    app = create_app(settings)
    app.add_url_rule("/fail", "fail", operation(PUBLIC)(lambda: failure()))
    return LambdaClient(lambda event: gateway.respond(app, event, context))


@pytest.mark.parametrize(("failure", "status"), FAILURES.values(), ids=FAILURES)
def test_a_5xx_says_nothing_of_what_happened(settings: config.Config, context: Any, failure: Any, status: int) -> None:
    answer = fails_with(settings, failure, context).get("/fail")
    expect_shape(answer, status, *(["retry_after"] if status == 503 else []))
    whole = answer.body.decode() + json.dumps(answer.headers)
    for word in (MARKER, "Traceback", "invalid literal", "division", "psycopg2", "recursion", ".py"):
        assert word not in whole


def test_the_next_request_after_an_error_has_an_id_of_its_own(settings: config.Config, context: Any) -> None:
    client = fails_with(settings, FAILURES["an exception"][0], context)
    first, second = client.get("/fail"), client.get("/health")
    assert second.status == 200
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


@pytest.mark.parametrize(
    "status", [400, 401, 403, 404, 405, 406, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418]
)
def test_what_flask_raises_has_the_shape_too(settings: config.Config, context: Any, status: int) -> None:
    expect_shape(fails_with(settings, lambda: abort(status), context).get("/fail"), status)


def test_headers_of_an_error_survive(settings: config.Config, context: Any) -> None:
    answer = fails_with(settings, lambda: raise_(TooManyRequests(retry_after=7)), context).get("/fail")
    expect_shape(answer, 429)
    assert answer.headers["retry-after"] == "7"


def test_an_error_may_name_details_and_more(settings: config.Config, context: Any) -> None:
    def fail() -> None:
        raise OneOfOurs("It is there", details={"a": [1]}, headers={"X-More": "1"}, eventId="E1")

    answer = fails_with(settings, fail, context).get("/fail")
    body = expect_shape(answer, 409, "details", "eventId")
    assert (body["message"], body["details"], body["eventId"]) == ("It is there", {"a": [1]}, "E1")
    assert answer.headers["x-more"] == "1"


def test_every_error_of_ours_has_a_status_and_a_title_of_its_own(settings: Any, context: Any) -> None:
    made = {
        errors.Invalid: errors.Invalid([errors.violation("a", "b")]),
        errors.TooManyRequests: errors.TooManyRequests("x", 60),
        errors.ServiceUnavailable: errors.ServiceUnavailable("x"),
    }
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ServiceError)]
    assert len(kinds) >= 10
    for kind in kinds:
        error = made.get(kind) or kind("something")
        answer = fails_with(settings, lambda error=error: raise_(error), context).get("/fail")
        body = answer.json()
        assert set(body) >= KEYS
        assert (body["status"], body["error"]) == (kind.status, kind.error)


def test_violations_are_summed_up_in_one_sentence() -> None:
    one, two = errors.violation("a.b", "Must be a text"), errors.violation("", "Unknown key")
    assert errors.summary([one]) == "a.b: Must be a text"
    assert errors.summary([two]) == "Unknown key"
    assert errors.summary([one, two, two]) == "a.b: Must be a text (and 2 more)"


def test_a_redirect_stays_a_redirect(settings: config.Config) -> None:
    app = create_app(settings)
    app.add_url_rule("/folder/", "folder", operation(PUBLIC)(lambda: "here"))
    answer = app.test_client().get("/folder")
    assert answer.status_code == 308
    assert answer.headers["Location"].endswith("/folder/")


def test_the_handlers_belong_to_the_app(settings: config.Config) -> None:
    app: Flask = create_app(settings)
    handlers = app.error_handler_spec[None][None]
    assert {errors.ServiceError, HTTPException} <= set(handlers)
