"""A run that is longer than its invocation goes on in the next one, and its query is not run again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from service import deadline
from service.exports import planning, querying
from service.exports.watch import Progress
from tests.athena.queries import Failure
from tests.exports.conftest import Cloud, Installation
from tests.exports.rows import Refusing, rows
from tests.partner import Fault, Partner

Install = Callable[..., Installation]


@pytest.fixture
def partner() -> Iterator[Partner]:
    with Partner(refuses=Refusing(7)) as it:
        yield it


@pytest.fixture(scope="module")
def installed(install: Install) -> Installation:
    return install()


@pytest.fixture
def installation(
    installed: Installation, partner: Partner, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> Installation:
    installed.empty()
    installed.send_to(partner)
    monkeypatch.setattr(installed, "engine", cloud.engine)
    monkeypatch.setattr(querying, "FIRST_WAIT_SECONDS", 0.05)
    cloud.put(rows(95))
    return installed


def at(stage: str, number: int) -> Callable[[Progress], None]:
    """Return what tells a leg at its so-manieth step of a stage that its time is over."""
    left = number

    def report(progress: Progress) -> None:
        nonlocal left
        left -= progress.stage == stage
        found = deadline.current()
        if left == 0 and found:
            found.cut(60)

    return report


def leg(installation: Installation, run_id: str, **how: Any) -> tuple[str, str | None]:
    result = installation.work(run_id, **how)
    assert result is not None
    return result.status, result.message


def queued(installation: Installation) -> list[Any]:
    return [arguments for (arguments,) in installation.sql("SELECT arguments FROM jobs")]


def test_while_the_query_runs(installation: Installation, partner: Partner, cloud: Cloud) -> None:
    queries = cloud.athena.queries
    queries.hold("RUNNING")
    run_id = installation.begin()
    for _ in range(2):
        began = time.monotonic()
        assert leg(installation, run_id, seconds=1.8) == ("CONTINUES", None)
        assert time.monotonic() - began < 1.8
        installation.assert_true(partner, run_id, rows(95))
    queries.release()
    assert queued(installation) == [{"run": run_id}] * 2
    assert leg(installation, run_id) == ("PARTIAL", "1 row was rejected")
    installation.assert_true(partner, run_id, rows(95))
    assert (len(queries.started), queries.stopped) == (1, [])


def test_where_nobody_goes_on_the_query_is_stopped(installation: Installation, partner: Partner, cloud: Cloud) -> None:
    queries = cloud.athena.queries
    queries.hold("RUNNING")
    run_id = installation.begin()
    told = "interrupted; `exports retry` goes on from here"
    assert leg(installation, run_id, seconds=1.8, is_continued=False) == ("FAILED", told)
    assert queries.stopped == [queries.started[0].id]
    assert queued(installation) == []
    queries.release()
    assert installation.assert_true(partner, run_id, rows(95)).error_message == told
    assert installation.retry(run_id) == "PARTIAL"
    installation.assert_true(partner, run_id, rows(95))


def test_the_time_of_a_query_is_counted_over_all_legs(
    installation: Installation, partner: Partner, cloud: Cloud
) -> None:
    queries = cloud.athena.queries
    queries.hold("RUNNING")
    run_id = installation.begin()
    assert leg(installation, run_id, seconds=1.8, EXPORT_QUERY_SECONDS="2") == ("CONTINUES", None)
    time.sleep(1)
    told = "the query was stopped: it did not end within 2 s"
    assert leg(installation, run_id, EXPORT_QUERY_SECONDS="2") == ("FAILED", told)
    assert queries.stopped == [queries.started[0].id]
    queries.release()
    installation.assert_true(partner, run_id, rows(95))


def test_a_query_that_fails_in_another_leg_than_it_began_in_has_failed(
    installation: Installation, partner: Partner, cloud: Cloud
) -> None:
    """Or each leg would start it anew, for ever."""
    queries = cloud.athena.queries
    queries.hold("RUNNING")
    cloud.athena.fail(Failure("TYPE_MISMATCH: no", is_retryable=False))
    run_id = installation.begin()
    assert leg(installation, run_id, seconds=1.6) == ("CONTINUES", None)
    looks = 0

    def release(progress: Progress) -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            queries.release()

    assert leg(installation, run_id, report=release) == ("FAILED", "the query failed: TYPE_MISMATCH: no")
    assert len(queries.started) == 1
    installation.assert_true(partner, run_id, rows(95))
    assert leg(installation, run_id) == ("PARTIAL", "1 row was rejected")
    assert len(queries.started) == 2


@pytest.mark.parametrize("mode", ["full", "changed"])
def test_while_it_plans(
    installation: Installation, partner: Partner, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr(planning, "COMPARED_AT_ONCE", 20)
    monkeypatch.setattr(planning, "STORED_AT_ONCE", 3)
    run_id = installation.begin(mode=mode)
    planned = []
    while leg(installation, run_id, report=at("plan", 2))[0] == "CONTINUES":
        run = installation.assert_true(partner, run_id, rows(95))
        planned.append(run.rows_selected)
        assert (run.rows_sent, len(planned) < 10) == (0, True)
    assert planned == sorted(set(planned))
    assert len(planned) > 1
    run = installation.assert_true(partner, run_id, rows(95))
    assert (run.rows_sent, run.rows_rejected) == (94, 1)
    assert len(cloud.athena.queries.started) == 1


@pytest.mark.parametrize("concurrency", ["1", "4"])
def test_while_it_sends(installation: Installation, partner: Partner, cloud: Cloud, concurrency: str) -> None:
    run_id = installation.begin({"BATCH_SIZE": "2"})
    how = {"EXPORT_CONCURRENCY": concurrency}
    legs = 0
    while leg(installation, run_id, report=at("send", 2), **how)[0] == "CONTINUES":
        run = installation.assert_true(partner, run_id, rows(95))
        legs += 1
        assert legs < 30
    run = installation.assert_true(partner, run_id, rows(95))
    assert (run.status, run.rows_sent, run.legs) == ("PARTIAL", 94, legs + 1)
    assert legs > 1
    assert len(cloud.athena.queries.started) == 1


def test_a_real_deadline_while_a_slow_partner_has_it(
    installation: Installation, partner: Partner, cloud: Cloud
) -> None:
    partner.latency = 0.3
    run_id = installation.begin()
    legs = 0
    while True:
        began = time.monotonic()
        status, _ = leg(installation, run_id, seconds=2.2, EXPORT_CONCURRENCY="1")
        assert time.monotonic() - began < 2.2
        installation.assert_true(partner, run_id, rows(95))
        if status != "CONTINUES":
            break
        legs += 1
        assert legs < 20
    assert status == "PARTIAL"
    assert legs >= 2
    assert len(cloud.athena.queries.started) == 1


def test_a_partner_that_asks_for_more_patience_than_a_leg_has(installation: Installation, partner: Partner) -> None:
    partner.faults = [Fault("throttle", seconds=4, requests=[4])]
    run_id = installation.begin()
    began = time.monotonic()
    status, message = leg(installation, run_id, seconds=3, EXPORT_CONCURRENCY="1")
    assert (status, message) == ("CONTINUES", "the partner answered 429: Too Many Requests")
    assert time.monotonic() - began < 1.5, "it is not waited for"
    ((delay,),) = installation.sql("SELECT extract(epoch FROM run_at - now())::float8 FROM jobs")
    assert 2 < delay < 6
    time.sleep(max(0, began + 4.5 - time.monotonic()))
    assert installation.finish(run_id) == "PARTIAL"
    installation.assert_true(partner, run_id, rows(95))


def test_where_nobody_goes_on_the_rest_is_for_a_retry(installation: Installation, partner: Partner) -> None:
    run_id = installation.begin({"BATCH_SIZE": "2"})
    status, message = leg(installation, run_id, report=at("send", 2), is_continued=False, EXPORT_CONCURRENCY="1")
    assert (status, message) == ("FAILED", "interrupted; `exports retry` goes on from here")
    run = installation.assert_true(partner, run_id, rows(95))
    assert 0 < run.rows_sent < 94
    assert installation.retry(run_id) == "PARTIAL"
    installation.assert_true(partner, run_id, rows(95))


def test_while_rows_are_counted(installation: Installation, partner: Partner, cloud: Cloud) -> None:
    queries = cloud.athena.queries
    run_id = installation.begin(limit=20)

    def hold(progress: Progress) -> None:
        if progress.stage == "send":
            queries.hold("RUNNING")

    assert leg(installation, run_id, seconds=3, report=hold) == ("CONTINUES", None)
    queries.release()
    assert leg(installation, run_id) == ("PARTIAL", "1 row was rejected")
    run = installation.assert_true(partner, run_id, rows(95)[:20])
    assert (run.is_truncated, run.rows_available) == (True, 95)
    assert (len(queries.started), queries.stopped) == (2, [])
