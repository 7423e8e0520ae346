"""What a meal is made of, and what its routes answer."""

from __future__ import annotations

from marshmallow import Schema, fields

from service.pages import Pagination
from service.validation import Instant, StrictSchema, Text


class MealInput(StrictSchema):
    """A meal as it is sent."""

    name = Text(limit=200, required=True)
    eatenAt = Instant(required=True)
    notes = Text(limit=200, load_default=None, allow_none=True)


class MealOutput(Schema):
    """A meal as it is stored."""

    mealId = fields.UUID(required=True)
    name = fields.String(required=True)
    eatenAt = fields.DateTime(required=True)
    notes = fields.String(required=True, allow_none=True)
    createdAt = fields.DateTime(required=True)
    updatedAt = fields.DateTime(required=True)


class MealList(Schema):
    """One page of meals, the newest first."""

    meals = fields.List(fields.Nested(MealOutput), required=True)
    pagination = fields.Nested(Pagination, required=True)
