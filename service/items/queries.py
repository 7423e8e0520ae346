"""The SQL of items; PostgreSQL builds the JSON."""

from __future__ import annotations

from typing import Any

from service.database import Cursor, json_of


def insert(cursor: Cursor, item_id: str, item: dict[str, Any]) -> str | None:
    """Store an item and return it. Repeated with the same id it stores nothing more, and returns it again."""
    cursor.execute(
        """
        INSERT INTO items (id, name, description)
        VALUES (%(id)s, %(name)s, %(description)s)
        ON CONFLICT (id) DO UPDATE SET id = excluded.id
        RETURNING item_json(items)::text
        """,
        {"id": item_id, **item},
    )
    return json_of(cursor)


def one(cursor: Cursor, item_id: str) -> str | None:
    """Return an item, None where there is none."""
    cursor.execute(
        """
        SELECT item_json(items)::text
        FROM items
        WHERE id = %s
        """,
        (item_id,),
    )
    return json_of(cursor)


def page(cursor: Cursor, page: int, limit: int) -> str | None:
    """Return a page of items, the newest first, and which page it is."""
    cursor.execute(
        """
        SELECT json_build_object(
            'items', ARRAY(
                SELECT item_json(items)
                FROM items
                ORDER BY created_at DESC, id DESC
                LIMIT %(limit)s OFFSET %(offset)s
            ),
            'pagination', pagination(%(page)s, %(limit)s, (SELECT count(*) FROM items))
        )::text
        """,
        {"page": page, "limit": limit, "offset": (page - 1) * limit},
    )
    return json_of(cursor)


def replace(cursor: Cursor, item_id: str, item: dict[str, Any]) -> str | None:
    """Replace all that was sent of an item and return it, None where there is none."""
    cursor.execute(
        """
        UPDATE items
        SET name = %(name)s, description = %(description)s, updated_at = now()
        WHERE id = %(id)s
        RETURNING item_json(items)::text
        """,
        {"id": item_id, **item},
    )
    return json_of(cursor)


def delete(cursor: Cursor, item_id: str) -> bool:
    """Delete an item; return whether there was one. Repeated it finds none, though this deletion was the one."""
    cursor.execute("DELETE FROM items WHERE id = %s", (item_id,))
    return cursor.rowcount == 1
