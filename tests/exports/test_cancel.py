"""A run is cancelled in whatever stage it is: its query stops, nothing more is sent, and what was sent is known."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from service.errors import Conflict
from service.exports import planning, querying
from service.exports.runs import Result
from service.exports.watch import Progress
from tests.exports.conftest import Cloud, Installation
from tests.exports.rows import rows
from tests.forks import Forks
from tests.jobs.conftest import wait_for
from tests.partner import Fault, Partner

Install = Callable[..., Installation]


@pytest.fixture(scope="module")
def partner() -> Iterator[Partner]:
    with Partner() as it:
        yield it


@pytest.fixture(scope="module")
def installed(install: Install, partner: Partner) -> Installation:
    return install(partner, rows(95))


@pytest.fixture
def installation(installed: Installation, partner: Partner) -> Iterator[Installation]:
    installed.wait_until_left()
    installed.empty()
    yield installed
    partner.latency = 0.0
    partner.faults = []


@pytest.fixture
def on_aws(installation: Installation, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    monkeypatch.setattr(installation, "engine", cloud.engine)
    monkeypatch.setattr(querying, "FIRST_WAIT_SECONDS", 0.05)
    cloud.put(rows(95))
    return cloud


class Working(threading.Thread):
    """A leg of a run, in a thread."""

    def __init__(self, installation: Installation, run_id: str, **how: Any) -> None:
        super().__init__(daemon=True)
        self._work = lambda: installation.work(run_id, **how)
        self.result: Result | None = None
        self.start()

    def run(self) -> None:
        self.result = self._work()

    def ended(self, seconds: float) -> Result:
        """Wait until it ends, so many seconds and no more; return how it ended."""
        began = time.monotonic()
        self.join(seconds + 20)
        assert time.monotonic() - began < seconds
        assert self.result is not None
        return self.result


def state(installation: Installation) -> tuple[Any, ...]:
    ((found),) = installation.sql("SELECT status, query_id, has_result, is_planned FROM export_runs")
    return found


def assert_cancelled(installation: Installation, partner: Partner, run_id: str) -> None:
    run = installation.assert_true(partner, run_id, rows(95))
    assert (run.status, run.error_message, run.has_ended) == ("CANCELLED", None, True)
    with pytest.raises(Conflict, match="The run has ended as CANCELLED"):
        installation.cancel(run_id)
    sent = len(partner.requests)
    assert installation.work(run_id) is None, "a job that comes later finds that it is over"
    assert len(partner.requests) == sent


def test_while_it_is_queued(installation: Installation, partner: Partner) -> None:
    run_id = installation.begin()
    installation.cancel(run_id)
    assert_cancelled(installation, partner, run_id)


@pytest.mark.parametrize("held", ["QUEUED", "RUNNING"])
def test_while_its_query_runs(installation: Installation, partner: Partner, on_aws: Cloud, held: str) -> None:
    queries = on_aws.athena.queries
    queries.hold(held)
    run_id = installation.begin()
    working = Working(installation, run_id)
    query_id = wait_for(lambda: state(installation)[1], "the query is started")
    installation.cancel(run_id)
    assert working.ended(2).status == "CANCELLED"
    assert set(queries.stopped) == {query_id}
    query = queries.get(query_id)
    assert query is not None
    queries.wait(query)
    assert (query.state, len(queries.started)) == ("CANCELLED", 1)
    assert_cancelled(installation, partner, run_id)
    queries.release()
    assert installation.retry(run_id) == "SUCCEEDED"
    assert len(queries.started) == 2
    installation.assert_true(partner, run_id, rows(95))


def test_between_two_legs_of_its_query(installation: Installation, partner: Partner, on_aws: Cloud) -> None:
    queries = on_aws.athena.queries
    queries.hold("RUNNING")
    run_id = installation.begin()
    result = installation.work(run_id, seconds=1.6)
    assert result is not None
    assert (result.status, queries.stopped) == ("CONTINUES", [])
    installation.cancel(run_id)
    assert queries.stopped == [queries.started[0].id]
    assert_cancelled(installation, partner, run_id)
    queries.release()


def test_while_it_plans(installation: Installation, partner: Partner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "COMPARED_AT_ONCE", 10)
    monkeypatch.setattr(planning, "STORED_AT_ONCE", 2)
    monkeypatch.setattr("service.exports.watch.LOOK_SECONDS", 0.0)
    run_id = installation.begin(mode="changed")

    def report(progress: Progress) -> None:
        if progress.stage == "plan" and progress.rows == 30:
            installation.cancel(run_id)

    result = installation.work(run_id, report=report)
    assert result is not None
    assert result.status == "CANCELLED"
    run = installation.assert_true(partner, run_id, rows(95))
    assert (run.is_planned, run.rows_selected, run.rows_sent) == (False, 40, 0) or run.rows_selected == 30
    assert_cancelled(installation, partner, run_id)


@pytest.mark.parametrize("concurrency", ["1", "4", "16"])
def test_while_a_slow_partner_has_it(installation: Installation, partner: Partner, concurrency: str) -> None:
    run_id, before = installation.begin(), len(partner.requests)
    partner.faults = [Fault("timeout", seconds=60, requests=range(4, 10_000))]
    working = Working(installation, run_id, EXPORT_CONCURRENCY=concurrency)
    wait_for(lambda: len(partner.requests) >= before + 4, "a batch waits for its answer")
    installation.cancel(run_id)
    assert working.ended(2.5).status == "CANCELLED"
    assert_cancelled(installation, partner, run_id)


def test_while_another_process_has_it(installation: Installation, partner: Partner, forks: Forks) -> None:
    partner.latency = 0.3
    run_id = installation.begin()
    order = {"environ": installation.environ | {"EXPORT_CONCURRENCY": "1"}, "lake": installation.lake}
    working = forks.start(**order, run=run_id)
    wait_for(lambda: installation.sql("SELECT 1 FROM export_batches WHERE state = 'sent'"), "a batch is taken")
    installation.cancel(run_id)
    began = time.monotonic()
    assert (working.wait() or {})["status"] == "CANCELLED"
    assert time.monotonic() - began < 2.5
    run = installation.assert_true(partner, run_id, rows(95))
    assert 0 < run.rows_sent < 95
    assert_cancelled(installation, partner, run_id)


def test_while_its_rows_are_counted(installation: Installation, partner: Partner, on_aws: Cloud) -> None:
    queries = on_aws.athena.queries
    run_id = installation.begin(limit=20)

    def report(progress: Progress) -> None:
        if progress.stage == "send":
            queries.hold("RUNNING")

    working = Working(installation, run_id, report=report)
    counting = "SELECT count_query_id FROM export_runs WHERE count_query_id IS NOT NULL"
    ((query_id,),) = wait_for(lambda: installation.sql(counting), "rows are counted")
    installation.cancel(run_id)
    assert working.ended(2).status == "CANCELLED"
    assert set(queries.stopped) == {query_id}
    queries.release()
    assert installation.assert_true(partner, run_id, rows(20)).rows_sent == 20


def test_after_its_process_has_died(installation: Installation, partner: Partner, forks: Forks) -> None:
    run_id = installation.begin()
    order = {"environ": installation.environ, "lake": installation.lake, "run": run_id}
    assert forks.run(**order, at=("request", 4)) is None
    installation.wait_until_left()
    installation.cancel(run_id)
    assert_cancelled(installation, partner, run_id)


def test_what_has_ended_is_not_cancelled(installation: Installation, partner: Partner) -> None:
    run_id, status = installation.export()
    assert status == "SUCCEEDED"
    with pytest.raises(Conflict, match="The run has ended as SUCCEEDED"):
        installation.cancel(run_id)
    assert installation.assert_true(partner, run_id, rows(95)).status == "SUCCEEDED"


def test_a_run_that_has_failed_is_not_tried_again_once_it_is_cancelled(
    installation: Installation, partner: Partner
) -> None:
    secret = partner.grants.client_secret
    partner.grants.client_secret = "another"
    run_id, status = installation.export()
    partner.grants.client_secret = secret
    assert status == "FAILED"
    installation.cancel(run_id)
    assert_cancelled(installation, partner, run_id)


def test_a_query_that_takes_too_long_is_stopped(installation: Installation, partner: Partner, on_aws: Cloud) -> None:
    queries = on_aws.athena.queries
    queries.hold("RUNNING")
    run_id = installation.begin()
    began = time.monotonic()
    result = installation.work(run_id, EXPORT_QUERY_SECONDS="1")
    assert result is not None
    assert time.monotonic() - began < 4
    assert (result.status, result.message) == ("FAILED", "the query was stopped: it did not end within 1 s")
    assert queries.stopped == [queries.started[0].id]
    queries.release()
    installation.assert_true(partner, run_id, rows(95))
    assert installation.retry(run_id) == "SUCCEEDED"
    installation.assert_true(partner, run_id, rows(95))
