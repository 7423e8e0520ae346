"""The SQL of what the partner is known to have."""

from __future__ import annotations

from collections.abc import Sequence

from service.database import Cursor


def fold(cursor: Cursor, table_name: str, destination: str, most: int) -> bool:
    """Put what the partner took in some batches where it is looked up; return whether there were any."""
    cursor.execute("SELECT export_fold(%s, %s, %s)", (table_name, destination, most))
    row: tuple[bool] = cursor.fetchone()  # type: ignore[assignment]
    return row[0]


def known(cursor: Cursor, table_name: str, destination: str, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    """Return what the partner has of these keys: the hash of each key, and of its content."""
    cursor.execute(
        """
        SELECT key_hash, content_hash
        FROM export_fingerprints
        WHERE table_name = %s AND destination = %s AND key_hash = ANY (%s)
        """,
        (table_name, destination, list(keys)),
    )
    return {bytes(row[0]): bytes(row[1]) for row in cursor.fetchall()}
