"""The SQL of accounts."""

from __future__ import annotations

from service.database import Cursor


def exists(cursor: Cursor, user_id: str) -> bool:
    """Return whether a user has this id."""
    cursor.execute("SELECT FROM users WHERE id = %s", (user_id,))
    return cursor.fetchone() is not None
