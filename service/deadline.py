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


class Deadline:
    """The deadline of one piece of work. Another thread may cut it: the process is told to stop, a lease is lost."""

    def __init__(self, seconds: float) -> None:
        self.expires_at = time.monotonic() + seconds
        self.is_cut = False

    def cut(self, seconds: float) -> None:
        """Let the work end within `seconds` from now, and at its next boundary if it has such."""
        self.expires_at = min(self.expires_at, time.monotonic() + seconds)
        self.is_cut = True


def start(seconds: float) -> Deadline:
    """Let the work of this thread end within `seconds` from now; return the deadline, for others to cut."""
    deadline = Deadline(seconds)
    _local.deadline = deadline
    return deadline


def current() -> Deadline | None:
    """Return the deadline of this thread, None where it has none."""
    found: Deadline | None = getattr(_local, "deadline", None)
    return found


def share(deadline: Deadline | None) -> None:
    """Let this thread work on behalf of another one: by the same deadline."""
    _local.deadline = deadline


def clear() -> None:
    """Take the deadline of this thread back."""
    share(None)


def expires_at() -> float:
    """Return the moment by which the work of this thread must be done."""
    found = current()
    return time.monotonic() + UNSET_SECONDS if found is None else found.expires_at


def remaining() -> float:
    """Return the seconds left, 0 when the deadline has passed."""
    return max(0.0, expires_at() - time.monotonic())


def is_cut() -> bool:
    """Return whether the work of this thread has been told to end early: work that can continue later stops now."""
    found = current()
    return found is not None and found.is_cut


def init_app(app: Flask, config: Config) -> None:
    """Give each request `config.deadline_seconds`, on Lambda never more than its invocation has left."""

    def begin() -> None:
        left = gateway.remaining_seconds(request.environ)
        start(config.deadline_seconds if left is None else min(config.deadline_seconds, left - SPARED_SECONDS))

    app.before_request(begin)
    app.teardown_request(lambda _error: clear())
