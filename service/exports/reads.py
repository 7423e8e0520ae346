"""The SQL of what routes and commands tell: runs and rejects, page by page (keyset, the newest run first)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.database import Cursor
from service.pages import Key, parameters

MAX_CUT = 1000  # characters of a payload that is not told as a whole

Row = tuple[Any, ...]


def runs(cursor: Cursor, filters: Mapping[str, Any], after: Key | None, limit: int) -> list[Row]:
    """List runs, newest first; `filters` are table and statuses, None for all."""
    cursor.execute(
        """
        SELECT id::text, table_name, status, mode, trigger_kind, request, destination, engine, created_at, ended_at,
               heartbeat_at, legs, is_planned, planned_batches, rows_selected, coalesce(counts.sent, rows_sent),
               coalesce(counts.rejected, rows_rejected), rows_unchanged, is_truncated, rows_available,
               cancel_requested_at, error_message
        FROM export_runs
        LEFT JOIN LATERAL export_counts(id) AS counts ON ended_at IS NULL
        WHERE (%(table)s IS NULL OR table_name = %(table)s)
          AND (%(statuses)s::text[] IS NULL OR status = ANY (%(statuses)s::text[]))
          AND (
              %(moment)s::timestamptz IS NULL
              OR (created_at <= %(moment)s AND (created_at, id::text COLLATE "C") < (%(moment)s, %(id)s))
          )
        ORDER BY created_at DESC, id DESC
        LIMIT %(limit)s
        """,
        {**filters, **parameters(after), "limit": limit},
    )
    return cursor.fetchall()


def run(cursor: Cursor, run_id: str) -> Row | None:
    """Return a run as `runs` does, then the id of its query, then its batches by state; None where there is none."""
    cursor.execute(
        """
        SELECT id::text, table_name, status, mode, trigger_kind, request, destination, engine, created_at, ended_at,
               heartbeat_at, legs, is_planned, planned_batches, rows_selected, coalesce(counts.sent, rows_sent),
               coalesce(counts.rejected, rows_rejected), rows_unchanged, is_truncated, rows_available,
               cancel_requested_at, error_message, query_id,
               (
                   SELECT coalesce(jsonb_object_agg(state, many), '{}')
                   FROM (SELECT state, count(*) AS many FROM export_batches WHERE run_id = id GROUP BY state) AS states
               )
        FROM export_runs
        LEFT JOIN LATERAL export_counts(id) AS counts ON ended_at IS NULL
        WHERE id = %s
        """,
        (run_id,),
    )
    return cursor.fetchone()


def rejects(cursor: Cursor, run_id: str, is_open: bool | None, after: int, limit: int, whole: int | None) -> list[Row]:
    """List rejects of a run, in the order of its rows: those that are open, that a retry got through, or all.

    Payloads of more than `whole` bytes are cut. The last column says how many characters each has.
    """
    cursor.execute(
        """
        SELECT id, row_number, batch_number, status_code, reason, attempts, rejected_at, sent_at,
               CASE WHEN %(whole)s IS NULL OR octet_length(payload) <= %(whole)s THEN payload
                    ELSE left(payload, %(cut)s) END,
               char_length(payload)
        FROM export_rejects
        WHERE run_id = %(run)s AND row_number > %(after)s
          AND (%(is_open)s IS NULL OR (sent_at IS NULL) = %(is_open)s)
        ORDER BY row_number
        LIMIT %(limit)s
        """,
        {"run": run_id, "is_open": is_open, "after": after, "limit": limit, "whole": whole, "cut": MAX_CUT},
    )
    return cursor.fetchall()


def ids(cursor: Cursor, ending: str) -> list[str]:
    """Return the ids of runs that end like this, which may be a whole one; at most 2 of them."""
    cursor.execute("SELECT id::text FROM export_runs WHERE id::text LIKE '%%' || %s ORDER BY id LIMIT 2", (ending,))
    return [row[0] for row in cursor.fetchall()]


def exists(cursor: Cursor, run_id: str) -> bool:
    """Return whether there is such a run."""
    cursor.execute("SELECT FROM export_runs WHERE id = %s", (run_id,))
    return cursor.fetchone() is not None
