"""When to ask again: what may pass, how long to wait, and what Retry-After says."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from service.times import as_utc

LONGEST_RETRY_AFTER_SECONDS = 900.0


def may_pass(status: int) -> bool:
    """Return whether the next answer may be another one than this status."""
    return status in (408, 425, 429) or status >= 500


def jitter(attempt: int, first: float, longest: float) -> float:
    """Return how many seconds to wait after an attempt: from 0 to a limit that doubles with each, up to the longest."""
    return random.uniform(0, min(longest, first * 2**attempt))  # noqa: S311


def retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that a Retry-After asks for, as a number or as a date; 0 where it says nothing.

    A date is one of the other side's clock, which Date tells.
    """
    value = headers.get("Retry-After")
    if value is None:
        return 0
    try:
        seconds = float(value) if value.strip().isdigit() else _until(value, moment(headers.get("Date")))
    except (ValueError, TypeError, OverflowError):
        return 0
    return max(0.0, seconds)


def moment(value: str | None) -> datetime | None:
    """Return the moment that a header names, None where it names none."""
    try:
        return _parsed(value) if value else None
    except (ValueError, TypeError, OverflowError):
        return None


def _until(value: str, now: datetime | None) -> float:
    return (_parsed(value) - (now or datetime.now(UTC))).total_seconds()


def _parsed(value: str) -> datetime:
    return as_utc(parsedate_to_datetime(value))
