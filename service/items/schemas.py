"""What an item is made of, and what the routes of items answer."""

from __future__ import annotations

from marshmallow import Schema, fields

from service.pages import Pagination
from service.validation import LongText, StrictSchema, Text


class ItemInput(StrictSchema):
    """An item as it is sent."""

    name = Text(limit=200, required=True)
    description = LongText(limit=2000, load_default=None, allow_none=True)


class ItemOutput(Schema):
    """An item as it is stored."""

    item_id = fields.UUID(required=True)
    name = fields.String(required=True)
    description = fields.String(required=True, allow_none=True)
    createdAt = fields.DateTime(required=True)
    updatedAt = fields.DateTime(required=True)


class ItemList(Schema):
    """One page of items, the newest first."""

    items = fields.List(fields.Nested(ItemOutput), required=True)
    pagination = fields.Nested(Pagination, required=True)
