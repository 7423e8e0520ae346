"""The first part of a run: its query is started, waited for, and started again where that may help.

The engine knows a query by a token of run and attempt, which is noted before it is started: a process that dies in
between leaves no second query behind. A leg whose time is over leaves the query running for the next one.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from service import metrics
from service.database import Database
from service.database.holding import Superseded
from service.exports import queries, query_notes
from service.exports.lake.engine import (
    Engine,
    EngineError,
    EngineUnavailable,
    QueryRefused,
    QueryState,
    Result,
    Text,
)
from service.exports.queries import Run
from service.exports.watch import Ended, Progress, Watch

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.1, 5.0
ATTEMPTS = 3  # at one query
OUTAGES = 6  # of the engine, in a row

T = TypeVar("T")

log = logging.getLogger(__name__)


class Querying:
    """The query of one run, as one leg sees it."""

    def __init__(
        self, database: Database, engine: Engine, run: Run, watch: Watch, seconds: float, is_continued: bool
    ) -> None:
        self._database = database
        self._engine = engine
        self._run = run
        self._watch = watch
        self._seconds = seconds  # that a query may take
        self._is_continued = is_continued
        self._attempts = 0
        self._looks = 0  # at the query that is waited for

    def result(self) -> Result:
        """Return the result of the query. Raises `Ended`, and then a query that nobody needs stops."""
        query_id = self._obtain()
        return self._ask(lambda: self._engine.result(query_id))

    def _obtain(self) -> str:
        """Return the id of the query, which has succeeded."""
        if self._run.has_result and self._run.query_id is not None:
            return self._run.query_id
        query_id, began_at = self._run.query_id, time.monotonic() - (self._run.query_seconds or 0)
        while True:
            if query_id is None:
                query_id, began_at = self._start(), time.monotonic()
            state = self._wait_or_stop(query_id, began_at + self._seconds)
            if state.state == "SUCCEEDED":
                metrics.record_metric("QueryDuration", time.monotonic() - began_at, Table=self._run.table_name)
                self._expect(self._database.statement(query_notes.note_result, self._watch.leg))
                return query_id
            if query_id != self._run.query_id or self._looks > 1:  # else it had ended before, and an earlier leg too
                self._expect_another_try(state)
            query_id = None

    def _start(self) -> str:
        attempt = self._database.statement(query_notes.begin_query, self._watch.leg)
        if attempt is None:
            raise Superseded
        text = Text(self._run.query_sql, tuple(self._run.query_parameters))
        query_id = self._ask(lambda: self._engine.start(text, f"{self._watch.leg.run_id}-{attempt}"))
        self._expect(self._database.statement(query_notes.note_query, self._watch.leg, query_id))
        return query_id

    def _wait_or_stop(self, query_id: str, expires_at: float) -> QueryState:
        """Wait until a query has ended, or stop it where nobody needs it any more."""
        try:
            return self._wait(query_id, expires_at)
        except Ended as ended:
            if ended.status != "CONTINUES" or not self._is_continued:
                self._stop(query_id)
            raise

    def _wait(self, query_id: str, expires_at: float) -> QueryState:
        """Wait until a query has ended. Raises `Ended` where its time, or that of the leg, is over."""
        wait = FIRST_WAIT_SECONDS
        self._looks = 0
        while True:
            self._looks += 1
            state = self._ask(lambda: self._engine.look(query_id))
            if state.state != "RUNNING":
                return state
            if time.monotonic() > expires_at:
                raise Ended("FAILED", f"the query was stopped: it did not end within {self._seconds:g} s")
            self._watch.report(Progress("query"))
            self._pause(wait)
            wait = min(LONGEST_WAIT_SECONDS, wait * 1.5)

    def _expect_another_try(self, state: QueryState) -> None:
        """Wait before the next attempt at a query that has failed, or raise `Ended`."""
        reason = state.reason or f"the query ended as {state.state}"
        self._attempts += 1
        if state.state == "CANCELLED":
            self._watch.heed(self._database.statement(queries.is_cancelled, self._watch.leg))
            raise Ended("FAILED", "the query was stopped by somebody else")
        if not state.is_retryable or self._attempts >= ATTEMPTS:
            raise Ended("FAILED", f"the query failed: {reason}")
        log.warning("a query is started again", extra={"run": self._watch.leg.run_id, "reason": reason})
        self._pause(random.uniform(0, FIRST_WAIT_SECONDS * 4**self._attempts))  # noqa: S311

    def _ask(self, what: Callable[[], T]) -> T:
        """Ask the engine, again where it cannot be had. Raises `Ended`."""
        for outage in range(1, OUTAGES + 1):
            try:
                return what()
            except QueryRefused as refusal:
                raise Ended("FAILED", f"the query was refused: {refusal.reason}") from None
            except EngineUnavailable as trouble:
                reason = trouble.reason
                log.warning("the engine is asked again", extra={"run": self._watch.leg.run_id, "reason": reason})
                longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**outage)
                self._pause(trouble.seconds + random.uniform(0, longest))  # noqa: S311
        raise Ended("FAILED", f"{reason}, {OUTAGES} times in a row")

    def _pause(self, seconds: float) -> None:
        ends_at = time.monotonic() + seconds
        while (left := ends_at - time.monotonic()) > 0:
            self._watch.check()
            self._watch.expect_time()
            time.sleep(min(left, 0.2))
        self._watch.check()
        self._watch.expect_time()

    def _stop(self, query_id: str) -> None:
        """Stop a query; that it cannot be stopped is no more than a line in the log."""
        try:
            self._engine.stop(query_id)
        except (QueryRefused, EngineUnavailable) as error:
            log.warning("a query was not stopped", extra={"query": query_id, "reason": error.reason})

    def count(self) -> None:
        """Note how many rows there were, where the run was cut at its limit and nobody has counted them.

        That they cannot be counted is no more than a line in the log: what was selected has been sent.
        """
        truncation = self._database.statement(query_notes.truncation, self._watch.leg)
        if not truncation.is_truncated or truncation.available is not None:
            return
        try:
            rows = self._count(truncation.query_id)
        except (Ended, EngineError) as trouble:
            if isinstance(trouble, Ended) and trouble.status != "FAILED":
                raise
            reason = trouble.message if isinstance(trouble, Ended) else trouble.reason
            log.warning("rows were not counted", extra={"run": self._watch.leg.run_id, "reason": reason})
        else:
            self._expect(self._database.statement(query_notes.note_available, self._watch.leg, rows))

    def _count(self, query_id: str | None) -> int:
        if query_id is None:
            text = Text(self._run.count_sql, tuple(self._run.query_parameters))
            query_id = self._ask(lambda: self._engine.start(text, f"{self._watch.leg.run_id}-count"))
            self._expect(self._database.statement(query_notes.note_count_query, self._watch.leg, query_id))
        state = self._wait_or_stop(query_id, time.monotonic() + self._seconds)
        if state.state != "SUCCEEDED":
            raise Ended("FAILED", state.reason)
        return self._ask(lambda: self._counted(query_id))

    def _counted(self, query_id: str) -> int:
        result = self._engine.result(query_id)
        try:
            return int(next(result.rows()).row[0] or 0)
        finally:
            result.close()

    def _expect(self, is_ours: bool) -> None:
        if not is_ours:
            raise Superseded
