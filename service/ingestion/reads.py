"""The SQL of what the routes tell: runs, the ledger and rejects, page by page (keyset, the newest first)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from service.database import Cursor
from service.ingestion.records import Stream
from service.pages import Key, parameters

MAX_WINDOWS = 200
MAX_CUT = 1000  # characters of a payload that is not told as a whole

Row = tuple[Any, ...]


def runs(cursor: Cursor, filters: Mapping[str, Any], after: Key | None, limit: int) -> list[Row]:
    """List runs, newest first; `filters` are source, resource, shop and statuses, None for all."""
    cursor.execute(
        """
        SELECT execution_id, source, resource, shop, status, request, start_time, end_time, heartbeat_at, legs, pages,
               records_processed, records_inserted, records_updated, records_unchanged, records_stale, records_rejected,
               error_message, api_endpoint
        FROM ingestion_metadata
        WHERE (%(source)s IS NULL OR source = %(source)s)
          AND (%(resource)s IS NULL OR resource = %(resource)s)
          AND (%(shop)s IS NULL OR shop = %(shop)s)
          AND (%(statuses)s::text[] IS NULL OR status = ANY (%(statuses)s::text[]))
          AND (%(moment)s::timestamptz IS NULL OR (start_time, execution_id) < (%(moment)s, %(id)s COLLATE "C"))
        ORDER BY start_time DESC, execution_id DESC
        LIMIT %(limit)s
        """,
        {**filters, **parameters(after), "limit": limit},
    )
    return cursor.fetchall()


def run(cursor: Cursor, execution_id: str) -> Row | None:
    """Return a run, and behind its columns how many windows it has; None where there is no such run."""
    cursor.execute(
        """
        SELECT execution_id, source, resource, shop, status, request, start_time, end_time, heartbeat_at, legs, pages,
               records_processed, records_inserted, records_updated, records_unchanged, records_stale, records_rejected,
               error_message, api_endpoint,
               (SELECT count(*) FROM ingestion_windows AS w WHERE w.execution_id = m.execution_id)
        FROM ingestion_metadata AS m
        WHERE execution_id = %s
        """,
        (execution_id,),
    )
    return cursor.fetchone()


def windows_of_run(cursor: Cursor, execution_id: str) -> list[Row]:
    """List the windows of a run: those that are not complete, then the newest, at most `MAX_WINDOWS`."""
    cursor.execute(
        """
        SELECT lower(covers), upper(covers), state, pages, records, expected, rejected, began_at, read_at, note
        FROM ingestion_windows
        WHERE execution_id = %s
        ORDER BY state = 'complete', upper(covers) DESC, id DESC
        LIMIT %s
        """,
        (execution_id, MAX_WINDOWS),
    )
    return cursor.fetchall()


def streams(cursor: Cursor, source: str, resource: str, shop: str | None) -> list[Stream]:
    """Return the streams that the ledger knows, one for each shop."""
    cursor.execute(
        """
        SELECT DISTINCT source, resource, shop
        FROM ingestion_windows
        WHERE source = %(source)s AND resource = %(resource)s AND (%(shop)s IS NULL OR shop = %(shop)s)
        ORDER BY shop
        """,
        {"source": source, "resource": resource, "shop": shop},
    )
    return [Stream(*row) for row in cursor.fetchall()]


def windows(cursor: Cursor, stream: Stream) -> list[Row]:
    """List the windows of a stream as they were last read, newest first, at most `MAX_WINDOWS`."""
    cursor.execute(
        """
        SELECT lower(covers), upper(covers), state, pages, records, expected, rejected, began_at, read_at, note
        FROM (
            SELECT DISTINCT ON (covers) *
            FROM ingestion_windows
            WHERE source = %s AND resource = %s AND shop = %s
            ORDER BY covers, id DESC
        ) AS newest
        ORDER BY upper(covers) DESC, id DESC
        LIMIT %s
        """,
        (*stream, MAX_WINDOWS),
    )
    return cursor.fetchall()


def last_read(cursor: Cursor, stream: Stream, upper: datetime) -> datetime | None:
    """Return when the newest complete reading up to a moment began: what is younger was not there at that time."""
    cursor.execute(
        """
        SELECT max(began_at)
        FROM ingestion_windows
        WHERE source = %s AND resource = %s AND shop = %s AND state = 'complete' AND upper(covers) = %s
        """,
        (*stream, upper),
    )
    row = cursor.fetchone()
    return row[0] if row else None


def rejects(cursor: Cursor, filters: Mapping[str, Any], after: Key | None, limit: int, whole: int) -> list[Row]:
    """List rejects, those that were seen last first; `filters` are source, resource, shop and `is_open`, None for all.

    Payloads of more than `whole` bytes are cut. The last column says how many characters each has.
    """
    cursor.execute(
        """
        SELECT id, execution_id, source, resource, shop, record_id, path, reason, seen, first_seen_at, last_seen_at,
               resolution, resolved_at,
               CASE WHEN octet_length(payload) <= %(whole)s THEN payload ELSE left(payload, %(cut)s) END,
               char_length(payload)
        FROM ingestion_rejects
        WHERE (%(source)s IS NULL OR source = %(source)s)
          AND (%(resource)s IS NULL OR resource = %(resource)s)
          AND (%(shop)s IS NULL OR shop = %(shop)s)
          AND (%(is_open)s IS NULL OR (resolution IS NULL) = %(is_open)s)
          AND (%(moment)s::timestamptz IS NULL OR (last_seen_at, id) < (%(moment)s, %(position)s))
        ORDER BY last_seen_at DESC, id DESC
        LIMIT %(limit)s
        """,
        {**filters, **parameters(after), "limit": limit, "whole": whole, "cut": MAX_CUT},
    )
    return cursor.fetchall()


def reject(cursor: Cursor, reject_id: int, whole: int) -> Row | None:
    """Return a reject as `rejects` does, None where there is none."""
    cursor.execute(
        """
        SELECT id, execution_id, source, resource, shop, record_id, path, reason, seen, first_seen_at, last_seen_at,
               resolution, resolved_at,
               CASE WHEN octet_length(payload) <= %(whole)s THEN payload ELSE left(payload, %(cut)s) END,
               char_length(payload)
        FROM ingestion_rejects
        WHERE id = %(id)s
        """,
        {"id": reject_id, "whole": whole, "cut": MAX_CUT},
    )
    return cursor.fetchone()
