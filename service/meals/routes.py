"""The API of meals, each user's own."""

from __future__ import annotations

import uuid

from flask import Blueprint, Flask, Response

from service import inputs
from service.accounts.users import current_user
from service.answers import as_json
from service.database import get_database
from service.errors import NotFound
from service.meals import queries
from service.meals.schemas import MealInput, MealList, MealOutput
from service.operations import USER, Answer, operation
from service.pages import PageQuery

MISSING = "The meal does not exist"
EXAMPLE = {
    "name": "Sample name",
    "eatenAt": "2026-01-15T10:30:00Z",
    "notes": "Sample notes",
}

meals = Blueprint("meals", __name__, url_prefix="/meals")


def init_app(app: Flask) -> None:
    """Add the routes."""
    app.register_blueprint(meals)


@meals.post("")
@operation(USER, body=MealInput, example=EXAMPLE, answers={201: MealOutput})
def create() -> Response:
    """Store a meal."""
    stored = get_database().statement(queries.insert, current_user().id, str(uuid.uuid4()), inputs.body())
    return as_json(stored, MISSING, 201)


@meals.get("")
@operation(USER, query=PageQuery, answers={200: MealList})
def index() -> Response:
    """List meals, the newest first."""
    return as_json(get_database().statement(queries.page, current_user().id, **inputs.query()), MISSING)


@meals.get("/<uuid:mealId>")
@operation(USER, answers={200: MealOutput})
def show(mealId: uuid.UUID) -> Response:
    """Return a meal."""
    return as_json(get_database().statement(queries.one, current_user().id, str(mealId)), MISSING)


@meals.put("/<uuid:mealId>")
@operation(USER, body=MealInput, example=EXAMPLE, answers={200: MealOutput})
def replace(mealId: uuid.UUID) -> Response:
    """Replace a meal; what is not sent is removed."""
    replaced = get_database().statement(queries.replace, current_user().id, str(mealId), inputs.body())
    return as_json(replaced, MISSING)


@meals.delete("/<uuid:mealId>")
@operation(USER, answers={204: Answer()})
def delete(mealId: uuid.UUID) -> Response:
    """Delete a meal."""
    if not get_database().statement(queries.delete, current_user().id, str(mealId)):
        raise NotFound(MISSING)
    return Response(status=204)
