"""What the two ends of the queue have in common: how a job is written down, and that it is never silently lost."""

from __future__ import annotations

import json
from typing import Any, Protocol

from service.errors import ServiceUnavailable

MAX_BYTES = 256 * 1024  # of a job as JSON; the table takes no more than any queue of SQS does


class NotQueued(ServiceUnavailable):
    """A job was not put; `reason` says why."""


class Queue(Protocol):
    """Where jobs wait."""

    def put(self, name: str, arguments: dict[str, Any], delay_seconds: float = 0) -> None:
        """Put a job that is run once or more, not before `delay_seconds` have passed.

        Raises `NotQueued` or another `ServiceUnavailable`; then it may have been put all the same.
        """


class NoQueue:
    """The queue where nobody would take a job out of it."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def put(self, name: str, arguments: dict[str, Any], delay_seconds: float = 0) -> None:
        """Refuse. Raises `NotQueued`."""
        raise NotQueued(self._reason)


def written(name: str, arguments: dict[str, Any]) -> str:
    """Return a job as JSON, as the messages of SQS and the events of Lambda are: `{"job": name, ...arguments}`.

    Raises `NotQueued` where it is too large, `ValueError` or `TypeError` where it cannot be written.
    """
    if "job" in arguments:
        raise ValueError("'job' is the name of the job, and cannot be one of its arguments")
    text = json.dumps({"job": name, **arguments}, allow_nan=False, separators=(",", ":"))
    if len(text) > MAX_BYTES:
        raise NotQueued(f"the job {name} is too large: {len(text)} bytes, at most {MAX_BYTES}")
    return text
