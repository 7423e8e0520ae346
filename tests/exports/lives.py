"""One life of a lake, a partner and the exports between them, drawn from a seed; see test_random_faults.py.

A few runs while things go wrong, each in one leg or several, cancelled, retried and left alone; each is held to what
it says of itself after every leg. Then all of them are sent to their end while nothing goes wrong.
"""

from __future__ import annotations

import json
import random
from contextlib import suppress
from dataclasses import replace
from typing import Any

from flask import Flask

from service import config, deadline
from service.errors import Conflict, ServiceUnavailable
from service.exports import batch_queries, leg, planning, querying, sending, watch
from service.exports.delivery import calls, pace
from service.exports.delivery import watch as cutting
from service.exports.lake import athena_calls, athena_result
from service.exports.runs import Busy, Result
from service.exports.selection.request import request_of
from service.exports.service import Exports
from service.exports.watch import Progress
from tests.athena import Fault as AthenaFault
from tests.athena.queries import Failure
from tests.exports.recorded import Recorded
from tests.exports.rows import TABLE, Record, Refusing, row, text
from tests.exports.truth import Sql, assert_true
from tests.partner import Faults, Partner
from tests.partner.records import MIXED, SUCCESSES
from tests.partner.spellings import BATCH, SPELLINGS

# Waits are short here, and pages are small: what counts is the order of things.
QUICK = [
    *((module, "FIRST_WAIT_SECONDS", 0.0002) for module in (calls, pace, athena_calls, athena_result)),
    *((module, "LONGEST_WAIT_SECONDS", 0.001) for module in (calls, pace)),
    *((module, "SPARED_SECONDS", 0.01) for module in (calls, pace, watch, cutting)),
    (pace, "FIRST_DISTANCE_SECONDS", 0.0002),
    (pace, "LONGEST_DISTANCE_SECONDS", 0.001),
    (athena_calls, "THROTTLED_SECONDS", 0.001),
    (querying, "FIRST_WAIT_SECONDS", 0.002),
    (querying, "LONGEST_WAIT_SECONDS", 0.02),
    (sending, "IDLE_SECONDS", 0.005),
    (sending, "BEGUN_AT_ONCE", 3),
    (watch, "LOOK_SECONDS", 0.0),
    (planning, "COMPARED_AT_ONCE", 7),
    (planning, "STORED_AT_ONCE", 3),
    (planning, "FOLDED_AT_ONCE", 2),
    (batch_queries, "PAGE", 4),
]
MAX_LEGS = 40
APIS = ("StartQueryExecution", "GetQueryExecution", "GetQueryResults", "GetObject", "StopQueryExecution")


class Crash(BaseException):
    """A process that breaks off, and can still say so."""


