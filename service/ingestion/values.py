"""Values as partners write them: money, times and names in several spellings. Each raises `Rejected` with its path."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from service.ingestion.records import Rejected
from service.times import as_utc

MAX_TEXT = 10_000
MAX_DIGITS = 400
_MONEY = re.compile(
    r"(\()?([+-]?\$?|\$[+-])([0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)?(\.[0-9]*)?(?(1)\))", re.ASCII
)  # parenthesis, sign and currency, whole part, fraction
_PLAIN = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?", re.ASCII)
_NOTHING = (None, "")
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def amount(value: Any, path: str) -> Decimal | None:
    """Return a number or money text (`"$1,234.56"`, `"-5"`, `"(5.00)"`) exactly; None for null and `""`."""
    if value is None or type(value) is Decimal:
        return value
    if isinstance(value, str):
        return Decimal(value) if _PLAIN.fullmatch(value) else _from_text(value.strip(), path)
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        raise Rejected(path, f"must be a number or an amount such as 1,234.56, not {_kind(value)}")
    return Decimal(value)


def _from_text(text: str, path: str) -> Decimal | None:
    if not text:
        return None
    found = _MONEY.fullmatch(text)
    parenthesis, sign, whole, fraction = found.groups("") if found else ("", "", "", "")
    digits = whole.replace(",", "") + fraction
    if digits in ("", ".") or len(digits) > MAX_DIGITS or (parenthesis and sign.strip("$")):
        raise Rejected(path, "must be a number or an amount such as $1,234.56")
    return Decimal(("-" if parenthesis or "-" in sign else "") + digits)


def moment(value: Any, path: str) -> datetime | None:
    """Return an ISO 8601 time as UTC, which it is where it names no offset; None for null and `""`."""
    if value in _NOTHING:
        return None
    if not isinstance(value, str):
        raise Rejected(path, f"must be a time such as 2026-01-15T10:30:00Z, not {_kind(value)}")
    try:
        return as_utc(datetime.fromisoformat(value.strip()))
    except (ValueError, OverflowError):
        raise Rejected(path, "must be a time such as 2026-01-15T10:30:00Z") from None


def day(value: Any, path: str) -> date | None:
    """Return a day; None for null and `""`."""
    if value in _NOTHING:
        return None
    try:
        return date.fromisoformat(value.strip())
    except (ValueError, AttributeError):
        raise Rejected(path, "must be a day such as 2026-01-15") from None


def text(value: Any, path: str, limit: int = MAX_TEXT) -> str | None:
    """Return a text, or a number as its digits; None for null."""
    if value is None:
        return None
    if isinstance(value, (bool, dict, list)):
        raise Rejected(path, f"must be a text, not {_kind(value)}")
    found = str(value)
    if len(found) > limit:
        raise Rejected(path, f"must have at most {limit} characters")
    return found


def flag(value: Any, path: str) -> bool | None:
    """Return a boolean, also one that is spelled `Yes`, `1` or 1; None for null and `""`."""
    if value in _NOTHING:
        return None
    found = _FLAGS.get(str(value).strip().lower())
    if found is None:
        raise Rejected(path, "must be true or false, Yes or No, 1 or 0")
    return found


def identifier(value: Any, path: str) -> str:
    """Return an id of 1 to 255 characters, which is sent as text or as a whole number."""
    found = value.strip() if isinstance(value, str) else str(value) if type(value) is int else ""
    if not found or len(found) > 255:
        raise Rejected(path, "must be an id: a text of 1 to 255 characters or a whole number")
    return found


def _kind(value: Any) -> str:
    kinds = {bool: "a boolean", dict: "an object", list: "a list", str: "a text", type(None): "null"}
    return kinds.get(type(value), "a number")
