"""Values as clients send them, checked against the type of a column: the text that is bound in the end.

A bound text is an ordinary spelling that every engine casts to the same value; a number or a moment that the type
cannot hold exactly is refused, never rounded.
"""

from __future__ import annotations

import re
import struct
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from service.exports.lake.types import INTEGERS, MOMENTS, NUMBERS, TEXTS, Type

MAX_TEXT = 1000  # Athena takes 1,024 with the quotes around it
MAX_DIGITS = 400  # of a number, written out: a double needs 325 at the most
ORDERED = (*NUMBERS, *TEXTS, "date", *MOMENTS)
COMPARABLE = (*ORDERED, "boolean", "uuid")  # the order of UUIDs is each engine's own

_BITS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}
_NUMBER = re.compile(rf"-?[0-9]{{1,{MAX_DIGITS}}}(\.[0-9]{{1,{MAX_DIGITS}}})?")
_SURROGATE = re.compile("[\ud800-\udfff]")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,6}))?(?: ?([Zz]|UTC)|([+-][0-9]{2}:[0-9]{2}))?)?"
)
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


class Misfit(Exception):
    """A value or a clause breaks a `rule`, which may be shown to anybody."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


def text_of(value: Any, type: Type) -> str:  # noqa: A002
    """Return the text that stands for a value of a column of this type. Raises `Misfit`."""
    if type.kind in NUMBERS:
        return _number_text(number_of(value), type)
    if type.kind in TEXTS:
        return _text(value, type)
    if type.kind == "boolean":
        if not isinstance(value, bool):
            raise Misfit("Must be true or false")
        return "true" if value else "false"
    if type.kind == "date":
        return day_of(value).isoformat()
    if type.kind in MOMENTS:
        return moment_text(_moment(value), type)
    if type.kind == "uuid":
        if not (isinstance(value, str) and _UUID.fullmatch(value)):
            raise Misfit("Must be a UUID, such as 0f8fad5b-d9cb-469f-a165-70867728950e")
        return value.lower()
    raise Misfit(f"Must be about another column: one of type {type.kind} may only be NULL or not")


def number_of(value: Any) -> Decimal:
    """Return a number, sent as one or as a text of digits, exactly. Raises `Misfit`."""
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value):
            raise Misfit("Must be a number, such as 12 or -0.5")
        return Decimal(value)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise Misfit("Must be a number")
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite():
        raise Misfit("Must be a finite number")
    if abs(number.adjusted()) > MAX_DIGITS:
        raise Misfit(f"Must have at most {MAX_DIGITS} digits")
    return number


def digits_of(number: Decimal) -> tuple[str, str]:
    """Return the digits before and behind the point that a number needs."""
    whole, _, fraction = f"{number:f}".lstrip("-").partition(".")  # abs() would round to 28 digits
    return whole.lstrip("0"), fraction.rstrip("0")


def _number_text(number: Decimal, type: Type) -> str:  # noqa: A002
    whole, fraction = digits_of(number)
    sign = "-" if number < 0 else ""
    if type.kind in INTEGERS:
        bound = 2 ** (_BITS[type.kind] - 1)
        if fraction:
            raise Misfit("Must be a whole number")
        if not -bound <= int(number) < bound:
            raise Misfit(f"Must be from {-bound} to {bound - 1}")
        return f"{sign}{whole or '0'}"
    if type.kind == "decimal":
        precision, scale = type.parameters
        if len(whole) > precision - scale or len(fraction) > scale:
            raise Misfit(f"Must have at most {precision - scale} digits before the point and {scale} behind it")
        return f"{sign}{whole or '0'}.{fraction}".rstrip(".")
    try:
        near = struct.unpack("f", struct.pack("f", number))[0] if type.kind == "float" else float(number)
    except OverflowError:
        near = float("inf")
    if abs(near) == float("inf"):
        raise Misfit(f"Must be a number that a {type.kind} can hold")
    return repr(near)


def _text(value: Any, type: Type) -> str:  # noqa: A002
    if not isinstance(value, str):
        raise Misfit("Must be a text")
    if "\0" in value or _SURROGATE.search(value):
        raise Misfit("Must not hold the character NUL or half of a surrogate pair")
    # Athena wants it in quotes, doubles those in it, and counts as Java does.
    if len(value.encode("utf-16-le")) // 2 + value.count("'") > MAX_TEXT:
        raise Misfit(f"Must have at most {MAX_TEXT} characters, where ' counts twice")
    if type.kind == "char" and value.endswith(" "):
        raise Misfit("Must not end with a space: the column is padded with them")
    return value


def day_of(value: Any) -> date:
    """Return a day, sent as a text. Raises `Misfit`."""
    try:
        if isinstance(value, str) and _DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass  # a day that does not exist
    raise Misfit("Must be a date, such as 2026-01-15")


def _moment(value: Any) -> datetime:
    """Return a moment, sent as a text, in UTC: where it names no offset it is meant so; a day is its midnight."""
    match = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    try:
        if match:
            day, time, fraction, _, offset = match.groups()
            return datetime.fromisoformat(
                f"{day} {time or '00:00:00'}.{fraction or '0':0<6}{offset or '+00:00'}"
            ).astimezone(UTC)
    except (ValueError, OverflowError):
        pass  # a day or a time that does not exist
    raise Misfit("Must be a moment, such as 2026-01-15 10:30:00 or 2026-01-15T10:30:00.5Z, at most to the microsecond")


def moment_text(moment: datetime, type: Type) -> str:  # noqa: A002
    """Return a UTC moment as the text that is bound to a column of one of the types of moments."""
    text = moment.isoformat(" ", "microseconds")
    return text if type.kind == "timestamptz" else text.removesuffix("+00:00")
