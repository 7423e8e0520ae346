"""The same plain request through apig-wsgi and serverless-wsgi: their applications see what ours see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apig_wsgi
import pytest
import serverless_wsgi

from tests.gateway.flask_app import Echo
from tests.gateway.shapes import SHAPES, Event, answer_of
from tests.transports import Answer, event_v1, read_answer

REQUESTS = {
    "get": ("GET", "/goals", {}, b""),
    "query": ("GET", "/goals?page=2&q=a%20b%26c", {"X-Test-A": "1"}, b""),
    "json": ("POST", "/goals", {"Content-Type": "application/json", "X-Test-B": "b"}, b'{"name": "x"}'),
    "utf-8": ("PUT", "/caf%C3%A9/a%20b", {"Content-Type": "text/plain"}, "é日".encode()),
    "binary": ("PATCH", "/files/1", {"Content-Type": "application/octet-stream"}, b"\xff\x00\x01"),
    "cookie": ("DELETE", "/goals/1", {"Cookie": "a=1; b=2"}, b""),
}

requests = pytest.mark.parametrize("request_parts", REQUESTS.values(), ids=REQUESTS)
every_shape = pytest.mark.parametrize("build", SHAPES.values(), ids=SHAPES)


def through(peer: Callable[[Any, Event], Event], event: Event) -> tuple[Event, Answer]:
    """Return what an application sees of an event through a peer, and the answer."""
    echo = Echo()
    answer = peer(echo.app, event)
    return echo.seen, read_answer({"body": "", "isBase64Encoded": False} | answer)


def ours(event: Event) -> tuple[Event, Answer]:
    echo = Echo()
    answer = answer_of(echo.app, event)
    return echo.seen, answer


def by_apig_wsgi(app: Any, event: Event) -> Event:
    handle = apig_wsgi.make_lambda_handler(app, binary_support=True)
    return handle(event, None)


def by_serverless_wsgi(app: Any, event: Event) -> Event:
    answer: Event = serverless_wsgi.handle_request(app, event, None)
    return answer


@every_shape
@requests
@pytest.mark.parametrize("peer", [by_apig_wsgi, by_serverless_wsgi], ids=["apig-wsgi", "serverless-wsgi"])
def test_a_plain_request_is_seen_and_answered_the_same(
    peer: Callable[[Any, Event], Event], build: Callable[..., Event], request_parts: tuple[Any, ...]
) -> None:
    method, target, headers, body = request_parts
    event = build(method, target, headers=headers, body=body)
    if event.get("version") == "2.0" and "cookie" in event["headers"]:  # payload 2.0 has them in a list only
        event["cookies"] = event["headers"].pop("cookie").split("; ")
    seen, answer = ours(event)
    their_seen, their_answer = through(peer, event)
    differing = {"type"} if not headers.get("Content-Type") else set()  # "" and none mean the same
    for key in set(seen) - differing:
        assert seen[key] == their_seen[key], key
    assert (answer.status, answer.body) == (their_answer.status, their_answer.body)
    assert answer.headers["content-type"] == their_answer.headers["content-type"]


def test_where_the_peers_see_no_stage_the_gateway_does() -> None:
    """Keep the difference in mind for the day when apig-wsgi takes over: it leaves SCRIPT_NAME empty."""
    event, roots = event_v1("GET", "/goals"), []

    def app(environ: Event, start_response: Any) -> list[bytes]:
        roots.append(environ["SCRIPT_NAME"])
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b""]

    answer_of(app, event)
    by_apig_wsgi(app, event)
    assert roots == ["/prod", ""]
