"""When others may be asked again, as they say it themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import formatdate

import pytest

from service.outgoing.retries import jitter, may_pass, moment, retry_after


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 7 ", 7),
        ("Thu, 01 Jan 2026 00:05:00 GMT", 300),
        ("Thu, 01 Jan 2026 00:05:00 -0000", 300),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("-5", 0),
        ("soon", 0),
        ("", 0),
        ("\u00b2", 0),
        ("1e3", 0),
        ("Wed, 99 Oct 2099 07:28:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 0),
    ],
)
def test_every_form_of_retry_after(value: str, seconds: float) -> None:
    assert retry_after({"Retry-After": value, "Date": "Thu, 01 Jan 2026 00:00:00 GMT"}) == seconds
    assert retry_after({}) == 0


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_date_is_one_of_the_other_side_s_clock(hours: int) -> None:
    theirs = datetime.now(UTC) + timedelta(hours=hours)
    until = formatdate((theirs + timedelta(seconds=20)).timestamp(), usegmt=True)
    said = {"Retry-After": until, "Date": formatdate(theirs.timestamp(), usegmt=True)}
    assert retry_after(said) == pytest.approx(20, abs=1)


def test_a_moment_that_is_none() -> None:
    assert moment("yesterday") is None
    assert moment(None) is None


def test_what_may_pass() -> None:
    assert [status for status in range(200, 500) if may_pass(status)] == [408, 425, 429]
    assert may_pass(500)
    assert may_pass(599)


def test_waits_are_drawn_from_nothing_to_a_limit_that_doubles() -> None:
    drawn = [[jitter(attempt, 0.5, 3.0) for _ in range(300)] for attempt in (1, 2, 3, 9)]
    for some, limit in zip(drawn, (1, 2, 3, 3), strict=True):
        assert 0 <= min(some) < limit / 4
        assert limit * 0.75 < max(some) <= limit
