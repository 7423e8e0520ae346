"""The SQL of windows: what is to be read, how far each is read, and what was read completely. The coverage ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from psycopg2.extras import DateTimeTZRange, Json, execute_values

from service.database import Cursor
from service.ingestion.queries import Leg
from service.ingestion.records import Outcome, Stream


class Window(NamedTuple):
    """A part of a stream that is to be read."""

    id: int
    lower: datetime | None
    upper: datetime | None
    checkpoint: dict[str, Any] | None
    pages: int
    began_at: datetime | None
    records: int = 0


class Counts(NamedTuple):
    """What became of a page: how many records it had, how many were rejected, and the rest."""

    records: int
    rejected: int
    outcome: Outcome


def plan(cursor: Cursor, stream: Stream, leg: Leg, ranges: Sequence[tuple[datetime | None, datetime | None]]) -> bool:
    """Note the windows that a run is to read; return whether the leg still has the run."""
    cursor.execute(
        """
        UPDATE ingestion_metadata SET is_planned = true
        WHERE execution_id = %s AND legs = %s AND status = 'RUNNING'
        """,
        leg,
    )
    if cursor.rowcount == 0:
        return False
    _insert_windows(cursor, stream, leg.execution_id, ranges)
    return True


def _insert_windows(
    cursor: Cursor,
    stream: Stream,
    execution_id: str,
    ranges: Sequence[tuple[datetime | None, datetime | None]],
) -> None:
    execute_values(
        cursor,
        "INSERT INTO ingestion_windows (execution_id, source, resource, shop, covers) VALUES %s",
        [(execution_id, *stream, DateTimeTZRange(lower, upper)) for lower, upper in ranges],
    )


def adopt_windows(cursor: Cursor, stream: Stream, execution_id: str) -> None:
    """Give a run the windows that runs which are over have left open."""
    cursor.execute(
        """
        UPDATE ingestion_windows AS w
        SET execution_id = %(run)s
        FROM ingestion_metadata AS m
        WHERE w.source = %(source)s AND w.resource = %(resource)s AND w.shop = %(shop)s AND w.state = 'open'
          AND m.execution_id = w.execution_id AND m.execution_id <> %(run)s
          AND m.status NOT IN ('RUNNING', 'CONTINUES')
        """,
        {"run": execution_id, **stream._asdict()},
    )


def split_window(
    cursor: Cursor,
    stream: Stream,
    leg: Leg,
    window: Window,
    ranges: Sequence[tuple[datetime | None, datetime | None]],
) -> None:
    """Put smaller windows in the place of one."""
    cursor.execute("DELETE FROM ingestion_windows WHERE id = %s AND execution_id = %s", (window.id, leg.execution_id))
    if cursor.rowcount:
        _insert_windows(cursor, stream, leg.execution_id, ranges)


def open_windows(cursor: Cursor, leg: Leg) -> list[Window]:
    """Return the windows that a run has yet to read: those that were begun, then the oldest; at last those set back."""
    cursor.execute(
        """
        SELECT id, lower(covers), upper(covers), "checkpoint", pages, began_at, records
        FROM ingestion_windows
        WHERE execution_id = %s AND state = 'open'
        ORDER BY note IS NOT NULL, began_at IS NULL, lower(covers) NULLS FIRST, id
        """,
        (leg.execution_id,),
    )
    return [Window(*row) for row in cursor.fetchall()]


def set_back(cursor: Cursor, window_id: int, note: str) -> None:
    """Let a window that could not be read come after all others."""
    cursor.execute("UPDATE ingestion_windows SET note = %s WHERE id = %s", (note, window_id))


def begin_window(cursor: Cursor, window: Window, began_at: datetime) -> None:
    """Note when the reading of a window began, by the clock of who is read."""
    cursor.execute(
        "UPDATE ingestion_windows SET began_at = %s WHERE id = %s AND began_at IS NULL", (began_at, window.id)
    )


def lock_run(cursor: Cursor, leg: Leg) -> bool:
    """Let nobody else have the run until the end of the transaction; return whether the leg still has it."""
    cursor.execute(
        """
        SELECT FROM ingestion_metadata WHERE execution_id = %s AND legs = %s AND status = 'RUNNING' FOR UPDATE
        """,
        leg,
    )
    return cursor.rowcount == 1


def note_page(
    cursor: Cursor, leg: Leg, window_id: int, pages: int, checkpoint: dict[str, Any], counts: Counts
) -> bool | None:
    """Note that a page is stored, behind `pages` others, and how far the window is read by that.

    Returns whether records of the stream wait in the reject table; None where the leg has lost the run, or the window
    has another number of pages: then nothing of the page may be committed. The commit does not wait for the disk: where
    the server's machine breaks down, a page is lost together with the note that it was stored, and is read again.
    """
    cursor.execute(
        """
        WITH run AS (
            UPDATE ingestion_metadata
            SET heartbeat_at = clock_timestamp(), pages = pages + 1,
                records_processed = records_processed + %(records)s,
                records_inserted = records_inserted + %(inserted)s, records_updated = records_updated + %(updated)s,
                records_unchanged = records_unchanged + %(unchanged)s, records_stale = records_stale + %(stale)s,
                records_rejected = records_rejected + %(rejected)s
            WHERE execution_id = %(run)s AND legs = %(leg)s AND status = 'RUNNING'
            RETURNING source, resource, shop
        ), read AS (
            UPDATE ingestion_windows AS w
            SET "checkpoint" = %(checkpoint)s, pages = pages + 1, records = records + %(records)s,
                rejected = rejected + %(rejected)s
            FROM run
            WHERE id = %(window)s AND execution_id = %(run)s AND pages = %(pages)s
            RETURNING w.source, w.resource, w.shop
        )
        SELECT EXISTS (
                   SELECT FROM ingestion_rejects AS r
                   WHERE r.source = read.source AND r.resource = read.resource AND r.shop = read.shop
                     AND r.resolution IS NULL
               ),
               set_config('synchronous_commit', 'off', true)
        FROM read
        """,
        {
            "run": leg.execution_id,
            "leg": leg.number,
            "window": window_id,
            "pages": pages,
            "checkpoint": Json(checkpoint),
            "records": counts.records,
            "rejected": counts.rejected,
            "inserted": counts.outcome.inserted,
            "updated": counts.outcome.updated,
            "unchanged": counts.outcome.unchanged,
            "stale": counts.outcome.stale,
        },
    )
    row = cursor.fetchone()
    return bool(row[0]) if row else None


def close_window(
    cursor: Cursor, window_id: int, state: str, expected: int | None, until: datetime | None, note: str | None
) -> None:
    """End the reading of a window, as `complete` or `incomplete`."""
    cursor.execute(
        """
        UPDATE ingestion_windows
        SET state = %s, expected = %s, note = %s, read_at = clock_timestamp(), "checkpoint" = NULL,
            covers = CASE WHEN %s IS NULL THEN covers
                          ELSE tstzrange(lower(covers), greatest(lower(covers), %s::timestamptz)) END
        WHERE id = %s
        """,
        (state, expected, note, until, until, window_id),
    )


def coverage(cursor: Cursor, stream: Stream, patience: timedelta) -> list[tuple[datetime | None, datetime | None]]:
    """Return the ranges of a stream that are read completely and settled, in order (see `ingestion_coverage`)."""
    cursor.execute(
        """
        SELECT lower(covered), upper(covered)
        FROM unnest(ingestion_coverage(%s, %s, %s, %s)) AS covered
        ORDER BY lower(covered) NULLS FIRST
        """,
        (*stream, patience),
    )
    return cursor.fetchall()


def horizon(cursor: Cursor, stream: Stream) -> tuple[bool, datetime | None]:
    """Return whether anything of a stream was ever to be read, and from when on."""
    cursor.execute(
        """
        SELECT count(*) > 0, CASE WHEN bool_or(lower_inf(covers)) THEN NULL ELSE min(lower(covers)) END
        FROM ingestion_windows
        WHERE source = %s AND resource = %s AND shop = %s
        """,
        stream,
    )
    row = cursor.fetchone()
    assert row is not None  # noqa: S101
    return row


def missing(
    beginning: datetime | None, covered: Sequence[tuple[datetime | None, datetime | None]], end: datetime
) -> list[tuple[datetime | None, datetime]]:
    """Return what lies between two moments and is not in ranges that are in order. None is the beginning of all time,
    or as the end of a range that of what was asked for.
    """
    found = []
    reached = beginning
    for lower, upper in (*covered, (end, end)):
        if lower is not None and (reached is None or reached < min(lower, end)):
            found.append((reached, min(lower, end)))
        upper = end if upper is None else upper
        reached = upper if reached is None else max(reached, upper)
    return found
