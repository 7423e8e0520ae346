"""API Gateway ⇄ WSGI: Lambda events in, Lambda answers out, through aws-wsgi.

    answer = gateway.respond(app, event, context)     # event: one for which `gateway.is_http(event)` is true

Kinds of event: API Gateway payload 2.0 and Lambda Function URLs, payload 1.0, Application Load Balancer with single and
with multi-value headers. aws-wsgi reads and writes the plain 1.0 case. What it leaves out stands in `events`, `headers`
and `paths` on the way in, and in `answers` on the way out.
Decision: docs/decisions/2026-11-21-aws-wsgi.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.gateway.answers import answer_for
from service.gateway.events import Event, environ_for, is_http

__all__ = ["claims", "is_http", "remaining_seconds", "request_context", "request_id", "respond"]


def respond(app: Any, event: Event, context: Any, base_path: str = "", trusted_hops: int = 1) -> Event:
    """Call the WSGI application with the request that `event` holds; return the answer in the event's own format.

    `base_path` is the API mapping of a custom domain (`/headgate`), `trusted_hops` the number of proxies whose
    X-Forwarded-For entries are believed behind a load balancer, which has no request context to tell the client.
    """
    environ = environ_for(event, context, base_path, trusted_hops)
    answer = answer_for(event, environ["REQUEST_METHOD"])
    answer.consume(app(environ, answer))
    return answer.finish()


def request_context(environ: Mapping[str, Any]) -> Event:
    """Return the request context that API Gateway sent with this request, empty where there was none."""
    context: Event = environ.get("awsgi.event", {}).get("requestContext") or {}
    return context


def request_id(environ: Mapping[str, Any]) -> str | None:
    """Return API Gateway's id of this request, None where it did not come through API Gateway."""
    return request_context(environ).get("requestId")


def claims(environ: Mapping[str, Any]) -> Event | None:
    """Return the claims that API Gateway's authorizer has verified, None where none did.

    Payload 2.0 has them at `authorizer.jwt.claims`, 1.0 at `authorizer.claims`. Only who may invoke the function can
    set them; requests through gunicorn never have them.
    """
    authorizer = request_context(environ).get("authorizer") or {}
    found = (authorizer.get("jwt") or authorizer).get("claims")
    return found if isinstance(found, dict) else None


def remaining_seconds(environ: Mapping[str, Any]) -> float | None:
    """Return the time that the Lambda invocation has left, None outside Lambda."""
    context: Any = environ.get("awsgi.context")
    if not hasattr(context, "get_remaining_time_in_millis"):
        return None
    return float(context.get_remaining_time_in_millis()) / 1000
