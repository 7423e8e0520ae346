"""What a goal aims at, and the fields that goals and activities share with it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from marshmallow import ValidationError, validates_schema

from service.validation import Day, Number, StrictSchema, Text, choice

PERIODS = ("day", "week", "month", "quarter", "year")
DIRECTIONS = ("increase", "decrease", "maintain")
TARGET_TYPES = ("minimum", "maximum", "exact", "range")

MAX_AMOUNT = 10**12
PLACES = 6


def amount(**kwargs: Any) -> Number:
    """Return a field for an amount, of either sign."""
    return Number(-MAX_AMOUNT, MAX_AMOUNT, PLACES, **kwargs)


def with_values(*names: str) -> dict[str, Any]:
    """Return the JSON Schema of an object with these keys, none of them null."""
    return {"required": list(names), "properties": {name: {"not": {"type": "null"}} for name in names}}


def check_present(loaded: Mapping[str, Any], sent: Mapping[str, Any], names: tuple[str, ...], what: str) -> None:
    """Raise `ValidationError` for each name without a value. What was sent and is wrong has its message already."""
    missing = [name for name in names if loaded.get(name) is None and sent.get(name) is None]
    if missing:
        raise ValidationError({name: [f"A {what} needs it"] for name in missing})


def _check_positive(value: Decimal) -> None:
    if not value:
        raise ValidationError("Must be above 0")


class Target(StrictSchema):
    """What a goal aims at. Which of the optional values it needs follows from the pattern of the goal."""

    metric = Text(required=True, limit=50)
    value = Number(0, MAX_AMOUNT, PLACES, required=True, validate=_check_positive)
    unit = Text(required=True, limit=50)
    period = choice(PERIODS, load_default=None)
    targetDate = Day(load_default=None)
    startValue = amount(load_default=None)
    direction = choice(DIRECTIONS, load_default=None)
    targetType = choice(TARGET_TYPES, load_default=None)
    minValue = amount(load_default=None)
    maxValue = amount(load_default=None)

    class Meta(StrictSchema.Meta):
        json_schema = {
            "allOf": [{"properties": {"value": {"exclusiveMinimum": 0}}}],
            "anyOf": [
                {"properties": {"targetType": {"enum": [None, "minimum", "maximum", "exact"]}}},
                with_values("minValue", "maxValue"),
            ],
        }

    @validates_schema(skip_on_field_errors=False, pass_original=True)
    def _check_range(self, target: dict[str, Any], sent: Any, **_: Any) -> None:
        if target.get("targetType") != "range":
            return
        check_present(target, sent, ("minValue", "maxValue"), "range")
        low, high = target.get("minValue"), target.get("maxValue")
        if low is not None and high is not None and low > high:
            raise ValidationError("Must be at least minValue", "maxValue")
