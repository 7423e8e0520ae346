"""Records that could not be stored, read again by today's code.

A replay stores what was read when the record was rejected. It must not bring back what the source has changed since: it
is `stale` where a later version was rejected, or where a later one is stored. Where a record tells when it was changed,
that says which is later; else it is when it was read.

All this is decided on one state of the database (REPEATABLE READ). Where a run or another replay changes it meanwhile,
PostgreSQL says so, and the replay begins anew: it is as if it came wholly before or wholly behind the other one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import TransactionRollbackError

from service import metrics
from service.database import Cursor, Database
from service.documents import Document, parse
from service.errors import BadRequest, Conflict, NotFound, ServiceUnavailable
from service.ingestion.records import Outcome, Rejected, Resource, Stream
from service.ingestion.source import Source

ATTEMPTS = 5
OUTCOMES = ("inserted", "updated", "unchanged", "stale")

log = logging.getLogger(__name__)

_IS_LATER_KNOWN = sql.SQL(
    """
    SELECT EXISTS (
        SELECT FROM {table} AS stored
        WHERE shop = %(shop)s AND fullbay_id = %(record)s AND ingestion_timestamp >= %(seen)s
          AND ((to_jsonb(stored) ->> 'updated_at')::timestamptz <> %(version)s::timestamptz) IS NOT true
    ) OR EXISTS (
        SELECT FROM ingestion_rejects
        WHERE source = %(source)s AND resource = %(resource)s AND shop = %(shop)s AND record_id = %(record)s
          AND (last_seen_at, id) > (%(seen)s, %(id)s)
    )
    """
)


class _Kept(NamedTuple):
    """A reject as it is kept."""

    id: int
    stream: Stream
    payload: str
    seen_at: datetime
    resolution: str | None


def replay(database: Database, sources: Mapping[str, Source], reject_id: int) -> str:
    """Store the record of a reject, and resolve it as `replayed`; return what became of the record (see `OUTCOMES`).

    Raises `Rejected` where today's code, or the table, refuses it, too; `NotFound`; `Conflict` where it is resolved
    already. Then nothing has changed.
    """
    for _ in range(ATTEMPTS):
        try:
            with database.transaction() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                reject = _find(cursor, reject_id)
                outcome = _store(cursor, reject, _resource(sources, reject.stream))
        except ServiceUnavailable as error:
            if isinstance(error.__cause__, TransactionRollbackError):
                continue
            raise
        _tell(reject, outcome)
        return outcome
    raise ServiceUnavailable(
        reason=f"reject {reject_id} could not be replayed: its record is being written all the time"
    )


def _find(cursor: Cursor, reject_id: int) -> _Kept:
    cursor.execute(
        """
        SELECT id, source, resource, shop, payload, last_seen_at, resolution FROM ingestion_rejects WHERE id = %s
        """,
        (reject_id,),
    )
    row = cursor.fetchone()
    if row is None:
        raise NotFound(f"There is no reject {reject_id}")
    reject = _Kept(row[0], Stream(*row[1:4]), *row[4:])
    if reject.resolution is not None:
        raise Conflict(f"Reject {reject_id} is resolved already: {reject.resolution}", resolution=reject.resolution)
    return reject


def _resource(sources: Mapping[str, Source], stream: Stream) -> Resource:
    source = sources.get(stream.source)
    if source is None or stream.resource not in source.resources:
        raise Rejected("", f"{stream.resource} of {stream.source} is not read any more")
    return source.resources[stream.resource]


def _store(cursor: Cursor, reject: _Kept, resource: Resource) -> str:
    """Write the record and resolve the reject; return what became of the record."""
    document = _document(reject.payload)
    row = resource.read(document)
    record_id = resource.key(document.value)
    assert record_id is not None  # noqa: S101
    # Records before rejects, as a run does it, and never two rejects at once: so nobody waits in a circle.
    is_stale = _is_later_known(cursor, reject, resource, record_id, row)
    outcome = Outcome(stale=1) if is_stale else _write(cursor, reject.stream, resource, row)
    _resolve(cursor, reject, record_id)
    return next(name for name in OUTCOMES if getattr(outcome, name))


def _document(payload: str) -> Document:
    try:
        document = parse(payload)
    except BadRequest:
        raise Rejected("", "could not be kept as JSON, and is to be read from the source again") from None
    if document.violations:
        flaw = document.violations[0]
        raise Rejected(flaw["path"], flaw["message"])
    return document


def _is_later_known(cursor: Cursor, reject: _Kept, resource: Resource, record_id: str, row: Any) -> bool:
    cursor.execute(
        _IS_LATER_KNOWN.format(table=sql.Identifier(resource.table)),
        {
            **reject.stream._asdict(),
            "record": record_id,
            "id": reject.id,
            "seen": reject.seen_at,
            "version": getattr(row, "updated_at", None),
        },
    )
    return bool(cursor.fetchone()[0])  # type: ignore[index]


def _write(cursor: Cursor, stream: Stream, resource: Resource, row: Any) -> Outcome:
    try:
        outcome = resource.store(cursor, stream, [row])
    except (psycopg2.DataError, psycopg2.IntegrityError, psycopg2.errors.ProgramLimitExceeded) as error:
        raise Rejected("", f"the database refuses it: {type(error).__name__}") from error
    for _, reason in outcome.refused:
        raise Rejected("", reason)
    return outcome


def _resolve(cursor: Cursor, reject: _Kept, record_id: str) -> None:
    """Close a reject, and those of older versions of its record that nobody else is about to close."""
    cursor.execute(
        """
        UPDATE ingestion_rejects SET resolution = 'replayed', resolved_at = clock_timestamp()
        WHERE id = %s AND resolution IS NULL
        """,
        (reject.id,),
    )
    cursor.execute(
        """
        UPDATE ingestion_rejects SET resolution = 'superseded', resolved_at = clock_timestamp()
        WHERE id IN (
            SELECT id
            FROM ingestion_rejects
            WHERE source = %s AND resource = %s AND shop = %s AND record_id = %s AND resolution IS NULL
              AND (last_seen_at, id) < (%s, %s)
            FOR UPDATE SKIP LOCKED
        )
        """,
        (*reject.stream, record_id, reject.seen_at, reject.id),
    )


def _tell(reject: _Kept, outcome: str) -> None:
    names = reject.stream.dimensions
    if outcome == "inserted":
        metrics.increment_counter("RecordsInserted", **names)
    elif outcome == "updated":
        metrics.increment_counter("RecordsUpdated", **names)
    log.info("a reject was replayed", extra={"reject": reject.id, "stream": str(reject.stream), "outcome": outcome})
