"""Stores a page: its rows, its rejects, and how far the window is read by that, in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psycopg2

from service import metrics
from service.database import Cursor, Database
from service.ingestion import ledger, queries
from service.ingestion.ledger import Window
from service.ingestion.queries import Leg, Reject
from service.ingestion.records import Outcome, Page, Record, Rejected, Resource, Stream
from service.ingestion.runs import Superseded

Rows = Mapping[str, Any]  # by the ids of their records
Store = Callable[[Cursor, Rows], Outcome]


class PageStore:
    """Stores the pages of one stream, as long as the leg has its run."""

    def __init__(self, database: Database, resource: Resource, stream: Stream, leg: Leg) -> None:
        self._database = database
        self._resource = resource
        self._stream = stream
        self._leg = leg

    def store(self, window: Window, page: Page, pages: int) -> None:
        """Store a page of a window that has `pages` of them. Raises `Superseded` where another leg has the run."""
        rows, rejects = self._sort_out(page.records)
        try:
            outcome, rejected = self._write(window, page, pages, rows, rejects, self._store_together)
        except (psycopg2.DataError, psycopg2.IntegrityError, psycopg2.errors.ProgramLimitExceeded):
            outcome, rejected = self._write(window, page, pages, rows, rejects, self._store_singly)
        names = self._stream.dimensions
        metrics.increment_counter("RecordsProcessed", len(page.records), **names)
        metrics.increment_counter("RecordsInserted", outcome.inserted, **names)
        metrics.increment_counter("RecordsUpdated", outcome.updated, **names)
        metrics.increment_counter("RecordsRejected", rejected, **names)

    def _sort_out(self, records: Sequence[Record]) -> tuple[Rows, list[Reject]]:
        """Return the rows of a page, the newest of each record, and the records that cannot be rows."""
        rows: dict[str, Any] = {}
        rejects: list[Reject] = []
        for record in records:
            row = record.row
            if record.flaw:
                rejects.append(_reject(self._resource.key(record.value), record, record.flaw))
            else:
                rows[row.id] = self._resource.newer(rows[row.id], row) if row.id in rows else row
        return rows, rejects

    def _write(
        self, window: Window, page: Page, pages: int, rows: Rows, rejects: list[Reject], store: Store
    ) -> tuple[Outcome, int]:
        """Write everything; return what became of the rows, and how many records were rejected."""
        with self._database.transaction() as cursor:
            outcome = store(cursor, rows) if rows else Outcome()
            refused = dict(outcome.refused)
            if refused:
                rejects = rejects + self._refused(page.records, refused)
            twice = len(page.records) - len(rows) - len(rejects) + len(refused)
            outcome = outcome._replace(stale=outcome.stale + twice)
            counts = ledger.Counts(len(page.records), len(rejects), outcome)
            has_rejects = ledger.note_page(cursor, self._leg, window.id, pages, page.checkpoint, counts)
            if has_rejects is None:
                raise Superseded  # and nothing of this page is written
            if has_rejects and rows:
                queries.supersede(cursor, self._stream, [key for key in rows if key not in refused], "superseded")
            if rejects:
                queries.reject(cursor, self._stream, self._leg.execution_id, rejects)
            if page.covered is not None:
                note = _difference(page)
                state = "incomplete" if note else "complete"
                ledger.close_window(cursor, window.id, state, page.total, page.until, note)
        return outcome, len(rejects)

    def _store_together(self, cursor: Cursor, rows: Rows) -> Outcome:
        return self._resource.store(cursor, self._stream, list(rows.values()))

    def _store_singly(self, cursor: Cursor, rows: Rows) -> Outcome:
        """Store the rows of a page that the database has refused as a whole, but for those that it refuses alone."""
        total = Outcome()
        for key, row in rows.items():
            cursor.execute("SAVEPOINT record")
            try:
                outcome = self._resource.store(cursor, self._stream, [row])
            except psycopg2.Error as error:
                cursor.execute("ROLLBACK TO SAVEPOINT record")
                outcome = Outcome(refused=((key, f"the database refuses it: {type(error).__name__}"),))
            total = Outcome(*(one + other for one, other in zip(total, outcome, strict=True)))  # type: ignore[operator]
        return total

    def _refused(self, records: Sequence[Record], refused: Mapping[str, str]) -> list[Reject]:
        by_key = {record.row.id: record for record in records if record.row}
        return [_reject(key, by_key[key], Rejected("", reason)) for key, reason in refused.items()]


def _reject(key: str | None, record: Record, flaw: Rejected) -> Reject:
    """Return a record that cannot be stored as it is kept."""
    return Reject(key, record.text, hashlib.sha256(record.text.encode()).digest(), flaw.path, flaw.reason)


def _difference(page: Page) -> str | None:
    if page.total is None or page.total == page.covered:
        return None
    return f"the source says that there are {page.total} records, and gave {page.covered}"
