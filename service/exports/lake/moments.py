"""Dates, times and timestamps: from Athena's texts to those of RFC 3339, to the last digit of their fractions.

A timestamp without a zone is UTC, one with a zone becomes it; of an hour that a clock shows twice, the first is meant.
RFC 3339 has years of four digits. Others keep the form that ISO 8601 has for them: `+10183-09-21`, `-0043-03-15` for a
day of 44 BC; they cannot be moved from another zone than UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

_DAY = r"[+-]?[0-9]{4,9}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_FRACTION = r"(?:\.([0-9]{1,12}))?"

_is_day = re.compile(_DAY).fullmatch
_time = re.compile(rf"({_TIME}){_FRACTION}").fullmatch
_moment = re.compile(rf"({_DAY}) ({_TIME}){_FRACTION}(?: ?([A-Za-z+-][A-Za-z0-9_/:+-]{{0,63}}))?").fullmatch
_offset = re.compile(r"([+-])([01][0-9]):?([0-5][0-9])").fullmatch

_UNMOVED = (None, "UTC", "Z", "GMT", "+00:00")


def day(text: str) -> str:
    """Return a date. Raises `ValueError` where the text is none."""
    if not _is_day(text):
        raise ValueError(text)
    return text if len(text) == 10 or text[0] in "+-" else f"+{text}"


def time(text: str) -> str:
    """Return a time of day, without the zeros that end its fraction. Raises `ValueError` where the text is none."""
    found = _time(text)
    if found is None:
        raise ValueError(text)
    return found[1] + _fraction(found[2])


def moment(text: str) -> str:
    """Return a timestamp in UTC, with `Z`. Raises `ValueError` where the text is none, or cannot be moved to UTC."""
    found = _moment(text)
    if found is None:
        raise ValueError(text)
    date, clock, fraction, zone = found.groups()
    if zone not in _UNMOVED:
        date, clock = _moved(date, clock, zone)
    elif len(date) != 10:
        date = day(date)
    return f"{date}T{clock}{_fraction(fraction)}Z"


def _fraction(digits: str | None) -> str:
    digits = digits.rstrip("0") if digits else ""
    return f".{digits}" if digits else ""


def _moved(date: str, clock: str, zone: str) -> tuple[str, str]:
    """Return the date and the time, in UTC, of what the clocks of a zone show."""
    try:
        local = datetime.fromisoformat(f"{date}T{clock}").replace(tzinfo=_zone(zone))
        moved = local.astimezone(UTC).isoformat()
    except OverflowError:
        raise ValueError(f"{date} {clock} {zone}") from None
    return moved[:10], moved[11:19]


def _zone(name: str) -> timezone | ZoneInfo:
    found = _offset(name)
    if found:
        offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
        return timezone(-offset if found[1] == "-" else offset)
    try:
        return ZoneInfo(name)
    except (KeyError, OSError):  # unknown, or the folder of some others
        raise ValueError(name) from None
