"""The SQL of batches: planned, begun, settled, and split where they are refused.

What a leg writes is written while it has the run, and not at all where another leg has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from psycopg2.extras import execute_values

from service.database import Cursor
from service.exports.queries import Leg

PAGE = 200  # batches that are read at once, and what parts of the last one there are besides


class Planned(NamedTuple):
    """A batch of the result, before it is stored."""

    number: int
    first_row: int
    row_count: int
    position: int
    picks: list[int] | None


class PlanProgress(NamedTuple):
    """How far a result is planned: where it goes on, and what was counted up to there."""

    position: int
    batches: int
    selected: int
    unchanged: int
    available: int | None
    is_truncated: bool
    is_whole: bool


class Batch(NamedTuple):
    """A batch, or a part of one that was refused, that is to be sent."""

    number: int
    part: str
    total: int
    first_row: int
    row_count: int
    position: int | None
    picks: list[int] | None
    skipped: int
    reject_ids: list[int] | None

    @property
    def name(self) -> str:
        """What the partner knows it by, behind the id of the run."""
        return f"{self.number}.{self.part}" if self.part else str(self.number)

    def halves(self) -> tuple[Batch, Batch]:
        """Return the two halves of a batch of more than one row."""
        middle = (self.row_count + 1) // 2
        stem = f"{self.part}." if self.part else ""
        ids = self.reject_ids
        first = self._replace(part=f"{stem}1", row_count=middle, reject_ids=ids and ids[:middle])
        second = self._replace(
            part=f"{stem}2",
            row_count=self.row_count - middle,
            first_row=self.first_row + middle if ids is None else 0,
            skipped=self.skipped + middle,
            reject_ids=ids and ids[middle:],
        )
        return first, second


class Settled(NamedTuple):
    """What became of a batch or part: `sent`, or `rejected` where it was one row and that was refused."""

    number: int
    part: str
    state: str
    status_code: int
    attempts: int
    rejected: int
    note: str | None
    accepted: bytes | None


def has_run(cursor: Cursor, leg: Leg) -> bool:
    """Return whether a leg has its run; then it has it until the end of this transaction."""
    cursor.execute("SELECT FROM export_runs WHERE id = %s AND legs = %s AND status = 'RUNNING' FOR SHARE", leg)
    return cursor.fetchone() is not None


def plan(cursor: Cursor, leg: Leg, batches: Sequence[Planned], progress: PlanProgress) -> None:
    """Store batches, and how far the result is planned with them."""
    execute_values(
        cursor,
        "INSERT INTO export_batches (run_id, number, first_row, row_count, position, picks) VALUES %s",
        [(leg.run_id, *batch) for batch in batches],
        page_size=1000,
    )
    cursor.execute(
        """
        UPDATE export_runs
        SET planned_position = %s, planned_batches = %s, rows_selected = %s, rows_unchanged = %s, rows_available = %s,
            is_truncated = %s, is_planned = %s
        WHERE id = %s
        """,
        (*progress, leg.run_id),
    )


def open_batches(cursor: Cursor, run_id: str, after: int) -> list[Batch]:
    """Return batches that are not settled and their parts, in their order behind a number, about `PAGE` of them.

    A number is never on two pages: parts that come into being while it is sent are not for the next page.
    """
    cursor.execute(
        """
        WITH page AS (
            SELECT number
            FROM export_batches
            WHERE run_id = %(run)s AND state IN ('planned', 'sending') AND number > %(after)s
            ORDER BY number
            LIMIT %(most)s
        )
        SELECT number, part, coalesce(total, planned_batches), first_row, row_count, position, picks, skipped,
               reject_ids
        FROM export_batches
        JOIN export_runs ON id = run_id
        WHERE run_id = %(run)s AND state IN ('planned', 'sending') AND number > %(after)s
          AND number <= (SELECT max(number) FROM page)
        ORDER BY number, part
        """,
        {"run": run_id, "after": after, "most": PAGE},
    )
    return [Batch(*row) for row in cursor.fetchall()]


def begin(cursor: Cursor, leg: Leg, batches: Sequence[Batch]) -> bool | None:
    """Note that batches are about to be sent; return whether the run is to be cancelled, None where it was lost."""
    cursor.execute(
        """
        WITH run AS (
            SELECT id, cancel_requested_at IS NOT NULL AS is_cancelled
            FROM export_runs
            WHERE id = %(run)s AND legs = %(leg)s AND status = 'RUNNING'
            FOR SHARE
        ),
        begun AS (
            UPDATE export_batches AS batches
            SET state = 'sending', began_at = clock_timestamp()
            FROM run, unnest(%(numbers)s::integer[], %(parts)s::text[]) AS named (number, part)
            WHERE batches.run_id = run.id AND batches.number = named.number AND batches.part = named.part
              AND NOT is_cancelled
        )
        SELECT is_cancelled FROM run
        """,
        {
            "run": leg.run_id,
            "leg": leg.number,
            "numbers": [batch.number for batch in batches],
            "parts": [batch.part for batch in batches],
        },
    )
    row = cursor.fetchone()
    return row[0] if row else None


def settle(cursor: Cursor, leg: Leg, settled: Sequence[Settled]) -> bool:
    """Note what became of batches; return whether the leg still has the run."""
    columns = list(zip(*settled, strict=True))
    cursor.execute(
        """
        WITH run AS (
            SELECT id
            FROM export_runs
            WHERE id = %(run)s AND legs = %(leg)s AND status = 'RUNNING'
            FOR SHARE
        ),
        settled AS (
            UPDATE export_batches AS batches
            SET state = told.state, settled_at = clock_timestamp(), status_code = told.status_code,
                attempts = batches.attempts + told.attempts, rejected = told.rejected, note = told.note,
                accepted = told.accepted
            FROM run, unnest(%(numbers)s::integer[], %(parts)s::text[], %(states)s::text[], %(codes)s::smallint[],
                             %(attempts)s::integer[], %(rejected)s::integer[], %(notes)s::text[], %(accepted)s::bytea[])
                 AS told (number, part, state, status_code, attempts, rejected, note, accepted)
            WHERE batches.run_id = run.id AND batches.number = told.number AND batches.part = told.part
        )
        SELECT FROM run
        """,
        {
            "run": leg.run_id,
            "leg": leg.number,
            **dict(
                zip(
                    ("numbers", "parts", "states", "codes", "attempts", "rejected", "notes", "accepted"),
                    map(list, columns),
                    strict=True,
                )
            ),
        },
    )
    return cursor.fetchone() is not None


def split(cursor: Cursor, leg: Leg, batch: Batch, status_code: int, attempts: int, note: str) -> None:
    """Put the halves of a batch in its place."""
    cursor.execute(
        """
        UPDATE export_batches
        SET state = 'split', settled_at = clock_timestamp(), status_code = %s, attempts = attempts + %s, note = %s
        WHERE run_id = %s AND number = %s AND part = %s
        """,
        (status_code, attempts, note, leg.run_id, batch.number, batch.part),
    )
    insert(cursor, leg.run_id, batch.halves())


def insert(cursor: Cursor, run_id: str, batches: Sequence[Batch]) -> None:
    """Store batches, or parts of one, as planned."""
    execute_values(
        cursor,
        """
        INSERT INTO export_batches
            (run_id, number, part, total, first_row, row_count, position, picks, skipped, reject_ids)
        VALUES %s
        """,
        [(run_id, *batch) for batch in batches],
    )


def has_open(cursor: Cursor, run_id: str) -> bool:
    """Return whether a batch of a run is not settled."""
    cursor.execute(
        """
        SELECT EXISTS (SELECT FROM export_batches WHERE run_id = %s AND state IN ('planned', 'sending'))
        """,
        (run_id,),
    )
    row: tuple[bool] = cursor.fetchone()  # type: ignore[assignment]
    return row[0]


def notes(cursor: Cursor, run_id: str) -> list[str]:
    """Return what is to be said of batches that were accepted, but not as a whole; at most 5."""
    cursor.execute(
        """
        SELECT note FROM export_batches
        WHERE run_id = %s AND state = 'sent' AND note IS NOT NULL
        ORDER BY number, part
        LIMIT 5
        """,
        (run_id,),
    )
    return [row[0] for row in cursor.fetchall()]
