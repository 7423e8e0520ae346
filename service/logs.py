"""Logs as JSON lines on standard error, each with the id of its request. Never a body, token, key or password."""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
import traceback
import uuid
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, g, request
from pythonjsonlogger.json import JsonFormatter

from service import gateway, tracing
from service.times import rfc3339

log = logging.getLogger(__name__)

QUIET_ROUTES = ("/health", "/api/health", "/ready")  # somebody asks every few seconds

_local = threading.local()
_SAFE_ID = re.compile(r"[A-Za-z0-9._:=+/-]{1,128}", re.ASCII)


class Formatter(JsonFormatter):
    """Makes a JSON line of a record, with all that `extra=` gave it."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s %(name)s %(message)s", rename_fields={"levelname": "level", "name": "logger"})

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        log_data["timestamp"] = rfc3339(datetime.fromtimestamp(record.created, UTC), "milliseconds")
        super().add_fields(log_data, record, message_dict)
        log_data["requestId"] = request_id()
        if trace_id := tracing.trace_id():
            log_data["traceId"] = trace_id

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """Return the stack, without the texts of the exceptions: they may quote the request or a row."""
        return _stack(ei[1])


def _stack(error: BaseException | None) -> str:
    parts: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        name = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
        parts.insert(0, "".join(traceback.format_tb(error.__traceback__)) + name)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\nwhich led to:\n".join(parts)


def formatter() -> Formatter:
    """Return the one formatter, for gunicorn's configuration too."""
    return Formatter()


def configure(level: str) -> None:
    """Send the log of this process to standard error as JSON lines.

    `DEBUG` is for this service alone: at that level botocore and others write down secrets and bodies. urllib3 writes
    down whole URLs, keys and all, with its warnings, too.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel("INFO" if level == "DEBUG" else level)
    logging.getLogger("service").setLevel(level)
    logging.getLogger("urllib3").setLevel(max(logging.ERROR, root.level))


def request_id() -> str | None:
    """Return the id of what this thread works on, None where that is no request and no invocation."""
    return getattr(_local, "request_id", None)


def last_request_id() -> str | None:
    """Return the id of what this thread works on, or has worked on last."""
    return getattr(_local, "last_request_id", None)


def set_request_id(value: str | None) -> None:
    """Let the lines that this thread writes from now on bear an id, or none."""
    _local.request_id = value
    if value is not None:
        _local.last_request_id = value


def init_app(app: Flask) -> None:
    """Give each request an id and one line in the log."""
    app.before_request(_begin)
    app.after_request(_end)
    app.teardown_request(lambda _error: set_request_id(None))


def _begin() -> None:
    g.started_at = time.perf_counter()
    sent = gateway.request_id(request.environ) or request.headers.get("X-Request-Id", "")
    set_request_id(sent if isinstance(sent, str) and _SAFE_ID.fullmatch(sent) else uuid.uuid4().hex)


def _end(response: Response) -> Response:
    response.headers["X-Request-Id"] = str(request_id())
    route = request.url_rule.rule if request.url_rule else None
    level = logging.DEBUG if route in QUIET_ROUTES and response.status_code == 200 else logging.INFO
    if log.isEnabledFor(level):
        log.log(
            level,
            "request",
            extra={
                "method": request.method,
                "path": request.path,
                "route": route,
                "status": response.status_code,
                "durationMs": round((time.perf_counter() - g.started_at) * 1000, 2),
            },
        )
    return response
