"""Fields and schemas that every feature's marshmallow schemas are made of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from service import times
from service.errors import Invalid, violation

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MIN_MILLISECONDS, MAX_MILLISECONDS = -62_135_596_800_000, 253_402_300_799_999  # the years 1 to 9999

_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([Tt ]([01][0-9]|2[0-3]):[0-5][0-9](?P<second>:([0-5][0-9]|60)([.,][0-9]+)?)?([Zz]|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_MILLISECONDS = re.compile(r"-?[0-9]{1,16}")


class StrictSchema(Schema):
    """A schema that refuses unknown keys."""

    error_messages = {"unknown": "Unknown key", "type": "Must be an object"}

    class Meta:
        unknown = RAISE


class Text(fields.Field[str]):
    """A string of 1 to 255 characters. `empty` is what to say of one that is missing or empty."""

    def __init__(self, *, empty: str = "Must not be empty", limit: int = 255, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.empty = empty
        self.limit = limit
        self.error_messages["required"] = empty

    def json_schema(self) -> dict[str, Any]:
        """Return what a text must be as JSON Schema."""
        return {"type": "string", "minLength": 1, "maxLength": self.limit, "pattern": r"^[^\u0000]*$"}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("Must be a text")
        if not value:
            raise ValidationError(self.empty)
        if "\0" in value:
            raise ValidationError("Must not hold the character NUL")
        if len(value) > self.limit:
            raise ValidationError(f"Must have at most {self.limit} characters")
        return value


def choice(choices: tuple[str, ...], **kwargs: Any) -> fields.String:
    """Return a field for one of some words."""
    return fields.String(validate=validate.OneOf(choices, error="Must be one of {choices}"), **kwargs)


class Number(fields.Field[Decimal]):
    """A JSON number from `low` to `high`, with at most `places` digits after the point. Never a text or a boolean."""

    def __init__(
        self, low: int | None = None, high: int | None = None, places: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.low, self.high, self.places = low, high, places

    def json_schema(self) -> dict[str, Any]:
        """Return what a number must be as JSON Schema."""
        bounds = {"minimum": self.low, "maximum": self.high}
        return {
            "type": "integer" if self.places == 0 else "number",
            **{name: bound for name, bound in bounds.items() if bound is not None},
        }

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
            raise ValidationError("Must be a number")
        if self.places is not None and _places(value) > self.places:
            raise ValidationError(
                "Must be a whole number" if self.places == 0 else f"Must have at most {self.places} decimal places"
            )
        if self.low is not None and value < self.low:
            raise ValidationError(f"Must be at least {self.low}")
        if self.high is not None and value > self.high:
            raise ValidationError(f"Must be at most {self.high}")
        return Decimal(value)


def _places(value: int | Decimal) -> int:
    """Return how many digits stand after the point. Arithmetic would round a number of more than 28."""
    return len(f"{Decimal(value):f}".partition(".")[2].rstrip("0"))


class Timestamp(fields.Field[datetime]):
    """A date: RFC 3339 or ISO 8601, or epoch milliseconds as a number or digits; UTC where it names no offset."""

    def json_schema(self) -> dict[str, Any]:
        """Return what a date should be as JSON Schema: it says less than is accepted."""
        milliseconds = {"type": "number", "minimum": MIN_MILLISECONDS, "maximum": MAX_MILLISECONDS}
        return {"anyOf": [{"type": "string", "format": "date-time"}, milliseconds]}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> datetime:
        try:
            return parse_timestamp(value)
        except (TypeError, ValueError, OverflowError):
            raise ValidationError("Must be an RFC 3339 date or epoch milliseconds") from None


def parse_timestamp(value: Any) -> datetime:
    """Return the UTC moment that a `Timestamp` stands for. Raises `TypeError`, `ValueError` or `OverflowError`."""
    if isinstance(value, str):
        return _from_milliseconds(int(value)) if _MILLISECONDS.fullmatch(value) else _from_iso(value)
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return _from_milliseconds(value)
    raise TypeError(value)


def _from_milliseconds(value: int | Decimal) -> datetime:
    # In whole microseconds: a float would lose some.
    return EPOCH + timedelta(microseconds=int(value * 1000))


def _from_iso(text: str) -> datetime:
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise ValueError(text)
    is_leap = (match["second"] or "").startswith(":60")  # a leap second is the first moment of the next minute
    moment = datetime.fromisoformat((text.replace(":60", ":59", 1) if is_leap else text).upper().replace(",", "."))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if is_leap:
        moment = moment.replace(microsecond=0) + timedelta(seconds=1)
    return moment.astimezone(UTC)


class Instant(fields.Field[datetime]):
    """A date-time of RFC 3339, which names its offset; as UTC."""

    def json_schema(self) -> dict[str, Any]:
        """Return what a moment must be as JSON Schema."""
        return {"type": "string", "format": "date-time"}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> datetime:
        try:
            if isinstance(value, str) and _INSTANT.fullmatch(value):
                return _from_iso(value)
        except (ValueError, OverflowError):
            pass  # a day or a year that does not exist
        raise ValidationError("Must be an RFC 3339 date-time with an offset, such as 2026-01-15T10:30:00Z")


class Day(fields.Date):
    """A date of RFC 3339. (ISO 8601 also has 20260115 and 2026-W03-4.)"""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> date:
        try:
            if isinstance(value, str) and _DAY.fullmatch(value):
                return date.fromisoformat(value)
        except ValueError:
            pass  # a day that does not exist
        raise ValidationError("Must be a date, such as 2026-01-15")


class Flag(fields.Field[bool]):
    """True or false, and nothing that merely stands for them."""

    def json_schema(self) -> dict[str, Any]:
        """Return what a flag must be as JSON Schema."""
        return {"type": "boolean"}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("Must be true or false")
        return value


class Uuid(fields.Field[str]):
    """A UUID in its usual form, 8-4-4-4-12 hexadecimal digits; in lower case."""

    def json_schema(self) -> dict[str, Any]:
        """Return what a UUID must be as JSON Schema."""
        return {"type": "string", "format": "uuid"}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if not (isinstance(value, str) and _UUID.fullmatch(value)):
            raise ValidationError("Must be a UUID, such as 0f8fad5b-d9cb-469f-a165-70867728950e")
        return value.lower()


class LongText(Text):
    """A string of at most `limit` characters, which may be empty."""

    def json_schema(self) -> dict[str, Any]:
        """Return what a text must be as JSON Schema."""
        return super().json_schema() | {"minLength": 0}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        return "" if value == "" else super()._deserialize(value, attr, data, **kwargs)


class CommaSeparated(fields.Field[list[str]]):
    """Some of the `choices`, such as `draft,active`; any texts of at most `limit` characters where there are none."""

    def __init__(self, choices: tuple[str, ...] | None = None, *, limit: int = 255, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.choices, self.limit = choices, limit

    def json_schema(self) -> dict[str, Any]:
        """Return what stands between the commas as JSON Schema."""
        text = {"type": "string", "minLength": 1, "maxLength": self.limit, "pattern": r"^[^,\u0000]*$"}
        items = text if self.choices is None else {"type": "string", "enum": list(self.choices)}
        return {"type": "array", "items": items, "minItems": 1}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> list[str]:
        parts = str(value).split(",")
        if self.choices is not None and not set(parts) <= set(self.choices):
            raise ValidationError(f"Must be one or several of {', '.join(self.choices)}, with commas between them")
        for part in parts:
            Text(limit=self.limit).deserialize(part)
        return parts


def rfc3339(moment: datetime | None) -> str | None:
    """Return a moment that may be missing as text."""
    return None if moment is None else times.rfc3339(moment)


def load(schema: Schema, value: Any, error: str | None = None) -> Any:
    """Load `value`, or raise `Invalid` with each violation and its path."""
    try:
        return schema.load(value)
    except ValidationError as failure:
        raise Invalid(violations_of(failure), error=error) from None


def violations_of(failure: ValidationError, root: str = "") -> list[dict[str, str]]:
    """Return marshmallow's nested messages as a list of paths and rules."""
    return [violation(path, message) for path, message in _flat(failure.messages, root)]


def _flat(messages: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(messages, dict):
        for key, inner in messages.items():
            if key == "_schema":
                yield from _flat(inner, path)
            else:
                yield from _flat(inner, f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key}".lstrip("."))
    else:
        for message in messages:
            yield path, message
