"""The SQL of rejects: rows that the partner refused, and the batches that send them once more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from psycopg2.extras import execute_values

from service.database import Cursor
from service.exports.queries import Leg


class Refusal(NamedTuple):
    """A row that the partner refused, now or once more."""

    row_number: int
    batch_number: int
    payload: str
    fingerprint: bytes | None
    status_code: int
    reason: str


class Repeated(NamedTuple):
    """A row that is sent once more."""

    row_number: int
    payload: str
    fingerprint: bytes | None


def refuse(cursor: Cursor, leg: Leg, refusals: Sequence[Refusal]) -> None:
    """Note rows that the partner refused; one that was refused before counts its attempts."""
    execute_values(
        cursor,
        """
        INSERT INTO export_rejects AS known
            (run_id, row_number, batch_number, payload, fingerprint, status_code, reason)
        VALUES %s
        ON CONFLICT (run_id, row_number) DO UPDATE
        SET batch_number = excluded.batch_number, status_code = excluded.status_code, reason = excluded.reason,
            attempts = known.attempts + 1, rejected_at = clock_timestamp()
        """,
        [(leg.run_id, *refusal) for refusal in refusals],
    )


def repeat_rejects(cursor: Cursor, run_id: str, batch_size: int) -> int:
    """Make batches of the rejects of a run that has ended; return how many rejects there are.

    Those of a batch that is not settled are sent with that batch: the partner may have taken it.
    """
    cursor.execute(
        """
        WITH open AS (
            SELECT id, (row_number() OVER (ORDER BY id) - 1) / %(size)s AS place
            FROM export_rejects
            WHERE run_id = %(run)s AND sent_at IS NULL
              AND id NOT IN (
                  SELECT unnest(reject_ids)
                  FROM export_batches
                  WHERE run_id = %(run)s AND state IN ('planned', 'sending') AND reject_ids IS NOT NULL
              )
        ),
        made AS (
            SELECT place, array_agg(id ORDER BY id) AS ids FROM open GROUP BY place
        ),
        last AS (
            SELECT coalesce(max(number), 0) AS number FROM export_batches WHERE run_id = %(run)s
        ),
        stored AS (
            INSERT INTO export_batches (run_id, number, total, first_row, row_count, reject_ids)
            SELECT %(run)s, last.number + place + 1, last.number + (SELECT count(*) FROM made), 0, cardinality(ids), ids
            FROM made, last
        )
        SELECT count(*) FROM open
        """,
        {"run": run_id, "size": batch_size},
    )
    row: tuple[int] = cursor.fetchone()  # type: ignore[assignment]
    return row[0]


def repeated(cursor: Cursor, reject_ids: Sequence[int]) -> list[Repeated]:
    """Return the rows of rejects, in the order of their ids."""
    cursor.execute(
        "SELECT row_number, payload, fingerprint FROM export_rejects WHERE id = ANY (%s) ORDER BY id",
        (list(reject_ids),),
    )
    return [Repeated(row[0], row[1], row[2] and bytes(row[2])) for row in cursor.fetchall()]


def got_through(cursor: Cursor, reject_ids: Sequence[int]) -> None:
    """Note that rejects were accepted after all."""
    cursor.execute(
        "UPDATE export_rejects SET sent_at = clock_timestamp() WHERE id = ANY (%s) AND sent_at IS NULL",
        (list(reject_ids),),
    )
