"""The SQL of runs: how they begin, go on and end. Their queries: `query_notes`; their batches: `batch_queries`."""

from __future__ import annotations

from typing import Any, NamedTuple

from psycopg2.extras import Json

from service.database import Cursor


class Leg(NamedTuple):
    """One process's share of a run. It may write as long as nobody else has taken the run over."""

    run_id: str
    number: int


class NewRun(NamedTuple):
    """A run as it is asked for: everything that its legs need, whatever becomes of catalog and configuration."""

    id: str
    trigger_kind: str
    trigger_key: str | None
    table_name: str
    destination: str
    mode: str
    request: Json
    engine: str
    columns: Json
    key_columns: list[str]
    query_sql: str
    query_parameters: list[str]
    count_sql: str
    row_limit: int
    batch_size: int


class Run(NamedTuple):
    """A run as its newest leg finds it."""

    leg: int
    table_name: str
    destination: str
    mode: str
    engine: str
    columns: list[list[str]]
    key_columns: list[str]
    query_sql: str
    query_parameters: list[str]
    count_sql: str
    row_limit: int
    batch_size: int
    query_attempts: int
    query_id: str | None
    query_seconds: float | None
    has_result: bool
    is_planned: bool
    planned_position: int
    planned_batches: int
    is_truncated: bool
    rows_available: int | None
    rows_unchanged: int
    rows_selected: int


class Active(NamedTuple):
    """How a run is that is not over, or was; `silent_seconds` are below 0 until a continuation is due."""

    status: str
    silent_seconds: float
    query_id: str | None
    has_result: bool


def insert_run(cursor: Cursor, run: NewRun) -> str:
    """Store a run, unless its event has begun one; return the id of whichever it is.

    Raises `psycopg2.errors.UniqueViolation` where another run compares the same table with the same destination.
    """
    cursor.execute(
        """
        INSERT INTO export_runs
            (id, trigger_kind, trigger_key, table_name, destination, mode, request, engine, columns, key_columns,
             query_sql, query_parameters, count_sql, row_limit, batch_size, status)
        VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'CONTINUES')
        ON CONFLICT (trigger_key) DO NOTHING
        """,
        run,
    )
    if cursor.rowcount:
        return run.id
    cursor.execute("SELECT id::text FROM export_runs WHERE trigger_key = %s", (run.trigger_key,))
    row: tuple[str] = cursor.fetchone()  # type: ignore[assignment]
    return row[0]


def run_of_event(cursor: Cursor, trigger_key: str) -> str | None:
    """Return the id of the run that an event has begun, None where it has begun none."""
    cursor.execute("SELECT id::text FROM export_runs WHERE trigger_key = %s", (trigger_key,))
    row = cursor.fetchone()
    return row[0] if row else None


def active(cursor: Cursor, run_id: str) -> Active | None:
    """Return how a run is, None where there is no such run."""
    cursor.execute(
        """
        SELECT status, extract(epoch FROM clock_timestamp() - heartbeat_at)::float8, query_id, has_result
        FROM export_runs
        WHERE id = %s
        """,
        (run_id,),
    )
    row = cursor.fetchone()
    return Active(*row) if row else None


def comparing(cursor: Cursor, table_name: str, destination: str) -> str | None:
    """Return the id of the run that compares a table with a destination and is not over, None where there is none."""
    cursor.execute(
        """
        SELECT id::text
        FROM export_runs
        WHERE table_name = %s AND destination = %s AND mode = 'changed' AND status IN ('RUNNING', 'CONTINUES')
        """,
        (table_name, destination),
    )
    row = cursor.fetchone()
    return row[0] if row else None


def comparing_instead(cursor: Cursor, run_id: str) -> str | None:
    """Return the id of the run that compares the table of a run that has ended, None where there is none."""
    cursor.execute("SELECT table_name, destination FROM export_runs WHERE id = %s", (run_id,))
    row: tuple[str, str] = cursor.fetchone()  # type: ignore[assignment]
    return comparing(cursor, *row)


