"""The shape of what is asked for, before any table is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from service.documents import parse
from service.errors import BadRequest
from service.exports.selection.dates import DATE_FILTER, days_of
from service.exports.selection.filters import EQUALITIES, MAX_FILTERS, MAX_OPTIONS, OPS, ORDERS
from service.exports.selection.names import MAX_NAME
from service.exports.selection.scan import MAX_CLAUSE
from service.exports.selection.values import MAX_TEXT, Misfit
from service.validation import CommaSeparated, StrictSchema, Text, choice

MODES = ("full", "changed")
MAX_COLUMNS = 1000
MAX_LIMIT = 100_000_000
MAX_FILTERS_TEXT = 7000  # a line of a request has some 8 KB

_ANY_DAY = date(2000, 1, 1)


def _length(high: int) -> validate.Length:
    return validate.Length(1, high, error=f"Must be a list of 1 to {high}")


class Count(fields.Field[int]):
    """A whole number from 1 to `high`."""

    def __init__(self, high: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.high = high

    def json_schema(self) -> dict[str, Any]:
        """Return what a count must be as JSON Schema."""
        return {"type": "integer", "minimum": 1, "maximum": self.high}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= self.high:
            raise ValidationError(f"Must be a whole number from 1 to {self.high}")
        return value


class Digits(Count):
    """A whole number from 1 to `high`, as digits."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        is_number = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(self.high))
        return super()._deserialize(int(value) if is_number else None, attr, data, **kwargs)


class DateFilter(Text):
    """Days in words: `today`, `last_7_days`, `2026-01-15/2026-01-31` (see `dates`)."""

    def json_schema(self) -> dict[str, Any]:
        """Return what a date filter must look like as JSON Schema: not each day exists."""
        return {"type": "string", "pattern": f"^({DATE_FILTER})$"}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            days_of(text, _ANY_DAY)
        except Misfit as misfit:
            raise ValidationError(misfit.rule) from None
        return text


class Named(StrictSchema):
    """A schema that answers an unknown key with those that it knows."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.error_messages["unknown"] = f"Unknown key; known are {', '.join(self.fields)}"


class FilterInput(Named):
    """A condition on one column: a list of values for `in` and `between`, true (or nothing) or false for `is_null`."""

    column = Text(required=True)
    op = choice(OPS, required=True)
    value = fields.Raw()

    class Meta(Named.Meta):
        json_schema = {
            "oneOf": [
                {"properties": {"op": {"enum": ops}, "value": value}, "required": required}
                for ops, value, required in (
                    ([*EQUALITIES, *ORDERS], {"type": ["string", "number", "boolean"]}, ["value"]),
                    (["in"], {"type": "array", "minItems": 1, "maxItems": MAX_OPTIONS}, ["value"]),
                    (["between"], {"type": "array", "minItems": 2, "maxItems": 2}, ["value"]),
                    (["like"], {"type": "string", "maxLength": MAX_TEXT}, ["value"]),
                    (["is_null"], {"type": "boolean"}, []),
                )
            ]
        }

    @validates_schema
    def _check_value(self, given: dict[str, Any], **_: Any) -> None:
        op, value = given["op"], given.get("value")
        if op == "is_null":
            if "value" in given and not isinstance(value, bool):
                raise ValidationError("Must be true or false", "value")
        elif op == "in":
            if not isinstance(value, list) or not 1 <= len(value) <= MAX_OPTIONS:
                raise ValidationError(f"Must be a list of 1 to {MAX_OPTIONS} values", "value")
        elif op == "between":
            if not isinstance(value, list) or len(value) != 2:
                raise ValidationError("Must be a list of two values, both included", "value")
        elif value is None:
            raise ValidationError("Must not be missing; is_null asks for NULL", "value")
        elif isinstance(value, (list, dict)):
            raise ValidationError("Must be a single value", "value")


class ExportInput(Named):
    """Which rows of a table to send, and of what columns: of all that meet every condition, at most `limit`.

    `mode` is `full`, or `changed`: only what is new or changed since the last successful run of the table.
    """

    table = Text(required=True, limit=MAX_NAME)
    columns: fields.Field[Any] = fields.List(Text(limit=MAX_NAME), validate=_length(MAX_COLUMNS))
    date_filter = DateFilter()
    where_clause = Text(limit=MAX_CLAUSE)
    filters: fields.Field[Any] = fields.List(fields.Nested(FilterInput), validate=_length(MAX_FILTERS))
    limit: fields.Field[Any] = Count(MAX_LIMIT)
    mode = choice(MODES, load_default="full")


class FiltersText(Text):
    """Filters as the text of their JSON."""

    def json_schema(self) -> dict[str, Any]:
        """Return what a text of filters must be as JSON Schema."""
        return {"type": "string", "minLength": 1, "maxLength": self.limit, "contentMediaType": "application/json"}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            document = parse(text)
        except BadRequest:
            raise ValidationError("Must be JSON, a list of filters") from None
        if document.violations:
            raise ValidationError([each["message"] for each in document.violations])
        return ExportInput().fields["filters"].deserialize(document.value)


class ExportQuery(ExportInput):
    """Which rows of a table to send, in a query: names with commas between them, and filters as JSON."""

    columns = CommaSeparated(limit=MAX_NAME)
    filters = FiltersText(limit=MAX_FILTERS_TEXT)
    limit = Digits(MAX_LIMIT)
