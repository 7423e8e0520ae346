"""One life of a source and its readers, drawn from a seed; see test_random_faults.py for how to live it again.

A few runs while things go wrong, each in one leg or several, with changes of the source before, between and during
them; each is held to what it says of itself. Then one run while nothing goes wrong, and one that reads everything: they
end as the source is.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask

from service import config, deadline
from service.ingestion import client, engine, paging
from service.ingestion.engine import Progress, Result
from service.ingestion.service import Ingestion
from tests.fullbay import Fault, Faults
from tests.fullbay.random_faults import CHOICES
from tests.ingestion.truth import (
    INVOICES,
    WORK_ORDERS,
    Living,
    Sql,
    assert_equal_to_source,
    assert_true_to_source,
    open_rejects,
)

# Waits are short here, and lists are small: what counts is the order of things.
QUICK = [
    (client, "FIRST_WAIT_SECONDS", 0.0002),
    (client, "LONGEST_WAIT_SECONDS", 0.001),
    (client, "SPARED_SECONDS", 0.01),
    (engine, "SPARED_SECONDS", 0.01),
    (paging, "SPARE_ROWS", 300),
]
MAX_LEGS = 40


class Life:
    """What one seed makes of a source, its readers and their luck."""

    def __init__(self, seed: int, app: Flask, settings: config.Config, sql: Sql) -> None:
        self.draw = random.Random(f"life {seed}")
        self.sql = sql
        self._app = app
        self._seed = seed
        self.stream = self.draw.choice([WORK_ORDERS, WORK_ORDERS, INVOICES])
        self.is_flat = self.stream == WORK_ORDERS
        self.ahead = timedelta(seconds=self.draw.choice([0, 0, -90, 45]))  # of the source's clock
        self.order = self.draw.choice(["updated_at", "updated_at", "id", "newest", "newest", "none"])
        options = self._work_orders() if self.is_flat else self._invoices()
        self.fullbay = Living(seed=seed, clock=lambda: datetime.now(UTC) + self.ahead, **options)
        read = {
            "api_base_url": self.fullbay.url,
            "app_base_url": self.fullbay.url,
            "keys": (("default", self.fullbay.shops["default"]),),
            "server_ip": "127.0.0.1",
            "lookback_days": 12,
            "overlap_seconds": self.draw.choice([300, 300, 1]),
            "page_size": 20 if self.is_flat and self.order == "none" else self.draw.choice([5, 10, 20, 50]),
            "timeout_seconds": 5.0,
            "invoices_timeout_seconds": 5.0,
            "pause_ms": 0,
            "max_retries": self.draw.choice([100, 100, 8]),
        }
        changed = replace(settings, fullbay=replace(settings.fullbay, **read))
        self.ingestion = Ingestion(changed, app.extensions["database"])

    def _work_orders(self) -> dict[str, Any]:
        self.is_bare = self.draw.random() < 0.2
        return {
            "work_orders": self.draw.choice([0, 3, 21, 60, 60, 120]),
            "order": self.order,
            "page_size_cap": None if self.order == "none" else self.draw.choice([None, None, 7]),
            "answers_bare_lists": self.is_bare,
            "since_is_inclusive": self.draw.random() < 0.6,
            "sharing": self.draw.choice([1, 1, 4, 50]),
        }

    def _invoices(self) -> dict[str, Any]:
        self.is_bare = False
        return {
            "invoices": self.draw.choice([0, 5, 30, 60]),
            "invoice_days": 10,
            "invoices_per_page": self.draw.choice([3, 5, 8]),
            "has_short_pages": self.draw.random() < 0.5,
        }

    def live(self) -> list[str]:
        """Live it; return what became of each run."""
        ends = []
        with self.fullbay:
            for number in range(self.draw.randint(2, 4)):
                self._change(self.draw.randint(0, 4))
                self.fullbay.faults = self._faults(number)
                ends.append(self._run(self._request(number)))
            self.fullbay.faults = []
            self._change(self.draw.randint(0, 4))
            ends.append(self._run({}))
            assert ends[-1] == "SUCCESS" or self.order == "none", ends
            if ends[-1] == "SUCCESS" and not (self.is_flat and self.order == "none"):
                self._run({"full": True}, legs=False)
                bad = {row[0] for row in open_rejects(self.sql)}
                assert bad <= {None}, bad
                assert_equal_to_source(self.fullbay, self.sql, self.stream)
            assert self.fullbay.leaks == []
            assert self.fullbay.impolite == 0
        return ends

    def _request(self, number: int) -> dict[str, Any]:
        kind = self.draw.choice(["new", "new", "new", "new", "full", "since"])
        if kind == "since" and number:  # a first run that does not want what is old will never want it
            return {"since": (datetime.now(UTC) - timedelta(days=self.draw.choice([3, 200]))).isoformat()}
        return {"full": True} if kind == "full" else {}

    def _faults(self, number: int) -> list[Fault]:
        """Draw what goes wrong; not what nobody could see: see `docs/decisions` on lists and invoices that move."""
        kinds = set(CHOICES) - ({"total_pages", "fail"} if self.is_flat else set())
        if self.is_bare:
            kinds -= {"withhold"}
        faults = Faults.random(self._seed * 10 + number, kinds=kinds, most=5, seconds=0.01)
        lying = any(fault.kind == "total" for fault in faults)
        silent = [fault for fault in faults if lying and fault.kind == "withhold" and self.is_flat]
        return [self._milder(fault) for fault in faults if fault not in silent]

    def _milder(self, fault: Fault) -> Fault:
        if fault.kind == "charset":
            fault.options["encoding"] = "utf-16"  # latin-1 replaces letters, and nobody sees it
        if fault.kind == "shift" and not self.is_flat and fault.options["inserts"] and fault.options["deletes"]:
            fault.options[self.draw.choice(["inserts", "deletes"])] = 0
        return fault

    def _run(self, request: dict[str, Any], legs: bool = True) -> str:
        """Read the stream to the end of a run, and hold the run to what it says."""
        before = self.fullbay.snapshot(self.stream.resource)
        changes = self.fullbay.changes.copy()
        kinds = {fault.kind for fault in self.fullbay.faults}
        result = self._leg(lambda report: self.ingestion.read(self.stream, request, report=report), legs)
        count = 1
        while result is not None and result.status == "CONTINUES":
            assert count < MAX_LEGS
            count += 1
            self._change(self.draw.choice([0, 0, 1]))
            run_id = result.execution_id
            result = self._leg(lambda report, run=run_id: self._resume(run, request, report), legs and count < 20)
        assert result is not None
        came = self.fullbay.changes - changes
        since = datetime.fromisoformat(request["since"]) if "since" in request else None
        unasked = {one for one, version in before.items() if since and self._is_before(version, since)}
        is_blind = not self.is_flat and came["deleted"] > 0 and (came["inserted"] > 0 or "total" in kinds)
        try:
            assert_true_to_source(
                self.fullbay,
                self.sql,
                self.stream,
                result,
                before,
                excused=before if is_blind else unasked,
                is_drifting="drift" in kinds or self._has_drifted(),
            )
        except AssertionError as error:
            raise AssertionError(f"{request} {self.fullbay.faults} {result} after {count} legs: {error}") from error
        return result.status

    def _is_before(self, version: Any, since: datetime) -> bool:
        """Return whether a run that asks for changes since a moment does not ask for this record."""
        if self.is_flat:
            return bool(version.columns[-1] < since)
        return bool(version.columns[1] < since.date())

    def _resume(self, run: str, request: dict[str, Any], report: Any) -> Result | None:
        return self.ingestion.read(self.stream, request, run, report)

    def _leg(self, read: Callable[[Any], Result | None], legs: bool) -> Result | None:
        """Carry out a leg, which may be told after some pages that its time is over."""
        pages = self.draw.choice([None, None, 1, 2, 5]) if legs else None
        stored = 0

        def report(_: Progress) -> None:
            nonlocal stored
            stored += 1
            if stored == pages:
                found = deadline.current()
                assert found is not None
                found.cut(60)

        deadline.start(60)
        try:
            with self._app.app_context():
                return read(report)
        finally:
            deadline.clear()

    def _has_drifted(self) -> bool:
        return any(applied.kind == "drift" for applied in self.fullbay.applied)

    def _change(self, count: int) -> None:
        resource = self.stream.resource
        for _ in range(count):
            what = self.draw.choice(["insert", "update", "update", "delete"])
            someone = self.fullbay.someone(resource, self.draw)
            if what == "insert" or someone is None:
                day = {} if self.is_flat else {"day": self.fullbay.clock().date() - timedelta(self.draw.randint(0, 9))}
                self.fullbay.insert(resource, **day)
            elif what == "update":
                self.fullbay.update(resource, someone)
            else:
                self.fullbay.delete(resource, someone)
