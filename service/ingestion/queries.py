"""The SQL of runs and rejects. Nothing here knows what a record is; windows: `ledger`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from psycopg2.extras import Json, execute_values

from service.database import Cursor
from service.ingestion.records import Stream


class Active(NamedTuple):
    """A run that is not over."""

    execution_id: str
    status: str
    legs: int
    request: dict[str, Any]
    is_planned: bool
    silent_seconds: float  # since it last said that it lives; below 0 until a continuation is due


class Leg(NamedTuple):
    """One process's share of a run. It may write as long as nobody else has taken the run over."""

    execution_id: str
    number: int


class Reject(NamedTuple):
    """A record that cannot be stored, as it was sent."""

    record_id: str | None
    payload: str
    payload_hash: bytes
    path: str
    reason: str


_ACTIVE = """
    SELECT execution_id, status, legs, request, is_planned,
           extract(epoch FROM clock_timestamp() - heartbeat_at)::float8
    FROM ingestion_metadata
    WHERE source = %s AND resource = %s AND shop = %s AND status IN ('RUNNING', 'CONTINUES')
"""


def active(cursor: Cursor, stream: Stream, is_locked: bool = True) -> Active | None:
    """Return the run of a stream that is not over, None where there is none.

    Where another process holds the stream's lock, the row is to be read without one: it may be storing a page.
    """
    cursor.execute(_ACTIVE + "FOR UPDATE" if is_locked else _ACTIVE, stream)
    row = cursor.fetchone()
    return Active(*row) if row else None


def find_request(cursor: Cursor, execution_id: str) -> tuple[Stream, dict[str, Any]] | None:
    """Return what a run reads and what was asked of it, None where there is no such run."""
    cursor.execute(
        "SELECT source, resource, shop, request FROM ingestion_metadata WHERE execution_id = %s", (execution_id,)
    )
    row = cursor.fetchone()
    return (Stream(*row[:3]), row[3]) if row else None


def insert_run(
    cursor: Cursor, stream: Stream, execution_id: str, status: str, request: dict[str, Any], endpoint: str
) -> None:
    """Insert a run. Raises `psycopg2.errors.UniqueViolation` where another one of its stream is not over."""
    cursor.execute(
        """
        INSERT INTO ingestion_metadata (source, resource, shop, execution_id, status, request, api_endpoint)
        VALUES (%s, %s, %s, %s, %s, %s, %s)
        """,
        (*stream, execution_id, status, Json(request), endpoint),
    )


def begin_leg(cursor: Cursor, execution_id: str) -> tuple[Leg, bool] | None:
    """Let a run go on, unless it has ended well; return its new leg, and whether its windows are planned."""
    cursor.execute(
        """
        UPDATE ingestion_metadata
        SET status = 'RUNNING', legs = legs + 1, heartbeat_at = clock_timestamp(), end_time = NULL, error_message = NULL
        WHERE execution_id = %s AND status IN ('RUNNING', 'CONTINUES', 'FAILED')
        RETURNING legs, is_planned
        """,
        (execution_id,),
    )
    row = cursor.fetchone()
    return (Leg(execution_id, row[0]), row[1]) if row else None


def close_dead(cursor: Cursor, execution_id: str, reason: str) -> None:
    """End a run that nobody works on any more."""
    cursor.execute(
        """
        UPDATE ingestion_metadata
        SET status = 'FAILED', end_time = clock_timestamp(), error_message = %s
        WHERE execution_id = %s AND status IN ('RUNNING', 'CONTINUES')
        """,
        (reason, execution_id),
    )


def withdraw(cursor: Cursor, execution_id: str, reason: str) -> None:
    """End a run that was announced and that nobody has begun."""
    cursor.execute(
        """
        UPDATE ingestion_metadata
        SET status = 'FAILED', end_time = clock_timestamp(), error_message = %s
        WHERE execution_id = %s AND status = 'CONTINUES' AND legs = 0
        """,
        (reason, execution_id),
    )


def beat(cursor: Cursor, leg: Leg) -> bool:
    """Say that a leg lives; return whether it still has the run."""
    cursor.execute(
        """
        UPDATE ingestion_metadata
        SET heartbeat_at = clock_timestamp()
        WHERE execution_id = %s AND legs = %s AND status = 'RUNNING'
        """,
        leg,
    )
    return cursor.rowcount == 1


def reject(cursor: Cursor, stream: Stream, execution_id: str, rejects: Sequence[Reject]) -> None:
    """Note records that cannot be stored; one that was noted before is seen once more."""
    execute_values(
        cursor,
        """
        INSERT INTO ingestion_rejects AS known
            (execution_id, source, resource, shop, record_id, payload, payload_hash, path, reason)
        VALUES %s
        ON CONFLICT (source, resource, shop, payload_hash) DO UPDATE
        SET execution_id = excluded.execution_id, path = excluded.path, reason = excluded.reason,
            seen = known.seen + 1, last_seen_at = clock_timestamp(), resolution = NULL, resolved_at = NULL
        """,
        [(execution_id, *stream, *found) for found in {found.payload_hash: found for found in rejects}.values()],
    )


def supersede(cursor: Cursor, stream: Stream, record_ids: Sequence[str], resolution: str) -> None:
    """Close the rejects of records that are stored now."""
    cursor.execute(
        """
        UPDATE ingestion_rejects
        SET resolution = %s, resolved_at = clock_timestamp()
        WHERE source = %s AND resource = %s AND shop = %s AND resolution IS NULL AND record_id = ANY (%s)
        """,
        (resolution, *stream, list(record_ids)),
    )


def finish_run(cursor: Cursor, leg: Leg, status: str, message: str | None, delay_seconds: float = 0) -> bool:
    """End a run, or let it wait for its continuation, which is due `delay_seconds` from now.

    Returns whether the leg still had the run.
    """
    cursor.execute(
        """
        UPDATE ingestion_metadata
        SET status = %(status)s, error_message = %(message)s,
            heartbeat_at = clock_timestamp() + make_interval(secs => %(delay)s),
            end_time = CASE WHEN %(status)s = 'CONTINUES' THEN NULL ELSE clock_timestamp() END
        WHERE execution_id = %(run)s AND legs = %(leg)s AND status = 'RUNNING'
        """,
        {
            "status": status,
            "message": message,
            "delay": delay_seconds,
            "run": leg.execution_id,
            "leg": leg.number,
        },
    )
    return cursor.rowcount == 1


def problems(cursor: Cursor, execution_id: str) -> list[str]:
    """Return what is to be said of a run's windows that are not complete, and of its rejects."""
    cursor.execute(
        """
        SELECT note FROM ingestion_windows WHERE execution_id = %s AND state = 'incomplete' ORDER BY id LIMIT 5
        """,
        (execution_id,),
    )
    notes = [row[0] for row in cursor.fetchall()]
    cursor.execute("SELECT records_rejected FROM ingestion_metadata WHERE execution_id = %s", (execution_id,))
    row = cursor.fetchone()
    rejected = row[0] if row else 0
    if rejected:
        notes.append("1 record was rejected" if rejected == 1 else f"{rejected} records were rejected")
    return notes