class Expected:
    """What a run selects: rows of the lake as its query found it, of which its plan left out what was known."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self._limit: int | None = asked.get("limit")
        self._is_comparing = asked["mode"] == "changed"
        self._found: list[Record] = []
        self._known: dict[int, str] | None = None
        self._is_planned = self._is_mixed = False

    def query(self, found: list[Record]) -> None:
        """Note what a query found that was started."""
        self._found = found

    def plan(self, known: dict[int, str], is_begun: bool, is_whole: bool) -> None:
        """Note what was known while a leg planned, which another leg may have begun."""
        if not self._is_planned:
            self._is_mixed = is_begun and (self._is_mixed or known != self._known)
            self._known = known
        self._is_planned = is_whole

    def rows(self) -> tuple[list[Record], bool]:
        """Return the rows, and whether the run selects only some of them."""
        if self._is_mixed or self._known is None or not self._is_comparing:
            rows = self._found
        else:
            rows = [one for one in self._found if self._known.get(one["customer_id"]) != text(one)]
        return rows, (self._is_mixed and self._is_comparing) or (self._limit is not None and self._limit < len(rows))


class Life:
    """What one seed makes of a lake, a partner and their luck."""

    def __init__(
        self, seed: int, app: Flask, settings: config.Config, sql: Sql, recorded: Recorded, cloud: Any
    ) -> None:
        self.draw = random.Random(f"life {seed}")
        self.sql = sql
        self._app = app
        self._settings = settings
        self._seed = seed
        self._cloud = cloud if self.draw.random() < 0.4 else None
        self._lake = cloud if self._cloud else recorded
        self._engine = cloud.engine if self._cloud else recorded
        self._refusing = Refusing()
        self._batch_size = self.draw.choice([1, 3, 7, 10, 20])
        self._versions = dict.fromkeys(range(1, self.draw.choice([0, 1, 9, 30, 60, 90]) + 1), 0)
        self.partner = Partner(
            seed=seed,
            refuses=self._refusing,
            refusing=self.draw.choice([BATCH, BATCH, MIXED, *SPELLINGS]),
            success=self.draw.choice(SUCCESSES),
            token_uses=self.draw.choice([None, None, None, 7]),
            max_rows=self.draw.choice([None, None, None, 5]),
        )
        self.expected: dict[str, Expected] = {}

    def live(self) -> list[str]:
        """Live it; return what became of each run."""
        ends = []
        with self.partner:
            for number in range(self.draw.randint(2, 4)):
                self._change()
                ends.append(self._run(number))
            self._calm()
            ends += [self._end(run_id) for run_id in self.expected]
            self._compare()
        return ends

    def _run(self, number: int) -> str:
        """Export once, leg by leg, and perhaps once more what did not get through."""
        asked: dict[str, Any] = {"mode": self.draw.choice(["full", "changed", "changed"])}
        if self.draw.random() < 0.25:
            asked["limit"] = self.draw.randint(1, 60)
        try:
            run_id = self._announce(asked)
        except Busy:
            return "BUSY"
        self._trouble(number)
        status = self._legs(run_id)
        self._calm_lake()
        if self.draw.random() < 0.5 and status in ("PARTIAL", "FAILED", "CANCELLED"):
            self._trouble(number + 100)
            with suppress(Conflict):
                self._within(lambda: self._exports().reopen(run_id))
                status = self._legs(run_id)
            self._calm_lake()
        return status

    def _known(self) -> dict[int, str]:
        """Return what the partner has of each customer, as far as that was noted."""
        taken: dict[str, list[Record]] = {}
        for one in self.partner.rows:
            taken.setdefault(one.key, []).append(one.row)
        settled = self.sql(
            """
            SELECT run_id || '-' || number || CASE WHEN part = '' THEN '' ELSE '.' || part END
            FROM export_batches
            WHERE state = 'sent' AND note IS NULL
            ORDER BY settled_at
            """
        )
        return {each["customer_id"]: text(each) for (key,) in settled for each in taken.get(key, ())}

    def _exports(self) -> Exports:
        changed = {
            "api_credentials": json.dumps(self.partner.credentials),
            "batch_size": self._batch_size,
            "concurrency": self.draw.choice([1, 1, 2, 4, 8]),
            "max_retries": self.draw.choice([1000, 1000, 100, 5]),
            "timeout_seconds": 5.0,
        }
        exports = Exports(
            replace(self._settings, exports=replace(self._settings.exports, **changed)),
            self._app.extensions["database"],
        )
        exports._engine = self._engine
        return exports

    def _trouble(self, number: int) -> None:
        """Let things go wrong from now on."""
        self._refusing.numbers = set(self.draw.sample(sorted(self._versions), len(self._versions) // 10))
        if self.draw.random() < 0.05:
            self._refusing.numbers = set(self._versions)
        self.partner.faults = Faults.random(self._seed * 1000 + number, most=5)
        if self._cloud and self.draw.random() < 0.7:
            kinds = ("throttle", "error", "reset", "lost", "cut")
            self._cloud.athena.faults = [
                AthenaFault(self.draw.choice(kinds), self.draw.choice(APIS), self.draw.randint(1, 4), 0.5)
                for _ in range(self.draw.randint(1, 3))
            ]
            self._cloud.athena.fail(
                *(Failure(is_retryable=self.draw.random() < 0.8) for _ in range(self.draw.choice([0, 0, 1])))
            )

    def _calm_lake(self) -> None:
        if self._cloud:
            self._cloud.athena.faults = []
            self._cloud.athena.queries.failures.clear()

    def _calm(self) -> None:
        self._calm_lake()
        self.partner.faults = []
        self.partner.grants.uses = None
        self._refusing.numbers = set()

    def _legs(self, run_id: str) -> str:
        """Go on with a run until it ends, or is left alone; hold it to the truth after each leg."""
        for count in range(1, MAX_LEGS):
            result = self._leg(run_id, count < 20)
            self._check(run_id)
            if result is None or result.status != "CONTINUES":
                return result.status if result else "ENDED"
            if self.draw.random() < 0.05:
                return "LEFT"
        raise AssertionError(f"{run_id} does not end")

    def _leg(self, run_id: str, is_short: bool) -> Result | None:
        """Carry out a leg, which may be told after some steps to end, or end without being told."""
        exports = self._exports()
        what = self.draw.choice([None, None, "cut", "cut", "cancel", "crash", "short"]) if is_short else None
        left = self.draw.randint(1, 12)

        def report(_: Progress) -> None:
            nonlocal left
            left -= 1
            if left == 0 and what == "cut":
                found = deadline.current()
                assert found is not None
                found.cut(60)
            elif left == 0 and what == "cancel":
                exports.cancel(run_id)
            elif left == 0 and what == "crash":
                raise Crash

        started, known = self._count_queries(), self._known()
        ((is_begun,),) = self.sql("SELECT planned_position > 0 FROM export_runs WHERE id = %s", run_id)
        try:
            return self._within(
                lambda: leg.work(exports._database, run_id, exports._means(), report, True),
                self.draw.uniform(0.05, 0.3) if what == "short" else 60,
            )
        except (Crash, Busy, ServiceUnavailable) as error:
            return Result(run_id, "FAILED", repr(error))
        finally:
            if self._count_queries() > started:
                self.expected[run_id].query(self._rows())
            ((is_whole,),) = self.sql("SELECT is_planned FROM export_runs WHERE id = %s", run_id)
            self.expected[run_id].plan(known, is_begun, is_whole)

    def _count_queries(self) -> int:
        """Return how many queries were started that select rows."""
        if self._cloud:
            return sum("COUNT(" not in query.sql.upper() for query in self._cloud.athena.queries.started)
        return len(self._lake.started)

    def _rows(self) -> list[Record]:
        return [row(*one) for one in self._versions.items()]

    def _within(self, work: Any, seconds: float = 60) -> Any:
        deadline.start(seconds)
        try:
            with self._app.app_context():
                return work()
        finally:
            deadline.clear()

    def _check(self, run_id: str) -> str:
        rows, is_cut = self.expected[run_id].rows()
        return assert_true(self.partner, self.sql, run_id, rows, is_cut=is_cut).status

    def _end(self, run_id: str) -> str:
        """Send a run to its end while nothing goes wrong: every row of it is taken."""
        for _ in range(3):
            status = self._check(run_id)
            if status in ("PARTIAL", "FAILED", "CANCELLED"):
                try:
                    self._within(lambda: self._exports().reopen(run_id))
                except Conflict:
                    return status
                except Busy:
                    return "BUSY"
            if status == "SUCCEEDED":
                return status
            result = self._leg(run_id, False)
            assert result is not None
            assert result.status in ("SUCCEEDED", "PARTIAL"), result
        raise AssertionError(f"{run_id} does not get through: {self._check(run_id)}")

    def _compare(self) -> None:
        """Send what the partner does not have; then there is nothing more to send, and it has the newest of all."""
        for is_last in (False, True):
            run_id = self._announce({"mode": "changed"})
            result = self._leg(run_id, False)
            assert result is not None
            assert result.status == "SUCCEEDED", result
            self._check(run_id)
            assert not is_last or self.expected[run_id].rows() == ([], False)
        known = self._known()
        for one in self._versions.items():
            assert known[one[0]] == text(row(*one))

    def _announce(self, asked: dict[str, Any]) -> str:
        exports = self._exports()
        run_id: str = self._within(lambda: exports.announce(request_of({"table": TABLE, **asked}), "command"))
        self.expected[run_id] = Expected(asked)
        return run_id

    def _change(self) -> None:
        """Change some rows of the lake, take some out and put some in."""
        for _ in range(self.draw.choice([0, 0, 1, 5, 20])):
            what = self.draw.choice(["insert", "update", "update", "delete"])
            if what == "insert" or not self._versions:
                self._versions[max(self._versions, default=0) + 1] = 0
            elif what == "update":
                self._versions[self.draw.choice(sorted(self._versions))] += 1
            else:
                del self._versions[self.draw.choice(sorted(self._versions))]
        self._versions = dict(sorted(self._versions.items()))
        self._lake.put(self._rows())
