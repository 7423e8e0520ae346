"""By when the work at hand must be done. Set where a request, a job or a command begins; read wherever something waits.

Times are seconds of `time.monotonic()`. A thread that set none waits as long as `UNSET_SECONDS`.
"""

from __future__ import annotations

import threading
import time

from flask import Flask, request

from service import gateway
from service.config import Config

SPARED_SECONDS = 0.5  # of a Lambda invocation, to answer in

UNSET_SECONDS = 60.0

_local = threading.local()


def start(seconds: float) -> None:
    """Let the work of this thread end within `seconds` from now."""
    _local.expires_at = time.monotonic() + seconds


def clear() -> None:
    """Take the deadline of this thread back."""
    _local.expires_at = None


def expires_at() -> float:
    """Return the moment by which the work of this thread must be done."""
    moment: float | None = getattr(_local, "expires_at", None)
    return time.monotonic() + UNSET_SECONDS if moment is None else moment


def remaining() -> float:
    """Return the seconds left, 0 when the deadline has passed."""
    return max(0.0, expires_at() - time.monotonic())


def init_app(app: Flask, config: Config) -> None:
    """Give each request `config.deadline_seconds`, on Lambda never more than its invocation has left."""

    def begin() -> None:
        left = gateway.remaining_seconds(request.environ)
        start(config.deadline_seconds if left is None else min(config.deadline_seconds, left - SPARED_SECONDS))

    app.before_request(begin)
    app.teardown_request(lambda _error: clear())
