"""What a request may bring: paths that can name something, and bodies that are JSON."""

from __future__ import annotations

from flask import Flask, Response, current_app, request
from werkzeug.exceptions import RequestEntityTooLarge

from service import deadline
from service.errors import BadRequest, NotFound, PayloadTooLarge, UnsupportedMediaType

DRAINED_BYTES = 32 * 1024 * 1024

_CHARSETS = ("utf-8", "utf8", "us-ascii")


def init_app(app: Flask) -> None:
    """Refuse, for every route, what PostgreSQL cannot look for; let every client finish sending."""
    app.before_request(_check_path)
    app.after_request(_drain)


def _check_path() -> None:
    if "\0" in request.path:
        raise NotFound("Nothing has a name with the character NUL")


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
    """Read what a refusal has left of the body, within bounds: who is cut off while sending reads no answer."""
    if response.status_code >= 400:
        source = request.environ["wsgi.input"]
        left = DRAINED_BYTES
        while left > 0 and deadline.remaining() > 0 and (chunk := source.read(min(left, 65536))):
            left -= len(chunk)
    return response
