"""Request bodies: of which type they may be, and how they become text."""

from __future__ import annotations

from flask import request

from service.errors import BadRequest, UnsupportedMediaType

_CHARSETS = ("utf-8", "utf8", "us-ascii")


def json_text() -> str:
    """Return the body of the current request, which must be JSON in UTF-8. A body without a content type is taken for it.

    Raises `UnsupportedMediaType`, `BadRequest` where it is no UTF-8, and Werkzeug's `RequestEntityTooLarge`.
    """
    if request.content_type != "application/json":
        _check_type()
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaType("The body must be sent without Content-Encoding")
    try:
        return request.get_data(cache=False).decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"The body is not valid JSON: it is not UTF-8 at byte {error.start}"
        raise BadRequest(message, error="Invalid JSON") from None


def _check_type() -> None:
    mimetype = request.mimetype
    if mimetype and mimetype != "application/json" and not mimetype.endswith("+json"):
        raise UnsupportedMediaType(f"The body must be application/json, not {mimetype}")
    if request.mimetype_params.get("charset", "utf-8").lower() not in _CHARSETS:
        raise UnsupportedMediaType("The body must be in UTF-8")