def begin_leg(cursor: Cursor, run_id: str) -> Run | None:
    """Let a run go on, unless it has ended well or was cancelled; return it, None where it has."""
    cursor.execute(
        """
        UPDATE export_runs
        SET status = 'RUNNING', legs = legs + 1, heartbeat_at = clock_timestamp(), ended_at = NULL, error_message = NULL
        WHERE id = %s AND status IN ('RUNNING', 'CONTINUES', 'FAILED')
        RETURNING legs, table_name, destination, mode, engine, columns, key_columns, query_sql, query_parameters,
                  count_sql, row_limit, batch_size, query_attempts, query_id,
                  extract(epoch FROM clock_timestamp() - query_began_at)::float8, has_result, is_planned,
                  planned_position, planned_batches, is_truncated, rows_available, rows_unchanged, rows_selected
        """,
        (run_id,),
    )
    row = cursor.fetchone()
    return Run(*row) if row else None


def beat(cursor: Cursor, leg: Leg) -> bool:
    """Say that a leg lives; return whether it still has the run."""
    cursor.execute(
        """
        UPDATE export_runs
        SET heartbeat_at = clock_timestamp()
        WHERE id = %s AND legs = %s AND status = 'RUNNING'
        """,
        leg,
    )
    return cursor.rowcount == 1


def is_cancelled(cursor: Cursor, leg: Leg) -> bool | None:
    """Return whether a run is to be cancelled, None where the leg has lost it."""
    cursor.execute(
        """
        SELECT cancel_requested_at IS NOT NULL
        FROM export_runs
        WHERE id = %s AND legs = %s AND status = 'RUNNING'
        """,
        leg,
    )
    row = cursor.fetchone()
    return row[0] if row else None


def finish(cursor: Cursor, leg: Leg, status: str, message: str | None, delay_seconds: float = 0) -> bool:
    """End a run, or let it wait for its continuation, which is due `delay_seconds` from now.

    Returns whether the leg still had the run, or had ended it so already: whoever lost the answer asks once more.
    """
    cursor.execute(
        """
        UPDATE export_runs
        SET status = %(status)s, error_message = %(message)s,
            heartbeat_at = clock_timestamp() + make_interval(secs => %(delay)s),
            ended_at = CASE WHEN %(status)s = 'CONTINUES' THEN NULL ELSE clock_timestamp() END,
            rows_sent = counts.sent, rows_rejected = counts.rejected
        FROM export_counts(%(run)s) AS counts
        WHERE id = %(run)s AND legs = %(leg)s AND status IN ('RUNNING', %(status)s)
        """,
        {"status": status, "message": message, "delay": delay_seconds, "run": leg.run_id, "leg": leg.number},
    )
    return cursor.rowcount == 1


def close(cursor: Cursor, run_id: str, status: str, message: str | None) -> bool:
    """End a run that nobody works on; return whether it was not over, or had failed."""
    cursor.execute(
        """
        UPDATE export_runs
        SET status = %(status)s, ended_at = clock_timestamp(), error_message = %(message)s,
            rows_sent = counts.sent, rows_rejected = counts.rejected
        FROM export_counts(%(run)s) AS counts
        WHERE id = %(run)s AND status IN ('RUNNING', 'CONTINUES', 'FAILED')
        """,
        {"status": status, "message": message, "run": run_id},
    )
    return cursor.rowcount == 1


def ask_to_cancel(cursor: Cursor, run_id: str) -> bool:
    """Ask a run to stop that is not over, or has failed and may come again; return whether there was one."""
    cursor.execute(
        """
        UPDATE export_runs
        SET cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp())
        WHERE id = %s AND status IN ('RUNNING', 'CONTINUES', 'FAILED')
        """,
        (run_id,),
    )
    return cursor.rowcount == 1


def reopen(cursor: Cursor, run_id: str) -> bool:
    """Let a run that has ended wait for another leg; return whether it had ended, and not with success."""
    cursor.execute(
        """
        UPDATE export_runs
        SET status = 'CONTINUES', ended_at = NULL, error_message = NULL, cancel_requested_at = NULL,
            heartbeat_at = clock_timestamp()
        WHERE id = %s AND status IN ('PARTIAL', 'FAILED', 'CANCELLED')
        """,
        (run_id,),
    )
    return cursor.rowcount == 1


def counts(cursor: Cursor, run_id: str) -> tuple[int, int, int]:
    """Return how many rows of a run were selected, sent and rejected."""
    cursor.execute(
        """
        SELECT rows_selected, counts.sent, counts.rejected
        FROM export_runs, export_counts(%(run)s) AS counts
        WHERE id = %(run)s
        """,
        {"run": run_id},
    )
    row: tuple[Any, ...] = cursor.fetchone()  # type: ignore[assignment]
    return row[0], row[1], row[2]
