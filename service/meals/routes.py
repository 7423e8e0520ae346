"""The API of meals, each user's own."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Flask, Response

from service import inputs
from service.accounts.users import current_user
from service.answers import as_json
from service.database import get_database
from service.errors import NotFound
from service.meals import queries
from service.meals.schemas import MealInput, MealList, MealListQuery, MealOutput, MealSummary, SummaryQuery
from service.operations import USER, Answer, operation

MISSING = "The meal does not exist"
EXAMPLE = {
    "name": "Breakfast",
    "eatenAt": "2026-01-15T07:30:00+01:00",
    "items": [
        {"food": "Porridge", "quantity": 250, "unit": "g", "calories": 177.5},
        {"food": "Coffee", "quantity": 1, "unit": "cup"},
    ],
    "notes": "At home",
}

meals = Blueprint("meals", __name__, url_prefix="/meals")


def init_app(app: Flask) -> None:
    """Add the routes."""
    app.register_blueprint(meals)


@meals.post("")
@operation(USER, body=MealInput, example=EXAMPLE, answers={201: MealOutput})
def create() -> Response:
    """Store a meal."""
    return as_json(_written(queries.insert, str(uuid.uuid4()), inputs.body()), MISSING, 201)


@meals.get("")
@operation(USER, query=MealListQuery, answers={200: MealList})
def index() -> Response:
    """List meals, the last eaten first."""
    return as_json(get_database().statement(queries.page, current_user().id, **inputs.query()), MISSING)


@meals.get("/summary")
@operation(USER, query=SummaryQuery, answers={200: MealSummary})
def summarize() -> Response:
    """Sum up what was eaten on each day."""
    return as_json(get_database().statement(queries.summary, current_user().id, **inputs.query()), MISSING)


@meals.get("/<uuid:mealId>")
@operation(USER, answers={200: MealOutput})
def show(mealId: uuid.UUID) -> Response:
    """Return a meal."""
    return as_json(get_database().statement(queries.one, current_user().id, str(mealId)), MISSING)


@meals.put("/<uuid:mealId>")
@operation(USER, body=MealInput, example=EXAMPLE, answers={200: MealOutput})
def replace(mealId: uuid.UUID) -> Response:
    """Replace a meal and all its items; what is not sent is removed."""
    return as_json(_written(queries.replace, str(mealId), inputs.body()), MISSING)


@meals.delete("/<uuid:mealId>")
@operation(USER, answers={204: Answer()})
def delete(mealId: uuid.UUID) -> Response:
    """Delete a meal."""
    if not get_database().statement(queries.delete, current_user().id, str(mealId)):
        raise NotFound(MISSING)
    return Response(status=204)


def _written(query: Callable[..., str | None], meal_id: str, meal: dict[str, Any]) -> str | None:
    """Write a meal with its items in one transaction, once more where the connection was lost: it may be repeated."""
    database = get_database()
    user_id = current_user().id

    def write() -> str | None:
        with database.transaction() as cursor:
            return query(cursor, user_id, meal_id, meal)

    return database.once_more(write)
