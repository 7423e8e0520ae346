"""Moments as the house writes them: RFC 3339, UTC, with `Z`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal


def rfc3339(moment: datetime, timespec: Literal["auto", "seconds", "milliseconds"] = "auto") -> str:
    """Return a UTC moment as text, such as `2024-01-15T10:30:00Z`."""
    return moment.isoformat(timespec=timespec).replace("+00:00", "Z")


def now(timespec: Literal["seconds", "milliseconds"]) -> str:
    """Return the present moment as text."""
    return rfc3339(datetime.now(UTC), timespec)


def as_utc(moment: datetime) -> datetime:
    """Return a moment in UTC, which it is where it names no offset. Raises `OverflowError` outside of all years."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
