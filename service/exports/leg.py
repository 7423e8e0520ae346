"""A run, one leg after the other: its query, its plan, its batches, and how it ends.

    SUCCEEDED   the partner has taken every row that was selected
    PARTIAL     the same, but for the rows that it refused
    CONTINUES   nobody works on it: it was only just asked for, or a deadline came near and the rest is queued
    FAILED      the query, the result or the partner could not be had; another leg goes on where this one stopped
    CANCELLED   somebody wanted it to stop

A leg holds the lock of its run (`database.holding`). Each thing that it does is noted before and after it is done.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

import psycopg2

from service import jobs, metrics
from service.config import ConfigError
from service.database import Database, holding
from service.database.holding import Hold, Superseded, Taken
from service.errors import ServiceUnavailable
from service.exports import batch_queries, queries
from service.exports.delivery.failures import DeliveryError
from service.exports.delivery.partner import Partner
from service.exports.lake.catalog import Column
from service.exports.lake.engine import Engine, EngineError, Row
from service.exports.lake.types import parse
from service.exports.lake.values import encoder, fingerprints
from service.exports.planning import Encode, Planner
from service.exports.queries import Leg, Run
from service.exports.querying import Querying
from service.exports.reading import BatchReader
from service.exports.runs import Busy, Result, lock_name
from service.exports.sending import Sending
from service.exports.settings import ExportsConfig
from service.exports.watch import Ended, Report, Watch

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Means:
    """What a leg works with: the engine that its run was rendered for, and the partner."""

    engine: Callable[[str], Engine]
    partner: Callable[[], Partner]
    settings: ExportsConfig


def work(database: Database, run_id: str, means: Means, report: Report, is_continued: bool) -> Result | None:
    """Go on with a run until its end, or until the deadline is near; `is_continued`: then somebody else goes on.

    Returns None where the run has ended already. Raises `Busy` where another process works on it, and
    `ServiceUnavailable` where the database is lost.
    """
    with ExitStack() as stack:
        try:
            held = stack.enter_context(
                holding.lock(database, lock_name(run_id), lambda: _silent_seconds(database, run_id))
            )
        except Taken:
            raise Busy(run_id, f"run {run_id} is at work") from None
        try:
            run = database.statement(queries.begin_leg, run_id)
        except psycopg2.errors.UniqueViolation:  # it had failed, and is not the one that compares its table any more
            raise Busy(run_id, "another run compares the table now; it sends what is missing, too") from None
        if run is None:
            return None
        leg = Leg(run_id, run.leg)
        with held.beating(lambda cursor: queries.beat(cursor, leg)):
            return _Leg(database, leg, run, means, held, report, is_continued).work()


def _silent_seconds(database: Database, run_id: str) -> float:
    active = database.statement(queries.active, run_id)
    return active.silent_seconds if active is not None and active.status == "RUNNING" else -math.inf


class _Leg:
    """One leg of a run."""

    def __init__(
        self, database: Database, leg: Leg, run: Run, means: Means, held: Hold, report: Report, is_continued: bool
    ) -> None:
        self._database = database
        self._leg = leg
        self._run = run
        self._means = means
        self._is_continued = is_continued
        self._watch = Watch(database, leg, held, report)

    def work(self) -> Result:
        """Do what is left of the run; note how that ended."""
        began = time.monotonic()
        try:
            result = self._end(*self._reach())
        except Superseded:
            message = "the lock was lost; another leg goes on from here"
            is_ours = self._try_to_fail(message)
            result = Result(self._leg.run_id, "FAILED", message if is_ours else "another process has taken it over")
        except BaseException as error:
            self._try_to_fail(f"the run broke off: {jobs.reason_of(error)}")
            raise
        seconds = time.monotonic() - began
        metrics.record_metric("ExportDuration", seconds, Table=self._run.table_name)
        metrics.increment_counter("ExportsEnded", Table=self._run.table_name, Outcome=result.status)
        log.info(
            "an export ended" if result.status != "CONTINUES" else "an export continues",
            extra={"run": self._leg.run_id, "leg": self._leg.number, "table": self._run.table_name}
            | {"status": result.status, "reason": result.message, "durationMs": round(seconds * 1000)},
        )
        return result

    def _reach(self) -> tuple[str, str | None, float]:
        """Go as far as can be; return the status, the message and the delay of the continuation."""
        try:
            self._export()
        except Ended as ended:
            return ended.status, ended.message, ended.delay_seconds
        except (EngineError, DeliveryError) as error:
            return "FAILED", error.reason, 0
        except ConfigError as error:
            return "FAILED", str(error), 0
        return *self._outcome(), 0

    def _export(self) -> None:
        self._watch.check()
        engine = self._means.engine(self._run.engine)
        querying = Querying(
            self._database, engine, self._run, self._watch, self._means.settings.query_seconds, self._is_continued
        )
        result = querying.result()
        try:
            encode = _encode(self._run)
            if not self._run.is_planned:
                Planner(self._database, self._run, self._watch, encode).plan(result)
            self._send(BatchReader(self._database, result, encode))
        finally:
            result.close()
        querying.count()

    def _send(self, reader: BatchReader) -> None:
        if not self._database.statement(batch_queries.has_open, self._leg.run_id):
            return
        partner = self._means.partner()
        try:
            counts = self._database.statement(queries.counts, self._leg.run_id)
            threads = self._means.settings.concurrency
            Sending(self._database, self._run, self._watch, reader, partner, threads, counts).send()
        finally:
            partner.close()

    def _outcome(self) -> tuple[str, str | None]:
        _, _, rejected = self._database.statement(queries.counts, self._leg.run_id)
        notes = self._database.statement(batch_queries.notes, self._leg.run_id)
        if rejected:
            notes.insert(0, "1 row was rejected" if rejected == 1 else f"{rejected:,} rows were rejected")
        return ("PARTIAL" if notes else "SUCCEEDED"), "; ".join(notes) or None

    def _end(self, status: str, message: str | None, delay_seconds: float) -> Result:
        if not self._database.statement(queries.finish, self._leg, status, message, delay_seconds):
            raise Superseded
        return Result(self._leg.run_id, status, message, delay_seconds)

    def _try_to_fail(self, message: str) -> bool:
        try:
            return self._database.statement(queries.finish, self._leg, "FAILED", message)
        except ServiceUnavailable:
            return False  # the next leg finds it dead


def _encode(run: Run) -> Encode:
    """Return what makes JSON of a run's rows, with the columns that it had when it was asked for."""
    columns = [Column(name, parse(text)) for name, text in run.columns]
    to_json, hashes = encoder(columns), fingerprints(columns, run.key_columns)

    def encode(row: Row) -> tuple[str, bytes | None]:
        text = to_json(row)
        return text, b"".join(hashes(row, text)) if run.key_columns else None

    return encode
