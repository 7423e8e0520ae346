"""The items API."""

from __future__ import annotations

import uuid

from flask import Blueprint, Flask, Response

from service import inputs
from service.answers import as_json
from service.database import get_database
from service.errors import NotFound
from service.items import queries
from service.items.schemas import ItemInput, ItemList, ItemOutput
from service.operations import Answer, operation
from service.pages import PageQuery

MISSING = "The item does not exist"
EXAMPLE = {"name": "Brake disc", "description": "Front, 320 mm, ventilated"}

items = Blueprint("items", __name__, url_prefix="/api/items")


def init_app(app: Flask) -> None:
    """Add the routes. The collection answers with and without a slash at its end."""
    app.register_blueprint(items)


@items.post("/")
@items.post("")
@operation("items:write", body=ItemInput, example=EXAMPLE, answers={201: ItemOutput})
def create() -> Response:
    """Store an item."""
    stored = get_database().statement(queries.insert, str(uuid.uuid4()), inputs.body())
    return as_json(stored, MISSING, 201)


@items.get("/")
@items.get("")
@operation("items:read", query=PageQuery, answers={200: ItemList})
def index() -> Response:
    """List items, the newest first."""
    return as_json(get_database().statement(queries.page, **inputs.query()), MISSING)


@items.get("/<uuid:item_id>")
@operation("items:read", answers={200: ItemOutput})
def show(item_id: uuid.UUID) -> Response:
    """Return an item."""
    return as_json(get_database().statement(queries.one, str(item_id)), MISSING)


@items.put("/<uuid:item_id>")
@operation("items:write", body=ItemInput, example=EXAMPLE, answers={200: ItemOutput})
def replace(item_id: uuid.UUID) -> Response:
    """Replace an item; what is not sent is removed."""
    return as_json(get_database().statement(queries.replace, str(item_id), inputs.body()), MISSING)


@items.delete("/<uuid:item_id>")
@operation("items:write", answers={204: Answer()})
def delete(item_id: uuid.UUID) -> Response:
    """Delete an item."""
    if not get_database().statement(queries.delete, str(item_id)):
        raise NotFound(MISSING)
    return Response(status=204)
