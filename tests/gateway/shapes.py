"""Every shape in which a request reaches the function, and how a test sends one and sees what an application sees."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.validate import validator

from service import gateway
from tests.transports import Answer, event_alb, event_alb_multi, event_v1, event_v2, read_answer

Event = dict[str, Any]
HEADERS = [("Content-Type", "text/plain")]


def event_function_url(*args: Any, **kwargs: Any) -> Event:
    """Return a Function URL's event: payload 2.0 on AWS's own domain."""
    event = event_v2(*args, **kwargs)
    event["requestContext"]["domainName"] = "abc123.lambda-url.eu-west-1.on.aws"
    event["headers"].setdefault("host", "abc123.lambda-url.eu-west-1.on.aws")
    return event


SHAPES: dict[str, Callable[..., Event]] = {
    "payload-2.0": event_v2,
    "function-url": event_function_url,
    "payload-1.0": event_v1,
    "alb": event_alb,
    "alb-multi": event_alb_multi,
}


def invoke(app: Any, event: Event, **options: Any) -> Event:
    """Send an event to a WSGI application, which is checked against PEP 3333, and return the function's answer.

    What travels between AWS and the function is JSON, both ways.
    """
    answer = gateway.respond(validator(app), json.loads(json.dumps(event)), None, **options)
    returned: Event = json.loads(json.dumps(answer))
    return returned


def answer_of(app: Any, event: Event, **options: Any) -> Answer:
    """Return the answer as API Gateway or the load balancer reads it."""
    return read_answer(invoke(app, event, **options))


def environ_of(event: Event, **options: Any) -> Event:
    """Return the environ that an application gets from an event, its body at `body`."""
    seen: Event = {}

    def app(environ: Event, start_response: Any) -> Iterable[bytes]:
        seen.update(environ, body=environ["wsgi.input"].read(-1))
        start_response("200 OK", HEADERS)
        return [b""]

    invoke(app, event, **options)
    return seen


def saying(body: bytes = b"", status: str = "200 OK", headers: Iterable[tuple[str, str]] = HEADERS) -> Any:
    """Return an application that answers so."""

    def app(_environ: Event, start_response: Any) -> Iterable[bytes]:
        start_response(status, list(headers))
        return [body]

    return app
