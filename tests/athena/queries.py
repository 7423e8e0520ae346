"""The queries of the emulator: each waits, runs, and ends in a file, an error, or because somebody stopped it."""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.athena.lake import Column, Failed

STATES = ("QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED")
ENDS = STATES[2:]


@dataclass(frozen=True)
class Failure:
    """How a query fails: with a reason, and whether Athena says that it may succeed when it is started again."""

    reason: str = "INTERNAL_ERROR_QUERY_ENGINE: the cluster has lost a worker"
    is_retryable: bool | None = True  # None: Athena says nothing about the error

    def error(self) -> dict[str, Any] | None:
        """Return it as AthenaError."""
        if self.is_retryable is None:
            return None
        category, kind = (1, 233) if self.is_retryable else (2, 1006)
        return {
            "ErrorCategory": category,
            "ErrorType": kind,
            "Retryable": self.is_retryable,
            "ErrorMessage": self.reason,
        }


@dataclass
class Query:
    """A query that was started."""

    sql: str  # as it was sent, with its question marks
    parameters: list[str]
    database: str
    workgroup: str
    output: str
    token: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: str = "QUEUED"
    reason: str | None = None
    error: dict[str, Any] | None = None
    columns: list[Column] = field(default_factory=list)
    path: Path | None = None
    submitted_at: float = field(default_factory=time.time)
    started_at: float | None = None
    ended_at: float | None = None
    is_stopped: bool = False
    interrupt: Callable[[], None] | None = None

    @property
    def location(self) -> str:
        return f"{self.output.rstrip('/')}/{self.id}.csv"

    def same(self, other: Query) -> bool:
        """Was the same asked for under the same token?"""
        names = ("sql", "parameters", "database", "workgroup", "output")
        return all(getattr(self, name) == getattr(other, name) for name in names)

    def described(self) -> dict[str, Any]:
        """Return it as GetQueryExecution does."""
        now = self.ended_at or time.time()
        status = {
            "State": self.state,
            "StateChangeReason": self.reason,
            "SubmissionDateTime": self.submitted_at,
            "CompletionDateTime": self.ended_at,
            "AthenaError": self.error,
        }
        statistics = {
            "QueryQueueTimeInMillis": int(((self.started_at or now) - self.submitted_at) * 1000),
            "EngineExecutionTimeInMillis": int((now - (self.started_at or now)) * 1000),
            "TotalExecutionTimeInMillis": int((now - self.submitted_at) * 1000),
            "DataScannedInBytes": self.path.stat().st_size if self.path and self.state == "SUCCEEDED" else 0,
        }
        return {
            "QueryExecutionId": self.id,
            "Query": self.sql,
            "StatementType": "DML",
            "SubstatementType": "SELECT",
            "ResultConfiguration": {"OutputLocation": self.location},
            "QueryExecutionContext": {"Database": self.database},
            "Status": {name: value for name, value in status.items() if value is not None},
            "Statistics": statistics,
            "WorkGroup": self.workgroup,
            "EngineVersion": {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"},
        }


class Queries:
    """Runs queries, a thread each. `hold` keeps those that come in a state until `release`."""

    def __init__(self, run: Callable[[Query], None]) -> None:
        self.queue_seconds = 0.0
        self.run_seconds = 0.0
        self.failures: list[Failure] = []  # of the next queries
        self.draw_failure: Callable[[], Failure | None] = lambda: None
        self.started: list[Query] = []
        self.stopped: list[str] = []  # ids, as often as somebody asked
        self._run = run
        self._held: str | None = None
        self._is_closed = False
        self._changed = threading.Condition()
        self._by_token: dict[str, Query] = {}
        self._threads: list[threading.Thread] = []

    def start(self, query: Query) -> Query | None:
        """Start a query, or return the one that was started with its token; None where that one is another query."""
        with self._changed:
            known = self._by_token.setdefault(query.token, query)
            if known is query:
                self.started.append(query)
                failure = self.failures.pop(0) if self.failures else self.draw_failure()
                self._threads.append(threading.Thread(target=self._live, args=(query, failure), daemon=True))
                self._threads[-1].start()
        return known if known.same(query) else None

    def get(self, query_id: str) -> Query | None:
        return next((query for query in self.started if query.id == query_id), None)

    def stop(self, query: Query) -> None:
        """Stop a query; one that has ended stays as it is."""
        with self._changed:
            self.stopped.append(query.id)
            query.is_stopped = True
            self._changed.notify_all()
            for _ in range(100):  # DuckDB forgets what comes just before it begins
                if query.interrupt is not None:
                    query.interrupt()
                if self._changed.wait_for(lambda: query.state in ENDS, 0.05):
                    break

    def works(self, query: Query, interrupt: Callable[[], None] | None) -> None:
        """Note what interrupts a query that works, None before that is no longer there."""
        with self._changed:
            query.interrupt = interrupt

    def hold(self, state: str) -> None:
        """Keep queries in this state, QUEUED or RUNNING."""
        self._held = state

    def release(self) -> None:
        """Let queries go on."""
        with self._changed:
            self._held = None
            self._changed.notify_all()

    def wait(self, query: Query, *states: str, seconds: float = 5) -> None:
        """Wait until a query is in one of these states, or has ended."""
        with self._changed:
            assert self._changed.wait_for(lambda: query.state in (states or ENDS), seconds), query.state

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._held = None
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(10)

    def _live(self, query: Query, failure: Failure | None) -> None:
        self._stay(query, "QUEUED", self.queue_seconds)
        if not query.is_stopped:
            with self._changed:
                query.state, query.started_at = "RUNNING", time.time()
                self._changed.notify_all()
        self._stay(query, "RUNNING", self.run_seconds)
        if not query.is_stopped and failure is None:
            try:
                self._run(query)
            except Failed as error:
                failure = Failure(str(error), is_retryable=False)
        with self._changed:
            if query.is_stopped or self._is_closed:
                query.state, query.reason = "CANCELLED", "Query cancelled by user"
            elif failure:
                query.state, query.reason, query.error = "FAILED", failure.reason, failure.error()
            else:
                query.state = "SUCCEEDED"
            query.ended_at = time.time()
            self._changed.notify_all()

    def _stay(self, query: Query, state: str, seconds: float) -> None:
        with self._changed:
            if seconds:
                self._changed.wait_for(lambda: query.is_stopped or self._is_closed, seconds)
            self._changed.wait_for(lambda: query.is_stopped or self._held != state)


def location(output: str) -> tuple[str, str] | None:
    """Return the bucket and the prefix of an output location, None where it is none."""
    match = re.fullmatch(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?", output)
    return (match[1], match[2] or "") if match else None
