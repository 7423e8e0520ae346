"""A run that is longer than its invocation goes on in the next one, and each ends in time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.fullbay import Fault, Fullbay
from tests.fullbay.messages import Answer, Page, Request
from tests.ingestion.conftest import Installation
from tests.ingestion.function import SCHEDULED, Function, Queue
from tests.ingestion.model import assert_books_are_true, assert_invoices_equal, assert_table_equals
from tests.ingestion.running import Forks

BUDGET = 3.0
LARGE = {"FULLBAY_PAGE_SIZE": "500"}

AsFunction = Callable[..., Function]
Install = Callable[..., Installation]


@pytest.fixture(scope="module")
def large() -> Iterator[Fullbay]:
    """Forty pages of five hundred: what one invocation cannot read."""
    with Fullbay(work_orders=20_000, customers=0, parts=0, invoices=0, latency=0.1, is_cached=True) as fullbay:
        yield fullbay


def assert_one_run_of_many_legs(installation: Installation, legs: int) -> None:
    assert installation.sql("SELECT status, records_inserted, legs FROM ingestion_metadata") == [
        ("SUCCESS", 20_000, legs)
    ]
    assert legs > 2


@pytest.mark.slow
def test_twenty_thousand_rows_through_the_table(install: Install, forks: Forks, large: Fullbay) -> None:
    installation = install(large, JOB_SECONDS=f"{BUDGET:g}", **LARGE)
    installation.put_schedules_off()
    installation.put("ingest", source="work-orders")
    answer = forks.start(environ=installation.environ, seconds=100).wait(110)
    assert answer is not None
    assert max(answer["seconds"]) <= BUDGET, answer
    assert_one_run_of_many_legs(installation, len(answer["seconds"]))
    assert_table_equals(large, installation.sql)
    assert_books_are_true(installation.sql)


@pytest.mark.slow
def test_twenty_thousand_rows_through_sqs(
    install: Install, as_function: AsFunction, queue: Queue, large: Fullbay
) -> None:
    installation = install(large)
    function = as_function(installation, **LARGE)
    first = function.invoke(SCHEDULED, BUDGET)
    assert (first["status"], first["message"]) == ("CONTINUES", None), (
        "it stops between pages, not in the middle of one"
    )
    function.work_off(queue, BUDGET)
    assert max(function.seconds) <= BUDGET, function.seconds
    assert_one_run_of_many_legs(installation, len(function.seconds))
    assert_table_equals(large, installation.sql)
    assert_books_are_true(installation.sql)


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_source_that_asks_for_more_patience_than_a_leg_has(
    install: Install, as_function: AsFunction, queue: Queue, form: str
) -> None:
    with Fullbay(work_orders=60, customers=0, parts=0, invoices=0) as fullbay:
        fullbay.faults = [Fault("throttle", seconds=3, form=form, requests=[3])]
        installation = install(fullbay)
        function = as_function(installation)
        answer = function.invoke(SCHEDULED, BUDGET)
        assert (answer["status"], answer["message"]) == ("CONTINUES", "the source answered 429")
        assert function.seconds[0] < 1.5, "it is not waited for"
        assert (queue.count(), queue.count("Delayed")) == (0, 1)
        assert function.work_off(queue, BUDGET) == 1
        assert fullbay.impolite == 0
        assert installation.sql("SELECT status, legs FROM ingestion_metadata") == [("SUCCESS", 2)]
        assert_table_equals(fullbay, installation.sql)
        assert_books_are_true(installation.sql)


def test_a_job_waits_in_the_table_as_long_as_the_source_asks(install: Install, forks: Forks) -> None:
    with Fullbay(work_orders=60, customers=0, parts=0, invoices=0) as fullbay:
        fullbay.faults = [Fault("throttle", seconds=3, requests=[3])]
        installation = install(fullbay, JOB_SECONDS="3")
        installation.put_schedules_off()
        installation.put("ingest", source="work-orders")
        assert forks.run(environ=installation.environ) is not None
        assert fullbay.impolite == 0
        assert installation.sql("SELECT status, legs FROM ingestion_metadata") == [("SUCCESS", 2)]
        assert_table_equals(fullbay, installation.sql)


def test_a_continuation_that_was_lost_is_queued_again_and_not_before_its_time(
    install: Install, as_function: AsFunction, queue: Queue
) -> None:
    with Fullbay(work_orders=60, customers=0, parts=0, invoices=0) as fullbay:
        fullbay.faults = [Fault("throttle", seconds=4, requests=[3])]
        installation = install(fullbay)
        function = as_function(installation)
        assert function.invoke(SCHEDULED, BUDGET)["status"] == "CONTINUES"
        queue.purge()
        answer = function.invoke(SCHEDULED, BUDGET)
        assert answer["status"] == "BUSY"
        assert answer["message"].endswith("waits for its continuation")
        assert (queue.count(), queue.count("Delayed")) == (0, 1)
        assert function.work_off(queue, BUDGET) == 1
        assert fullbay.impolite == 0
        assert_table_equals(fullbay, installation.sql)
        assert_books_are_true(installation.sql)


def test_a_page_that_takes_longer_than_a_leg_fails_and_says_so(install: Install) -> None:
    with Fullbay(work_orders=60, customers=0, parts=0, invoices=0, latency=10) as fullbay:
        installation = install(fullbay)
        result = installation.read(seconds=1.5)
        assert result is not None
        reason = "everything: the source did not answer before the end of this leg, for one page alone"
        assert (result.status, result.message) == ("FAILED", reason)
        fullbay.latency = 0
        result = installation.read()
        assert result is not None
        assert result.status == "SUCCESS"
        assert_table_equals(fullbay, installation.sql)
        assert_books_are_true(installation.sql)


def test_a_leg_that_has_ended_asks_no_more(install: Install) -> None:
    """The next page was on its way already."""
    with Fullbay(work_orders=200, customers=0, parts=0, invoices=0, latency=0.4) as fullbay:
        installation = install(fullbay)
        result = installation.read(seconds=2.5)
        assert result is not None
        assert result.status == "CONTINUES"
        asked = len(fullbay.requests)
        time.sleep(1.5)
        assert len(fullbay.requests) == asked


class Slow(Fullbay):
    """A Fullbay that takes a while for each day of a window, and for some days longer."""

    each = 0.3
    slow_days: dict[date, float] = {}

    def page(self, request: Request, is_final: bool = False) -> Page | Answer:
        first, last = (date.fromisoformat(request.query[name]) for name in ("startDate", "endDate"))
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        self.wait(math.fsum(self.slow_days.get(day, self.each) for day in days))
        return super().page(request, is_final)


def read_on(installation: Installation, seconds: float, **request: Any) -> list[Any]:
    """Read invoices leg by leg to the end; return how each ended."""
    results = [installation.read("invoices", seconds=seconds, **request)]
    while results[-1] is not None and results[-1].status == "CONTINUES":
        assert len(results) < 20
        with installation.app() as app:
            results.append(installation.within(seconds, app.extensions["ingestion"].resume, results[0].execution_id))
    return results


def test_a_window_that_is_too_large_for_a_leg_is_read_in_parts(install: Install) -> None:
    today = datetime.now(UTC).date()
    backfill = {"from": f"{today - timedelta(days=6)}", "to": f"{today}"}
    with Slow(work_orders=0, invoices=30, invoice_days=7) as fullbay:
        installation = install(fullbay)
        results = read_on(installation, 2.2, **backfill)
        assert results[-1].status == "SUCCESS"
        assert_invoices_equal(fullbay, installation.sql)
        assert_books_are_true(installation.sql, "fullbay_invoices")
        ((windows,),) = installation.sql("SELECT count(*) FROM ingestion_windows")
        assert windows >= 2


def test_a_day_that_is_too_large_for_a_leg_fails_and_says_which(install: Install) -> None:
    today = datetime.now(UTC).date()
    slow = today - timedelta(days=2)
    backfill = {"from": f"{today - timedelta(days=6)}", "to": f"{today}"}
    with Slow(work_orders=0, invoices=30, invoice_days=7) as fullbay:
        fullbay.each, fullbay.slow_days = 0.05, {slow: 10.0}
        installation = install(fullbay)
        results = read_on(installation, 1.8, **backfill)
        assert results[-1].status == "FAILED"
        assert results[-1].message == (
            f"invoices of {slow}: the source did not answer before the end of this leg, for one page alone"
        )
        results = read_on(installation, 1.8, **backfill)
        assert results[-1].status == "FAILED"
        left = "SELECT lower(covers)::date, upper(covers)::date - 1 FROM ingestion_windows WHERE state = 'open'"
        assert installation.sql(left) == [(slow, slow)], "the days behind it are read all the same"
        fullbay.slow_days = {}
        last = installation.read("invoices", **backfill)
        assert last is not None
        assert last.status == "SUCCESS"
        assert_invoices_equal(fullbay, installation.sql)
        assert_books_are_true(installation.sql, "fullbay_invoices")
