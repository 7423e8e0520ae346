"""What can go wrong, and the one body in which a client reads it.

    ServiceError
    ├── BadRequest 400 ─ Unauthorized 401 ─ Forbidden 403 ─ NotFound 404 ─ Conflict 409
    ├── PreconditionFailed 412 ─ PayloadTooLarge 413 ─ UnsupportedMediaType 415 ─ Invalid 422
    ├── TooManyRequests 429
    └── ServiceUnavailable 503
        └── ConnectionLost (database)

    {"error", "message", "status", "timestamp", "requestId", "details"?, ...extra keys that a contract names}

Raise these anywhere; only the handlers at the bottom know HTTP. A 5xx never carries the text of an exception.
"""

from __future__ import annotations

import logging
from typing import Any, ClassVar

from flask import Flask, Response, current_app, jsonify
from werkzeug.exceptions import HTTPException

from service import logs, times

log = logging.getLogger(__name__)


class ServiceError(Exception):
    """An answer that is not a success."""

    status: ClassVar[int] = 500
    error: str = "Internal Server Error"

    def __init__(
        self,
        message: str,
        *,
        error: str | None = None,
        details: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.error = error or self.error
        self.details = details
        self.headers = headers or {}
        self.extra = extra


class BadRequest(ServiceError):
    status = 400
    error = "Bad Request"


class Unauthorized(ServiceError):
    """No token, or one that cannot be accepted. `code` is of RFC 6750: invalid_request or invalid_token."""

    status = 401
    error = "Unauthorized"

    def __init__(self, message: str, code: str = "invalid_token") -> None:
        super().__init__(message, headers={"WWW-Authenticate": f'Bearer error="{code}", error_description="{message}"'})


class Forbidden(ServiceError):
    status = 403
    error = "Forbidden"


class NotFound(ServiceError):
    status = 404
    error = "Not Found"


class Conflict(ServiceError):
    status = 409
    error = "Conflict"


class PreconditionFailed(ServiceError):
    status = 412
    error = "Precondition Failed"


class PayloadTooLarge(ServiceError):
    status = 413
    error = "Payload Too Large"


class UnsupportedMediaType(ServiceError):
    status = 415
    error = "Unsupported Media Type"


class Invalid(ServiceError):
    """A body or a query that breaks rules: `violations` names each path and its rule."""

    status = 422
    error = "Invalid Request"

    def __init__(self, violations: list[dict[str, str]], error: str | None = None) -> None:
        super().__init__(summary(violations), error=error, details={"errors": violations})
        self.violations = violations


class TooManyRequests(ServiceError):
    """More than is allowed in a time; allowed again after `seconds`."""

    status = 429
    error = "Too Many Requests"

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message, headers={"Retry-After": str(seconds)}, retry_after=seconds)


class ServiceUnavailable(ServiceError):
    """What this answer needs cannot be had now. `reason` is for the log, never for the client."""

    status = 503
    error = "Service Temporarily Unavailable"
    retry_after_seconds = 60

    def __init__(self, reason: str) -> None:
        super().__init__(
            "The service is temporarily unavailable. Try again later.",
            headers={"Retry-After": str(self.retry_after_seconds)},
            retry_after=self.retry_after_seconds,
        )
        self.reason = reason


def violation(path: str, message: str) -> dict[str, str]:
    """Return one broken rule: the path to the value, such as `entities[0].entityHeader.entityId`, and the rule."""
    return {"path": path, "message": message}


def summary(violations: list[dict[str, str]]) -> str:
    """Return one sentence for all violations: the first, and how many more there are."""
    first, more = violations[0], len(violations) - 1
    text = first["message"] if not first["path"] else f"{first['path']}: {first['message']}"
    return text if not more else f"{text} (and {more} more)"


def body(status: int, error: str, message: str, details: dict[str, Any] | None = None, **extra: Any) -> dict[str, Any]:
    """Return the one error body."""
    content: dict[str, Any] = {
        "error": error,
        "message": message,
        "status": status,
        "timestamp": times.now("milliseconds"),
        "requestId": logs.request_id(),
    }
    if details is not None:
        content["details"] = details
    return content | extra


def init_app(app: Flask) -> None:
    """Answer every error of the application in the one shape."""
    app.register_error_handler(ServiceError, _answer_service_error)
    app.register_error_handler(HTTPException, _answer_http_exception)


def _answer_service_error(error: ServiceError) -> Response:
    if isinstance(error, ServiceUnavailable):
        log.error("a dependency is unavailable", extra={"reason": error.reason})
    response = jsonify(body(error.status, error.error, error.message, error.details, **error.extra))
    response.status_code = error.status
    response.headers.extend(error.headers)
    return response


def _answer_http_exception(error: HTTPException) -> Response:
    """Answer what Flask and Werkzeug raise; an uncaught exception arrives here as a 500 and is logged by Flask."""
    response = error.get_response()
    status = error.code or 500
    message = error.description or error.name
    if status >= 500:
        message = "The service could not answer this request."
    if status == 413:
        message = f"The body is larger than {current_app.config['MAX_CONTENT_LENGTH']} bytes"
    response.data = current_app.json.dumps(body(status, error.name, message))
    response.content_type = "application/json"
    return response  # type: ignore[return-value]
