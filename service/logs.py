"""Logs as JSON lines on standard error, each with the id of its request. Never a body, token, key or password."""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
import uuid

from flask import Flask, Response, g, request
from pythonjsonlogger.json import JsonFormatter

from service import gateway

log = logging.getLogger(__name__)

_local = threading.local()
_SAFE_ID = re.compile(r"[A-Za-z0-9._:=+/-]{1,128}", re.ASCII)


def formatter() -> JsonFormatter:
    """Return what makes a JSON line of a record, with all that `extra=` gave it."""
    return JsonFormatter(
        "%(levelname)s %(name)s %(message)s",
        rename_fields={"levelname": "level", "name": "logger"},
        timestamp=True,
    )


def configure(level: str) -> None:
    """Send the log of this process to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter())
    handler.addFilter(_add_request_id)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def _add_request_id(record: logging.LogRecord) -> bool:
    record.requestId = request_id()
    return True


def request_id() -> str | None:
    """Return the id of the request that this thread serves, None outside one."""
    return getattr(_local, "request_id", None)


def init_app(app: Flask) -> None:
    """Give each request an id and one line in the log."""
    app.before_request(_begin)
    app.after_request(_end)
    app.teardown_request(_forget)


def _begin() -> None:
    g.started_at = time.perf_counter()
    sent = gateway.request_id(request.environ) or request.headers.get("X-Request-Id", "")
    _local.request_id = sent if _SAFE_ID.fullmatch(sent) else uuid.uuid4().hex


def _end(response: Response) -> Response:
    response.headers["X-Request-Id"] = _local.request_id
    if log.isEnabledFor(logging.INFO):
        log.info(
            "request",
            extra={
                "method": request.method,
                "path": request.path,
                "route": request.url_rule.rule if request.url_rule else None,
                "status": response.status_code,
                "durationMs": round((time.perf_counter() - g.started_at) * 1000, 2),
            },
        )
    return response


def _forget(_error: BaseException | None) -> None:
    _local.request_id = None
