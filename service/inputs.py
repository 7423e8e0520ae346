"""What a request may bring: paths that can name something, queries and bodies as the route declares them, in JSON."""

from __future__ import annotations

from functools import cache
from typing import Any

from flask import Flask, Response, current_app, request
from marshmallow import Schema
from werkzeug.exceptions import RequestEntityTooLarge

from service import deadline
from service.documents import parse
from service.errors import BadRequest, Invalid, NotFound, PayloadTooLarge, UnsupportedMediaType
from service.operations import current_operation
from service.validation import load

DRAINED_BYTES = 32 * 1024 * 1024

_CHARSETS = ("utf-8", "utf8", "us-ascii")


def init_app(app: Flask) -> None:
    """Refuse, for every route, what PostgreSQL cannot look for; let every client finish sending."""
    app.before_request(_check_path)
    app.after_request(_drain)


def _check_path() -> None:
    if "\0" in request.path:
        raise NotFound("Nothing has a name with the character NUL")


def query() -> Any:
    """Return the query of the current request, loaded by the schema that its route declares. Raises `Invalid`."""
    schema = current_operation().query
    if schema is None:
        raise LookupError(f"the route {request.url_rule} declares no query")
    return load(_instance(schema), request.args)


def body() -> Any:
    """Return the JSON body of the current request, loaded by the schema that its route declares.

    Raises `Invalid` with every violation, `BadRequest` where it is no JSON, and what `json_text` raises.
    """
    operation = current_operation()
    if not (isinstance(operation.body, type) and issubclass(operation.body, Schema)):
        raise LookupError(f"the route {request.url_rule} declares no object as its body")
    text = json_text()
    document = parse("{}" if operation.is_body_optional and not text else text)
    if document.violations:
        raise Invalid(document.violations)
    return load(_instance(operation.body), document.value)


@cache
def _instance(schema: type[Schema]) -> Schema:
    return schema()


def json_text() -> str:
    """Return the body of the current request: JSON in UTF-8. One without a content type is taken for it.

    Raises `UnsupportedMediaType`, `PayloadTooLarge`, and `BadRequest` where it is no UTF-8.
    """
    if request.content_type != "application/json":
        _check_type()
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaType("The body must be sent without Content-Encoding")
    try:
        return request.get_data(cache=False).decode("utf-8")
    except RequestEntityTooLarge:
        limit = current_app.config["MAX_CONTENT_LENGTH"]
        raise PayloadTooLarge(f"The body is larger than {limit} bytes") from None
    except UnicodeDecodeError as error:
        message = f"The body is not valid JSON: it is not UTF-8 at byte {error.start}"
        raise BadRequest(message, error="Invalid JSON") from None


def _check_type() -> None:
    mimetype = request.mimetype
    if mimetype and mimetype != "application/json" and not mimetype.endswith("+json"):
        raise UnsupportedMediaType(f"The body must be application/json, not {mimetype}")
    if request.mimetype_params.get("charset", "utf-8").lower() not in _CHARSETS:
        raise UnsupportedMediaType("The body must be in UTF-8")


def _drain(response: Response) -> Response:
    """Read what is left of the body, within bounds.

    Who is cut off while sending reads no answer; and where a view has not read the body, gunicorn would take what is
    left for the next request of the same connection, and never answer that.
    """
    source = request.environ["wsgi.input"]
    left = DRAINED_BYTES if request.environ.get("wsgi.input_terminated") else 0  # else its end may never come
    while left > 0 and deadline.remaining() > 0 and (chunk := source.read(min(left, 65536))):
        left -= len(chunk)
    return response
