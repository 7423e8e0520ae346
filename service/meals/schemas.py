"""What a meal is made of, and what its routes answer."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from service.pages import PageQuery, Pagination
from service.validation import Day, Instant, LongText, Number, StrictSchema, Text

MAX_DAYS = 366
MAX_AMOUNT = 10**12


def _check_positive(number: Decimal) -> None:
    if number <= 0:
        raise ValidationError("Must be more than 0")


class FoodInput(StrictSchema):
    """Some food of a meal. Calories are those of the whole quantity."""

    food = Text(limit=200, required=True)
    quantity = Number(high=MAX_AMOUNT, required=True, validate=_check_positive, metadata={"exclusiveMinimum": 0})
    unit = Text(limit=50, required=True)
    calories = Number(0, MAX_AMOUNT, load_default=None, allow_none=True)


class MealInput(StrictSchema):
    """A meal as it is sent."""

    name = Text(limit=200, required=True)
    eatenAt = Instant(required=True)
    items = fields.List(
        fields.Nested(FoodInput),
        required=True,
        validate=validate.Length(1, 100, error="Must have 1 to 100 items"),
        error_messages={"invalid": "Must be a list of items"},
    )
    notes = LongText(limit=2000, load_default=None, allow_none=True)


class Days(StrictSchema):
    """Days of the user's time zone, from one to another, both included."""

    first_day = Day(data_key="from")
    last_day = Day(data_key="to")

    @validates_schema
    def check_order(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse days that end before they begin."""
        if "first_day" in data and "last_day" in data and data["first_day"] > data["last_day"]:
            raise ValidationError("Must not be before from", "last_day")


class MealListQuery(Days, PageQuery):
    """Which meals: those of some days, or of all; and which page of them."""


class SummaryQuery(Days):
    """Of which days."""

    first_day = Day(data_key="from", required=True)
    last_day = Day(data_key="to", required=True)

    @validates_schema
    def check_length(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse more days than a year has."""
        if data["last_day"] - data["first_day"] >= timedelta(MAX_DAYS):
            raise ValidationError(f"Must be at most {MAX_DAYS} days after from, and from counts", "last_day")


class FoodOutput(Schema):
    """Some food of a meal."""

    food = fields.String(required=True)
    quantity = fields.Decimal(required=True)
    unit = fields.String(required=True)
    calories = fields.Decimal(required=True, allow_none=True)


class MealOutput(Schema):
    """A meal as it is stored."""

    mealId = fields.UUID(required=True)
    name = fields.String(required=True)
    eatenAt = fields.DateTime(required=True)
    items = fields.List(fields.Nested(FoodOutput), required=True)
    notes = fields.String(required=True, allow_none=True)
    createdAt = fields.DateTime(required=True)
    updatedAt = fields.DateTime(required=True)


class MealList(Schema):
    """One page of meals, the last eaten first."""

    meals = fields.List(fields.Nested(MealOutput), required=True)
    pagination = fields.Nested(Pagination, required=True)


class MealTotal(Schema):
    """How many meals of how many items, and the calories of those items whose calories are known."""

    meals = fields.Integer(required=True)
    items = fields.Integer(required=True)
    calories = fields.Decimal(required=True)
    itemsWithoutCalories = fields.Integer(required=True)


class MealDay(MealTotal):
    """The meals of a day."""

    date = fields.Date(required=True)


class MealSummary(Schema):
    """What was eaten on each of some days in the user's time zone, and on all of them together."""

    timezone = fields.String(required=True)
    days = fields.List(fields.Nested(MealDay), required=True)
    total = fields.Nested(MealTotal, required=True)
