"""The SQL of a run's queries: what is noted of them before they are started, and behind them."""

from __future__ import annotations

from typing import Any, NamedTuple

from service.database import Cursor
from service.exports.queries import Leg


class Truncation(NamedTuple):
    """Whether a run was cut at its limit; how many rows there were, and the query that counts them."""

    is_truncated: bool
    available: int | None
    query_id: str | None


def begin_query(cursor: Cursor, leg: Leg) -> int | None:
    """Note that the query is about to be started; return which attempt it is, None where the leg has lost the run.

    It is the same one again where nobody knows what became of its start.
    """
    cursor.execute(
        """
        UPDATE export_runs
        SET query_attempts = query_attempts + CASE WHEN query_id IS NULL AND query_attempts > 0 THEN 0 ELSE 1 END,
            query_id = NULL, query_began_at = clock_timestamp()
        WHERE id = %s AND legs = %s AND status = 'RUNNING'
        RETURNING query_attempts
        """,
        leg,
    )
    row = cursor.fetchone()
    return row[0] if row else None


def note_query(cursor: Cursor, leg: Leg, query_id: str) -> bool:
    """Note the id of the query that was started; return whether the leg still had the run."""
    cursor.execute(
        "UPDATE export_runs SET query_id = %s WHERE id = %s AND legs = %s AND status = 'RUNNING'", (query_id, *leg)
    )
    return cursor.rowcount == 1


def note_result(cursor: Cursor, leg: Leg) -> bool:
    """Note that the query has succeeded; return whether the leg still had the run."""
    cursor.execute("UPDATE export_runs SET has_result = true WHERE id = %s AND legs = %s AND status = 'RUNNING'", leg)
    return cursor.rowcount == 1


def note_count_query(cursor: Cursor, leg: Leg, query_id: str) -> bool:
    """Note the id of the query that counts; return whether the leg still had the run."""
    cursor.execute(
        "UPDATE export_runs SET count_query_id = %s WHERE id = %s AND legs = %s AND status = 'RUNNING'",
        (query_id, *leg),
    )
    return cursor.rowcount == 1


def truncation(cursor: Cursor, leg: Leg) -> Truncation:
    """Return whether a run was cut at its limit."""
    cursor.execute("SELECT is_truncated, rows_available, count_query_id FROM export_runs WHERE id = %s", (leg.run_id,))
    row: tuple[Any, ...] = cursor.fetchone()  # type: ignore[assignment]
    return Truncation(*row)


def note_available(cursor: Cursor, leg: Leg, rows: int) -> bool:
    """Note how many rows there were; return whether the leg still had the run."""
    cursor.execute(
        "UPDATE export_runs SET rows_available = %s WHERE id = %s AND legs = %s AND status = 'RUNNING'", (rows, *leg)
    )
    return cursor.rowcount == 1
