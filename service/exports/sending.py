"""The last part of a run: its batches go to the partner over several connections, and what becomes of each is noted.

One thread reads batches ahead and notes that they are about to be sent, others send them, and one notes what the
partner said (`books`). A batch that is refused is halved until the rows that are to blame stand alone;
the halves are stored before they are sent. So whatever is sent again has the key that it was sent with before.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from service import deadline, metrics
from service.database import Database
from service.database.holding import Superseded
from service.exports import batch_queries, reject_queries
from service.exports.batch_queries import Batch, Settled
from service.exports.books import Books
from service.exports.delivery.failures import BatchRefused, Denied, OutOfTime, Refused, Unavailable
from service.exports.delivery.partner import Delivered, Partner
from service.exports.lake.engine import EngineError, EngineUnavailable
from service.exports.queries import Run
from service.exports.reading import BatchReader, Record
from service.exports.reject_queries import Refusal
from service.exports.watch import Ended, Progress, Watch

READ_TRIES = 4
BEGUN_AT_ONCE = 32  # batches that are noted as about to be sent
HOPELESS_BATCHES = 5  # of which the partner takes not one row, before it has taken any
IDLE_SECONDS = 0.2

log = logging.getLogger(__name__)


class Parcel(NamedTuple):
    """A batch with its rows."""

    batch: Batch
    records: list[Record]

    def body(self) -> bytes:
        """Return what is sent, the same however often."""
        rows = ", ".join([record.text for record in self.records])
        head = f'"batch_number": {self.batch.number}, "total_batches": {self.batch.total}'
        return f'{{{head}, "records": [{rows}]}}'.encode()

    def halves(self) -> tuple[Parcel, Parcel]:
        """Return the two halves of a parcel of more than one row."""
        first, second = self.batch.halves()
        return Parcel(first, self.records[: first.row_count]), Parcel(second, self.records[first.row_count :])

    def locate(self, key: list[str], told: Mapping[str, Any]) -> int | None:
        """Return which row has the key columns that the partner tells, None where none has."""
        wanted = [str(told[name]) for name in key if name in told]
        if not key or len(wanted) < len(key):
            return None
        rows = (json.loads(record.text) for record in self.records)
        return next((at for at, row in enumerate(rows) if [str(row.get(name)) for name in key] == wanted), None)


class Sending:
    """Sends the batches of one run, as one leg does."""

    def __init__(
        self,
        database: Database,
        run: Run,
        watch: Watch,
        reader: BatchReader,
        partner: Partner,
        threads: int,
        counts: tuple[int, int, int],
    ) -> None:
        self._database = database
        self._run = run
        self._watch = watch
        self._reader = reader
        self._partner = partner
        self._threads = threads
        self._total, self._sent, self._rejected = counts
        self._before = self._sent + self._rejected
        self._refused_before = self._rejected
        self._parcels: queue.Queue[Parcel | None] = queue.Queue(2 * threads)
        self._failure: BaseException | None = None
        self._longest = 0.0  # seconds that a batch has taken
        self._tally = threading.Lock()

    def send(self) -> None:
        """Send every batch that is open. Raises `Ended` where that cannot be done now."""
        with Books(self._database, self._watch.leg, self._fail) as books:
            senders = [
                threading.Thread(target=self._work, args=(deadline.current(), books), name="sender", daemon=True)
                for _ in range(self._threads)
            ]
            for sender in senders:
                sender.start()
            try:
                for parcel in self._read_ahead():
                    self._hand_over(parcel)
                for _ in senders:
                    self._hand_over(None)
                self._join(senders)
            except BaseException as error:
                self._fail(error)
                if not (isinstance(error, Ended) and error.status == "CONTINUES"):
                    self._partner.cut()
            finally:
                self._empty()
                for sender in senders:
                    sender.join()
        if self._failure:
            raise self._failure

    def _fail(self, error: BaseException) -> None:
        """Let everybody stop. What went wrong first is what the leg ends over."""
        self._failure = self._failure or error

    def _join(self, senders: list[threading.Thread]) -> None:
        for sender in senders:
            while sender.is_alive():
                sender.join(IDLE_SECONDS)
                self._watch.check()

    def _empty(self) -> None:
        """Let the senders end: those that wait for a parcel find that there is no more."""
        with suppress(queue.Empty):
            while True:
                self._parcels.get_nowait()
        for _ in range(self._threads):
            self._parcels.put(None)

    def _hand_over(self, parcel: Parcel | None) -> None:
        while True:
            if self._failure:
                raise self._failure
            try:
                self._parcels.put(parcel, timeout=IDLE_SECONDS)
            except queue.Full:
                self._watch.check()
            else:
                return

    def _read_ahead(self) -> Iterator[Parcel]:
        """Give the open batches with their rows, each noted as about to be sent."""
        after = 0
        while page := self._database.statement(batch_queries.open_batches, self._watch.leg.run_id, after):
            after = page[-1].number
            for at in range(0, len(page), BEGUN_AT_ONCE):
                self._watch.check()
                self._watch.expect_time(2 * self._longest)
                some = page[at : at + BEGUN_AT_ONCE]
                self._begin(some)
                for batch in some:
                    self._watch.expect_time(2 * self._longest)
                    yield Parcel(batch, self._read(batch))

    def _begin(self, batches: list[Batch]) -> None:
        self._watch.heed(self._database.statement(batch_queries.begin, self._watch.leg, batches))

    def _read(self, batch: Batch) -> list[Record]:
        for attempt in range(1, READ_TRIES + 1):
            try:
                return self._reader.read(batch)
            except EngineUnavailable as trouble:
                if attempt == READ_TRIES:
                    raise Ended("FAILED", f"the result cannot be read: {trouble.reason}") from None
                self._watch.expect_time(trouble.seconds)
                time.sleep(trouble.seconds or IDLE_SECONDS)
                self._reader.forget()
            except EngineError as error:
                raise Ended("FAILED", f"the result cannot be read: {error.reason}") from None
        raise AssertionError

    def _work(self, shared: deadline.Deadline | None, books: Books) -> None:
        """Send parcels until there is no more, or something has gone wrong, here or elsewhere."""
        deadline.share(shared)
        try:
            while (parcel := self._parcels.get()) is not None and self._failure is None:
                began = time.monotonic()
                self._deliver(parcel, books)
                self._longest = max(self._longest, time.monotonic() - began)
        except BaseException as error:
            self._fail(self._as_end(error))
        finally:
            deadline.clear()

    def _as_end(self, error: BaseException) -> BaseException:
        """Return how the leg ends over what went wrong with one batch."""
        if isinstance(error, OutOfTime):
            return Ended("CONTINUES", error.reason, error.seconds)
        if isinstance(error, (Denied, Refused, Unavailable)):
            return Ended("FAILED", error.reason)
        return error

    def _deliver(self, parcel: Parcel, books: Books) -> None:
        """Send a batch, and its parts where it is refused; note what becomes of each."""
        waiting = [parcel]
        while waiting and self._failure is None:
            parcel = waiting.pop()
            if parcel.batch.part:
                self._watch.expect_time()
                self._begin([parcel.batch])
            try:
                delivered = self._post(parcel)
            except BatchRefused as refusal:
                if len(parcel.records) > 1:
                    waiting += reversed(self._split(parcel, refusal))
                else:
                    self._refuse(parcel, refusal)
            else:
                self._accept(parcel, delivered, books)

    def _post(self, parcel: Parcel) -> Delivered:
        key = f"{self._watch.leg.run_id}-{parcel.batch.name}"
        return self._partner.send(
            parcel.body(), key, len(parcel.records), lambda told: parcel.locate(self._run.key_columns, told)
        )

    def _split(self, parcel: Parcel, refusal: BatchRefused) -> tuple[Parcel, Parcel]:
        with self._database.transaction() as cursor:
            if not batch_queries.has_run(cursor, self._watch.leg):
                raise Superseded
            batch_queries.split(cursor, self._watch.leg, parcel.batch, refusal.status, refusal.attempts, refusal.reason)
        return parcel.halves()

    def _refuse(self, parcel: Parcel, refusal: BatchRefused) -> None:
        settled = self._settled(parcel, "rejected", refusal.status, refusal.attempts, [0], refusal.reason)
        self._note_refusals(parcel, settled, {0: refusal.reason}, refusal.status)

    def _accept(self, parcel: Parcel, delivered: Delivered, books: Books) -> None:
        """Note a batch that was accepted, with or without some of its rows."""
        refused = {one.index: one.reason for one in delivered.failures if one.index is not None}
        lost = [one.reason for one in delivered.failures if one.index is None]
        note = f"batch {parcel.batch.name}: a failure that names no row: {lost[0]}" if lost else None
        settled = self._settled(parcel, "sent", delivered.status, delivered.attempts, list(refused), note)
        if refused or parcel.batch.reject_ids is not None:
            self._note_refusals(parcel, settled, refused, delivered.status)
        else:
            books.settle(settled)
            self._count(len(parcel.records), 0)

    def _settled(
        self, parcel: Parcel, state: str, status: int, attempts: int, refused: list[int], note: str | None
    ) -> Settled:
        accepted = [record.fingerprint or b"" for at, record in enumerate(parcel.records) if at not in refused]
        batch = parcel.batch
        is_known = state == "rejected" or note is None  # which rows the partner has
        hashes = (b"".join(accepted) or None) if is_known else None
        return Settled(batch.number, batch.part, state, status, attempts, len(refused), note, hashes)

    def _note_refusals(self, parcel: Parcel, settled: Settled, refused: dict[int, str], status: int) -> None:
        """Note a batch of which rows were refused, or one that repeats rejects, in one transaction."""
        refusals = []
        for at, reason in refused.items():
            record = parcel.records[at]
            refusals.append(
                Refusal(record.row_number, parcel.batch.number, record.text, record.fingerprint, status, reason)
            )
        ids = parcel.batch.reject_ids
        with self._database.transaction() as cursor:
            if not batch_queries.settle(cursor, self._watch.leg, [settled]):
                raise Superseded
            if refusals:
                reject_queries.refuse(cursor, self._watch.leg, refusals)
            if ids:
                reject_queries.got_through(cursor, [one for at, one in enumerate(ids) if at not in refused])
        taken = len(parcel.records) - len(refused)
        self._count(taken, -taken if ids else len(refused))
        self._expect_hope()

    def _count(self, sent: int, rejected: int) -> None:
        with self._tally:
            self._sent += sent
            self._rejected += rejected
            done = self._sent + self._rejected
            self._watch.report(Progress("send", done, self._total, self._rejected, self._before))
        metrics.increment_counter("ExportRowsSent", sent, Table=self._run.table_name)
        metrics.increment_counter("ExportRowsRejected", max(0, rejected), Table=self._run.table_name)

    def _expect_hope(self) -> None:
        """Raise `Ended` where the partner takes nothing at all: it would be asked twice for each of many rows."""
        if not self._sent and self._rejected - self._refused_before >= HOPELESS_BATCHES * self._run.batch_size:
            raise Ended("FAILED", f"the partner has refused each of {self._rejected:,} rows, and taken none")
