"""How old what is read is: the seconds since the newest complete read of a source began.

A read is complete where its run has ended with every window read, and the newest of them is not one of those that do
not add up. A backfill makes nothing fresh. Of several shops that have a key the one counts that is worst off.
"""

from __future__ import annotations

from collections.abc import Iterable

from service import metrics
from service.database import Cursor, Database


def record(database: Database, shops: Iterable[str], source: str | None = None) -> None:
    """Measure Freshness, of one source or of all. A stream that was never read has none.

    Raises `ServiceUnavailable`.
    """
    for name, resource, seconds in database.statement(_ages, list(shops), source):
        metrics.record_metric("Freshness", seconds, Source=name, Resource=resource)


def _ages(cursor: Cursor, shops: list[str], source: str | None) -> list[tuple[str, str, float]]:
    cursor.execute(
        """
        SELECT source, resource, greatest(max(age), 0)
        FROM (
            SELECT w.source, w.resource, w.shop,
                   extract(epoch FROM clock_timestamp() - max(w.began_at))::float8 AS age
            FROM ingestion_windows AS w
            JOIN ingestion_metadata AS m ON m.execution_id = w.execution_id
            WHERE w.state = 'complete' AND m.status IN ('SUCCESS', 'PARTIAL') AND NOT m.request ? 'from'
              AND w.shop = ANY (%(shops)s) AND (%(source)s IS NULL OR w.source = %(source)s)
              AND NOT EXISTS (
                  SELECT
                  FROM ingestion_windows AS flawed
                  WHERE flawed.execution_id = w.execution_id AND flawed.state = 'incomplete'
                    AND upper(flawed.covers) > upper(w.covers)
              )
            GROUP BY w.source, w.resource, w.shop
        ) AS streams
        GROUP BY source, resource
        """,
        {"shops": shops, "source": source},
    )
    return cursor.fetchall()
