"""Reads a stream's windows page by page.

    SUCCESS     every window was read to its end, and what was read is stored
    PARTIAL     the same, but records were rejected, or a window's count is not the one that the source tells
    CONTINUES   the deadline came near: the rest is queued
    FAILED      the source refused, or could not be had; the next run goes on where this one stopped

A page, what it says about progress, and its rejects are one transaction (`storing`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from service import deadline, jobs, metrics
from service.config import ConfigError
from service.database import Cursor, Database
from service.errors import ServiceUnavailable
from service.ingestion import ledger, queries
from service.ingestion.client import Client
from service.ingestion.failures import Denied, OutOfTime, SourceError, Unavailable
from service.ingestion.ledger import Window
from service.ingestion.queries import Leg
from service.ingestion.records import Incomplete, Stream
from service.ingestion.runs import Hold, Superseded, hold
from service.ingestion.source import Source
from service.ingestion.storing import PageStore

SPARED_SECONDS = 1.0  # of a deadline: to store the page that is there, and to say how the leg ended
FAILURES_IN_A_ROW = 3  # windows
MAX_TOLD = 5  # reasons in one message

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """How a leg of a run ended. `delay_seconds` is how long its continuation had better wait."""

    execution_id: str
    status: str
    message: str | None = None
    delay_seconds: float = 0


class Progress(NamedTuple):
    """How far a window is: rows read, of how many; and how many windows follow."""

    window: Window
    records: int
    total: int | None
    windows_left: int


Report = Callable[[Progress], None]


class _Ended(Exception):
    """Nothing more can be read in this leg."""

    def __init__(self, status: str, message: str | None = None, delay_seconds: float = 0) -> None:
        super().__init__(status)
        self.status, self.message, self.delay_seconds = status, message, delay_seconds


def run(
    database: Database,
    source: Source,
    stream: Stream,
    request: dict[str, Any],
    execution_id: str | None = None,
    report: Report = lambda progress: None,
) -> Result | None:
    """Read what `request` asks for, or go on with the run `execution_id`, until the end or until the deadline is near.

    Returns None where that run has ended already. Raises `Busy` where another process reads the stream, and
    `ServiceUnavailable` where the database is lost; then the next run goes on.
    """
    with hold(database, stream, execution_id, request, source.endpoint(stream)) as held:
        if held is None:
            return None
        started = time.monotonic()
        try:
            result = _Engine(database, source, stream, request, held, report).work()
        except Superseded:
            result = _abandon(database, held)
        except BaseException as error:
            _try_to_fail(database, held.leg, f"the run broke off: {jobs.reason_of(error)}")
            raise
        seconds = time.monotonic() - started
        metrics.record_metric("RunDuration", seconds, **stream.dimensions)
        metrics.increment_counter("RunsEnded", Outcome=result.status, **stream.dimensions)
        log.info(
            "a run ended" if result.status != "CONTINUES" else "a run continues",
            extra={"run": result.execution_id, "leg": held.leg.number, "stream": str(stream)}
            | {"status": result.status, "reason": result.message, "durationMs": round(seconds * 1000)},
        )
        return result


def _abandon(database: Database, held: Hold) -> Result:
    message = "the lock was lost; the next run goes on from here"
    if not _try_to_fail(database, held.leg, message):
        message = "another process has taken the run over"
    return Result(held.leg.execution_id, "FAILED", message)


def _try_to_fail(database: Database, leg: Leg, message: str) -> bool:
    try:
        with database.transaction() as cursor:
            return queries.finish_run(cursor, leg, "FAILED", message)
    except ServiceUnavailable:
        return False  # the next run finds it dead


class _Engine:
    """One leg of a run."""

    def __init__(
        self, database: Database, source: Source, stream: Stream, request: dict[str, Any], held: Hold, report: Report
    ) -> None:
        self._database = database
        self._source = source
        self._pages = PageStore(database, source.resources[stream.resource], stream, held.leg)
        self._stream = stream
        self._request = request
        self._held = held
        self._leg = held.leg
        self._report = report
        self._page_seconds = 0.0  # the longest so far
        self._has_stored = False

    def work(self) -> Result:
        """Read windows until none is left, or the leg has to end."""
        client = self._source.client(self._stream)
        try:
            self._read_windows(client)
            if not self._held.is_planned:
                self._plan()
                self._read_windows(client)
            result = self._finish()
        except _Ended as ended:
            result = self._end(ended.status, ended.message, ended.delay_seconds)
        finally:
            client.close()
        return result

    def _plan(self) -> None:
        with self._database.transaction() as cursor:
            ranges = self._source.plan(cursor, self._stream, self._request)
            if not ledger.plan(cursor, self._stream, self._leg, ranges):
                raise Superseded

    def _read_windows(self, client: Client) -> None:
        failures: dict[int, str] = {}
        in_a_row = 0
        while in_a_row < FAILURES_IN_A_ROW:
            with self._database.transaction() as cursor:
                windows = [w for w in ledger.open_windows(cursor, self._leg) if w.id not in failures]
            if not windows:
                break
            reason = self._try_window(client, windows[0], len(windows) - 1)
            in_a_row = in_a_row + 1 if reason else 0
            if reason:
                failures[windows[0].id] = f"{self._source.name_of(windows[0])}: {reason}"
        if failures:
            raise _Ended("FAILED", "; ".join(list(failures.values())[:MAX_TOLD]))

    def _try_window(self, client: Client, window: Window, windows_left: int) -> str | None:
        """Read a window; return why that failed, where another window may do better."""
        try:
            self._read_window(client, window, windows_left)
        except Incomplete as flaw:
            self._close_window(window, flaw.reason)
        except (Denied, ConfigError) as refusal:
            raise _Ended("FAILED", str(refusal)) from None
        except OutOfTime as late:
            if deadline.is_cut() or late.seconds or self._has_stored or self._split(window):
                raise _Ended("CONTINUES", late.reason, late.seconds) from None
            reason = f"{late.reason}, for one page alone"
            self._set_back(window, reason)
            raise _Ended("FAILED", f"{self._source.name_of(window)}: {reason}") from None
        except SourceError as trouble:
            if not (isinstance(trouble, Unavailable) and trouble.is_slow and self._split(window)):
                return trouble.reason
        return None

    def _split(self, window: Window) -> bool:
        """Put smaller windows in the place of one that the source is too slow for."""
        ranges = self._source.split(window)
        if len(ranges) > 1:
            with self._database.transaction() as cursor:
                self._lock(cursor)
                ledger.split_window(cursor, self._stream, self._leg, window, ranges)
        return len(ranges) > 1

    def _read_window(self, client: Client, window: Window, windows_left: int) -> None:
        with self._database.transaction() as cursor:
            ledger.begin_window(cursor, window, datetime.now(UTC))
        pages, records = window.pages, window.records
        started = time.monotonic()
        for page in self._source.pages(client, self._stream, window):
            self._held.check()
            self._pages.store(window, page, pages)
            self._has_stored = True
            pages += 1
            records += len(page.records)
            self._report(Progress(window, records, page.total, windows_left))
            if page.covered is not None:
                return
            self._page_seconds = max(self._page_seconds, time.monotonic() - started)
            started = time.monotonic()
            if deadline.is_cut() or deadline.remaining() < SPARED_SECONDS + 2 * self._page_seconds:
                raise _Ended("CONTINUES")
        raise Incomplete("the source stopped in the middle")

    def _set_back(self, window: Window, note: str) -> None:
        """Let the next leg read other windows first: this one would fail again, and they would never be read."""
        with self._database.transaction() as cursor:
            self._lock(cursor)
            ledger.set_back(cursor, window.id, note)

    def _lock(self, cursor: Cursor) -> None:
        if not ledger.lock_run(cursor, self._leg):
            raise Superseded

    def _close_window(self, window: Window, note: str) -> None:
        with self._database.transaction() as cursor:
            self._lock(cursor)
            ledger.close_window(cursor, window.id, "incomplete", None, None, note)

    def _finish(self) -> Result:
        with self._database.transaction() as cursor:
            problems = queries.problems(cursor, self._leg.execution_id)
        return self._end("PARTIAL" if problems else "SUCCESS", "; ".join(problems) or None)

    def _end(self, status: str, message: str | None, delay_seconds: float = 0) -> Result:
        with self._database.transaction() as cursor:
            if not queries.finish_run(cursor, self._leg, status, message, delay_seconds):
                raise Superseded
        return Result(self._leg.execution_id, status, message, delay_seconds)
