"""The SQL of meals, of one user at a time; PostgreSQL builds the JSON."""

from __future__ import annotations

from datetime import date
from typing import Any

from service.database import Cursor, json_of


def insert(cursor: Cursor, user_id: str, meal_id: str, meal: dict[str, Any]) -> str | None:
    """Store a meal with its items and return it. Repeated with the same id it stores nothing more."""
    cursor.execute(
        """
        INSERT INTO meals (id, user_id, name, eaten_at, notes)
        VALUES (%(id)s, %(user_id)s, %(name)s, %(eatenAt)s, %(notes)s)
        ON CONFLICT (id) DO NOTHING
        """,
        {"id": meal_id, "user_id": user_id, **meal},
    )
    _insert_items(cursor, meal_id, meal["items"])
    return one(cursor, user_id, meal_id)


def one(cursor: Cursor, user_id: str, meal_id: str) -> str | None:
    """Return one, None where there is none."""
    cursor.execute(
        """
        SELECT meal_json(meals)::text
        FROM meals
        WHERE id = %s AND user_id = %s
        """,
        (meal_id, user_id),
    )
    return json_of(cursor)


def page(
    cursor: Cursor,
    user_id: str,
    page: int,
    limit: int,
    first_day: date | None = None,
    last_day: date | None = None,
) -> str | None:
    """Return a page of those eaten on some days, the last eaten first, and which page it is."""
    cursor.execute(
        """
        SELECT json_build_object(
            'meals', ARRAY(
                SELECT meal_json(meal)
                FROM meals_of_days(%(user_id)s, %(first_day)s, %(last_day)s) AS meal
                ORDER BY eaten_at DESC, id DESC
                LIMIT %(limit)s OFFSET %(offset)s
            ),
            'pagination', pagination(
                %(page)s, %(limit)s, (SELECT count(*) FROM meals_of_days(%(user_id)s, %(first_day)s, %(last_day)s))
            )
        )::text
        """,
        {
            "user_id": user_id,
            "page": page,
            "limit": limit,
            "offset": (page - 1) * limit,
            "first_day": first_day,
            "last_day": last_day,
        },
    )
    return json_of(cursor)


def replace(cursor: Cursor, user_id: str, meal_id: str, meal: dict[str, Any]) -> str | None:
    """Replace a meal and all its items and return it, None where there is none."""
    cursor.execute(
        """
        UPDATE meals
        SET name = %(name)s, eaten_at = %(eatenAt)s, notes = %(notes)s, updated_at = now()
        WHERE id = %(id)s AND user_id = %(user_id)s
        """,
        {"id": meal_id, "user_id": user_id, **meal},
    )
    if not cursor.rowcount:
        return None
    # The meal's row is locked by now: of two replacements the later one deletes what the earlier one has inserted.
    cursor.execute("DELETE FROM meal_items WHERE meal_id = %s", (meal_id,))
    _insert_items(cursor, meal_id, meal["items"])
    return one(cursor, user_id, meal_id)


def _insert_items(cursor: Cursor, meal_id: str, items: list[dict[str, Any]]) -> None:
    columns = {column: [item[column] for item in items] for column in ("food", "quantity", "unit", "calories")}
    cursor.execute(
        """
        INSERT INTO meal_items (meal_id, position, food, quantity, unit, calories)
        SELECT %(meal_id)s::uuid, position, food, quantity, unit, calories
        FROM unnest(%(food)s::text[], %(quantity)s::numeric[], %(unit)s::text[], %(calories)s::numeric[])
             WITH ORDINALITY AS item (food, quantity, unit, calories, position)
        ON CONFLICT (meal_id, position) DO NOTHING
        """,
        {"meal_id": meal_id, **columns},
    )


def delete(cursor: Cursor, user_id: str, meal_id: str) -> bool:
    """Delete one; return whether there was one. Repeated it finds none, though this deletion was the one."""
    cursor.execute("DELETE FROM meals WHERE id = %s AND user_id = %s", (meal_id, user_id))
    return cursor.rowcount == 1


def summary(cursor: Cursor, user_id: str, first_day: date, last_day: date) -> str | None:
    """Return what was eaten on each day from one to another in the user's time zone, and the sums of all."""
    cursor.execute(
        """
        WITH owner AS (
            SELECT timezone FROM users WHERE id = %(user_id)s
        ), eaten AS (
            SELECT (eaten_at AT TIME ZONE timezone)::date AS date, item.*
            FROM meals_of_days(%(user_id)s, %(first_day)s, %(last_day)s) AS meal
            CROSS JOIN owner
            CROSS JOIN LATERAL (
                SELECT count(*) AS items, sum(calories) AS calories, count(*) - count(calories) AS without_calories
                FROM meal_items
                WHERE meal_id = meal.id
            ) AS item
        ), day AS MATERIALIZED (
            SELECT date, count(items) AS meals, coalesce(sum(items), 0) AS items,
                   coalesce(sum(calories), 0) AS calories, coalesce(sum(without_calories), 0) AS without_calories
            FROM generate_series(0, %(last_day)s::date - %(first_day)s::date) AS number
            CROSS JOIN LATERAL (SELECT %(first_day)s::date + number AS date) AS listed
            LEFT JOIN eaten USING (date)
            GROUP BY date
        )
        SELECT json_build_object(
            'timezone', (SELECT timezone FROM owner),
            'days', (
                SELECT json_agg(
                    json_build_object(
                        'date', date, 'meals', meals, 'items', items, 'calories', calories,
                        'itemsWithoutCalories', without_calories
                    )
                    ORDER BY date
                )
                FROM day
            ),
            'total', (
                SELECT json_build_object(
                    'meals', sum(meals), 'items', sum(items), 'calories', sum(calories),
                    'itemsWithoutCalories', sum(without_calories)
                )
                FROM day
            )
        )::text
        """,
        {"user_id": user_id, "first_day": first_day, "last_day": last_day},
    )
    return json_of(cursor)
