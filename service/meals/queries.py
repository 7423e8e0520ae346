"""The SQL of meals, of one user at a time; PostgreSQL builds the JSON."""

from __future__ import annotations

from typing import Any

from service.database import Cursor


def insert(cursor: Cursor, user_id: str, meal_id: str, meal: dict[str, Any]) -> str | None:
    """Store one and return it. Repeated with the same id it stores nothing more, and returns it again."""
    cursor.execute(
        """
        INSERT INTO meals (id, user_id, name, eaten_at, notes)
        VALUES (%(id)s, %(user_id)s, %(name)s, %(eatenAt)s, %(notes)s)
        ON CONFLICT (id) DO UPDATE SET id = excluded.id
        RETURNING meal_json(meals)::text
        """,
        {"id": meal_id, "user_id": user_id, **meal},
    )
    return _first(cursor)


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
    return _first(cursor)


def page(cursor: Cursor, user_id: str, page: int, limit: int) -> str | None:
    """Return a page of them, the newest first, and which page it is."""
    cursor.execute(
        """
        SELECT json_build_object(
            'meals', ARRAY(
                SELECT meal_json(meals)
                FROM meals
                WHERE user_id = %(user_id)s
                ORDER BY created_at DESC, id DESC
                LIMIT %(limit)s OFFSET %(offset)s
            ),
            'pagination', pagination(
                %(page)s,
                %(limit)s,
                (SELECT count(*) FROM meals WHERE user_id = %(user_id)s)
            )
        )::text
        """,
        {"user_id": user_id, "page": page, "limit": limit, "offset": (page - 1) * limit},
    )
    return _first(cursor)


def replace(cursor: Cursor, user_id: str, meal_id: str, meal: dict[str, Any]) -> str | None:
    """Replace all that was sent of one and return it, None where there is none."""
    cursor.execute(
        """
        UPDATE meals
        SET name = %(name)s, eaten_at = %(eatenAt)s, notes = %(notes)s, updated_at = now()
        WHERE id = %(id)s AND user_id = %(user_id)s
        RETURNING meal_json(meals)::text
        """,
        {"id": meal_id, "user_id": user_id, **meal},
    )
    return _first(cursor)


def delete(cursor: Cursor, user_id: str, meal_id: str) -> bool:
    """Delete one; return whether there was one. Repeated it finds none, though this deletion was the one."""
    cursor.execute("DELETE FROM meals WHERE id = %s AND user_id = %s", (meal_id, user_id))
    return cursor.rowcount == 1


def _first(cursor: Cursor) -> str | None:
    row = cursor.fetchone()
    return row[0] if row else None
