"""What a worker does with the jobs that it takes. It runs in a thread of this process, as under `make run`."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from service import deadline, jobs, logs, metrics
from service.errors import Invalid, ServiceUnavailable, violation
from service.jobs.worker import LEFT, Worker, backoff
from tests.jobs.conftest import wait_for
from tests.jobs.working import SECRET

Sql = Callable[..., list[tuple[Any, ...]]]
Put = Callable[..., None]
Work = Callable[..., Worker]


def is_done(sql: Sql) -> bool:
    return sql("SELECT count(*) FROM jobs") == [(0,)]


def test_a_job_is_run_within_a_second_and_leaves_no_row(put: Put, work: Work, sql: Sql) -> None:
    work()
    time.sleep(0.7)
    put("note", key="a")
    ((waited,),) = wait_for(
        lambda: sql("SELECT extract(epoch FROM began - now())::float8 FROM ran WHERE ended IS NOT NULL"), "it has run"
    )
    assert waited <= 0
    wait_for(lambda: is_done(sql), "the job is done")


def test_jobs_that_wait_are_run_without_a_pause_between_them(put: Put, work: Work, sql: Sql) -> None:
    for key in range(20):
        put("note", key=key)
    work()
    wait_for(lambda: is_done(sql), "all are done")
    ((seconds,),) = sql("SELECT extract(epoch FROM max(ended) - min(began))::float8 FROM ran")
    assert seconds < 8  # with pauses it would be ten


def test_a_job_is_run_when_it_is_due_and_not_before(put: Put, work: Work, sql: Sql) -> None:
    work()
    put("note", delay_seconds=1)
    time.sleep(0.7)
    assert sql("SELECT * FROM ran") == []
    wait_for(lambda: is_done(sql), "it is done", 10)


def test_a_job_uses_the_database_of_the_application_and_puts_others(put: Put, work: Work, sql: Sql) -> None:
    put("count-rows", key="rows")
    put("put-next", key="chain", left=3)
    work()
    wait_for(lambda: is_done(sql), "all are done")
    assert sql("SELECT key, note FROM ran ORDER BY key DESC") == [("rows", "7"), *[("chain", "done")] * 4]


def test_a_job_that_fails_is_tried_again_and_given_up_in_the_end(
    put: Put, work: Work, sql: Sql, caplog: pytest.LogCaptureFixture
) -> None:
    put("fail", key="a")
    with caplog.at_level(logging.INFO):
        work(JOB_MAX_ATTEMPTS="3")
        wait_for(lambda: sql("SELECT 1 FROM jobs WHERE dead_at IS NOT NULL"), "it is dead")
    assert sql("SELECT count(*) FROM ran") == [(3,)]
    assert sql("SELECT last_reason, attempts, lease FROM jobs") == [("RuntimeError", 3, None)]
    assert [r.attempt for r in caplog.records if r.message == "a job failed"] == [1, 2, 3]  # type: ignore[attr-defined]
    assert caplog.messages.count("a job was given up") == 1
    written = "".join(logs.formatter().format(record) for record in caplog.records)
    assert "RuntimeError" in written
    assert SECRET not in written


def test_a_job_waits_longer_after_each_failure(put: Put, work: Work, sql: Sql) -> None:
    put("fail")
    work(JOB_RETRY_SECONDS="100")
    waits = []
    for attempt in range(1, 5):
        found = "SELECT extract(epoch FROM run_at - now())::float8 FROM jobs WHERE lease IS NULL AND attempts = %s"
        waits.append(wait_for(partial(sql, found, attempt), f"failure {attempt}")[0][0])
        sql("UPDATE jobs SET run_at = now()")
    assert [50 * 2**n < wait <= 100 * 2**n for n, wait in enumerate(waits)] == [True] * 4, waits


def test_the_wait_doubles_to_its_most_and_differs_between_workers() -> None:
    for failures, most in ((1, 10), (2, 20), (3, 40), (7, 640), (8, 900), (2000, 900)):
        waits = [backoff(10, min(failures, 1000), 900) for _ in range(200)]
        assert most / 2 <= min(waits) < most * 0.6
        assert most * 0.9 < max(waits) <= most


def test_a_failed_job_is_not_run_before_its_wait_is_over(put: Put, work: Work, sql: Sql) -> None:
    put("fail-once", key="a")
    work(JOB_RETRY_SECONDS="100")
    wait_for(lambda: sql("SELECT 1 FROM jobs WHERE attempts = 1 AND lease IS NULL"), "it has failed")
    assert sql("SELECT last_reason, dead_at, run_at - now() BETWEEN '40 s' AND '100 s' FROM jobs") == [
        ("the source said 503", None, True)
    ]
    sql("UPDATE jobs SET run_at = now()")
    wait_for(lambda: is_done(sql), "it is done")
    assert sql("SELECT count(*) FROM ran") == [(2,)]


def test_a_job_that_ends_its_thread_is_a_job_that_failed(put: Put, work: Work, sql: Sql) -> None:
    put("leave")
    put("note", key="b")
    work(JOB_MAX_ATTEMPTS="1")
    wait_for(lambda: sql("SELECT 1 FROM ran WHERE key = 'b' AND note = 'done'"), "the next one is done")
    assert sql("SELECT last_reason, dead_at IS NOT NULL FROM jobs") == [("SystemExit", True)]


HOPELESS = {
    "refuse": "source must be one of a, b",
    "nothing": "No job is named 'nothing'; there are: ",
    "": "No job is named ''; there are: ",
}


@pytest.mark.parametrize(("name", "reason"), HOPELESS.items(), ids=lambda value: value or "no name")
def test_what_can_never_work_is_a_dead_letter_at_once(put: Put, work: Work, sql: Sql, name: str, reason: str) -> None:
    put(name)
    put("note")
    work()
    wait_for(lambda: sql("SELECT 1 FROM jobs WHERE dead_at IS NOT NULL"), "it is dead")
    ((last_reason, attempts),) = sql("SELECT last_reason, attempts FROM jobs WHERE dead_at IS NOT NULL")
    assert last_reason.startswith(reason)
    assert attempts == 1
    wait_for(lambda: sql("SELECT 1 FROM ran WHERE note = 'done' AND key IS NULL"), "the next one is done")


def test_a_job_of_workers_that_were_killed_is_given_up_in_the_end(put: Put, work: Work, sql: Sql) -> None:
    put("note")
    sql("UPDATE jobs SET attempts = 5")
    work()
    wait_for(lambda: sql("SELECT 1 FROM jobs WHERE dead_at IS NOT NULL"), "it is dead")
    assert sql("SELECT last_reason FROM jobs") == [(LEFT,)]
    assert sql("SELECT * FROM ran") == []


class Stranger(Exception):
    reason = f"https://app.example.com/?key={SECRET}"


REASONS = {
    "ours": (ServiceUnavailable(reason="no connection"), "no connection"),
    "a refusal of ours": (jobs.InvalidJob("unknown shop"), "unknown shop"),
    "one without a reason": (Invalid([violation("a", SECRET)]), "Invalid"),
    "a stranger with a reason": (Stranger(SECRET), "Stranger"),
    "a text": (ValueError(SECRET), "ValueError"),
    "a bad character": (UnicodeDecodeError("utf-8", b"x", 0, 1, SECRET), "UnicodeDecodeError"),
    "a long story": (ServiceUnavailable(reason="x" * 900), "x" * 500),
    "an empty one": (ServiceUnavailable(reason=""), "ServiceUnavailable"),
}


@pytest.mark.parametrize(("error", "reason"), REASONS.values(), ids=REASONS)
def test_a_reason_is_never_the_text_of_somebody_elses_exception(error: Exception, reason: str) -> None:
    assert jobs.reason_of(error) == reason


def test_a_run_is_one_line_in_the_log_with_the_id_of_its_job(
    put: Put, work: Work, sql: Sql, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Any] = []

    @jobs.job("look")
    def look(arguments: dict[str, Any]) -> None:
        seen.extend((deadline.remaining(), logs.request_id(), arguments))

    put("look", key="a")
    ((job_id,),) = sql("SELECT id::text FROM jobs")
    with caplog.at_level(logging.INFO, logger="service.jobs"):
        work(JOB_SECONDS="77")
        wait_for(lambda: is_done(sql), "it is done")
    (line,) = [vars(record) for record in caplog.records if record.message == "job"]
    assert (line["job"], line["jobId"], line["attempt"], line["outcome"]) == ("look", job_id, 1, "done")
    assert 0 <= line["durationMs"] < 5000
    assert 75 < seen[0] <= 77
    assert seen[1:] == [job_id, {"key": "a"}]


def test_what_is_measured(put: Put, work: Work, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[Any] = []
    monkeypatch.setattr(metrics, "increment_counter", lambda name, by=1, **d: measured.append((name, by, d)))
    monkeypatch.setattr(metrics, "record_metric", lambda name, value, **d: measured.append((name, value >= 0, d)))
    for name in ("note", "refuse", "stranger"):
        put(name)
    work()
    wait_for(lambda: sql("SELECT count(*) FROM jobs WHERE dead_at IS NOT NULL") == [(2,)], "both are dead")
    wait_for(lambda: len([m for m in measured if m[0] == "JobsDead"]) == 2, "both are counted")
    for job, outcome in (("note", "done"), ("refuse", "failed"), ("unknown", "failed")):
        assert measured.count(("JobRuns", 1, {"Job": job, "Outcome": outcome})) == 1
        assert measured.count(("JobDuration", True, {"Job": job})) == 1
    assert [m[2] for m in measured if m[0] == "JobsDead"] == [{"Job": "refuse"}, {"Job": "unknown"}]
    assert ("QueueAge", True, {}) in measured


def test_a_job_that_is_run_keeps_its_lease(put: Put, work: Work, sql: Sql) -> None:
    put("note", seconds=4)  # leases are of 1.5 seconds
    for _ in range(2):
        work()
    wait_for(lambda: is_done(sql), "it is done")
    assert sql("SELECT count(*) FROM ran") == [(1,)]


def test_a_job_whose_lease_is_lost_is_told_and_changes_nothing(
    put: Put, work: Work, sql: Sql, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[float] = []

    @jobs.job("long")
    def long(arguments: dict[str, Any]) -> None:
        while deadline.remaining():
            time.sleep(0.05)
        ended.append(time.monotonic())

    put("long")
    work(JOB_LEASE_SECONDS="1", JOB_SECONDS="60")
    wait_for(lambda: sql("SELECT 1 FROM jobs WHERE lease IS NOT NULL"), "it runs")
    sql("UPDATE jobs SET lease = gen_random_uuid(), leased_until = now() + interval '1 h'")
    wait_for(lambda: ended, "it was told", 5)
    assert "a worker has lost its job" in caplog.messages
    time.sleep(0.5)
    assert sql("SELECT attempts, leased_until > now() FROM jobs") == [(1, True)]


def test_a_job_is_told_when_an_outage_outlasts_its_lease(put: Put, work: Work, sql: Sql) -> None:
    ended: list[float] = []

    @jobs.job("long")
    def long(arguments: dict[str, Any]) -> None:
        while deadline.remaining():
            time.sleep(0.05)
        ended.append(time.monotonic())

    put("long")
    work(JOB_LEASE_SECONDS="1.5", JOB_SECONDS="60")
    wait_for(lambda: sql("SELECT 1 FROM jobs WHERE lease IS NOT NULL"), "it runs")
    sql("ALTER TABLE jobs RENAME TO gone")
    out_at = time.monotonic()
    try:
        wait_for(lambda: ended, "it was told", 6)
    finally:
        sql("ALTER TABLE gone RENAME TO jobs")
    assert 0.9 < ended[0] - out_at < 3.5


def test_a_short_outage_costs_a_job_nothing(put: Put, work: Work, sql: Sql) -> None:
    put("note", seconds=2, key="a")
    work(JOB_LEASE_SECONDS="3")
    wait_for(lambda: sql("SELECT 1 FROM ran"), "it runs")
    time.sleep(0.9)
    sql("ALTER TABLE jobs RENAME TO gone")
    time.sleep(0.6)
    sql("ALTER TABLE gone RENAME TO jobs")
    wait_for(lambda: is_done(sql), "it is done")
    assert sql("SELECT key, note FROM ran") == [("a", "done")]


def test_the_end_of_a_job_is_noted_after_an_outage(put: Put, work: Work, sql: Sql) -> None:
    put("note", seconds=0.5, key="a")
    work(JOB_LEASE_SECONDS="6")
    wait_for(lambda: sql("SELECT 1 FROM ran"), "it runs")
    sql("ALTER TABLE jobs RENAME TO gone")
    time.sleep(1.2)
    sql("ALTER TABLE gone RENAME TO jobs")
    wait_for(lambda: is_done(sql), "it is done", 10)
    assert sql("SELECT key, note FROM ran") == [("a", "done")]


def test_a_job_has_no_longer_than_it_may(put: Put, work: Work, sql: Sql) -> None:
    put("until-told")
    work(JOB_SECONDS="1")
    wait_for(lambda: is_done(sql), "it is done", 10)
    assert sql("SELECT note, ended - began < interval '1.2 s' FROM ran") == [("cut=False", True)]


def test_a_worker_that_stops_lets_its_job_end_and_takes_no_more(put: Put, work: Work, sql: Sql) -> None:
    put("until-told")
    put("note", key="next")
    worker = work(JOB_SECONDS="60")
    wait_for(lambda: sql("SELECT 1 FROM ran"), "it runs")
    worker.stop(10)
    assert worker.join(3)
    assert sql("SELECT note FROM ran") == [("cut=True",)]
    assert sql("SELECT name, lease FROM jobs") == [("note", None)]


def test_a_job_that_does_not_end_in_time_is_handed_back(put: Put, work: Work, sql: Sql) -> None:
    put("note", seconds=3)
    worker = work()
    wait_for(lambda: sql("SELECT 1 FROM ran"), "it runs")
    worker.stop(0.2)
    assert not worker.join(0.5)
    worker.hand_back()
    assert sql("SELECT lease, attempts, run_at > now(), dead_at FROM jobs") == [(None, 0, True, None)]


def test_a_worker_that_stops_while_it_takes_a_job_does_not_run_it(
    put: Put, work: Work, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service.jobs import lease

    taken = threading.Event()
    genuine = lease.take

    def slow(*arguments: Any) -> Any:
        held = genuine(*arguments)
        if held:
            taken.set()
            time.sleep(0.5)
        return held

    monkeypatch.setattr(lease, "take", slow)
    worker = work()
    put("note")
    assert taken.wait(5)
    worker.stop(10)
    assert worker.join(5)
    assert sql("SELECT * FROM ran") == []
    assert sql("SELECT lease, attempts FROM jobs") == [(None, 0)]


def test_a_job_that_goes_on_for_ever_is_noticed_and_let_go(put: Put, work: Work, sql: Sql) -> None:
    put("note", seconds=6, key="first")
    worker = work(JOB_SECONDS="1", JOB_LEASE_SECONDS="1")
    wait_for(lambda: worker.is_stuck, "it is noticed", 5)
    wait_for(lambda: sql("SELECT 1 FROM jobs WHERE leased_until < now()"), "its lease ends", 3)


def test_a_worker_says_that_it_lives_while_it_can_have_jobs(work: Work, tmp_path: Path, put: Put, sql: Sql) -> None:
    alive = tmp_path / "alive"
    work(alive)
    wait_for(alive.exists, "it is touched")
    sql("ALTER TABLE jobs RENAME TO gone")
    try:
        time.sleep(1.2)
        before = alive.stat().st_mtime_ns
        time.sleep(1.2)
        assert alive.stat().st_mtime_ns == before
    finally:
        sql("ALTER TABLE gone RENAME TO jobs")
    wait_for(lambda: alive.stat().st_mtime_ns > before, "it is touched again", 20)


def test_a_worker_says_that_it_lives_while_its_job_runs(work: Work, tmp_path: Path, put: Put, sql: Sql) -> None:
    alive = tmp_path / "alive"
    put("note", seconds=2.5)
    work(alive)
    wait_for(alive.exists, "it is touched")
    before = alive.stat().st_mtime_ns
    wait_for(lambda: alive.stat().st_mtime_ns > before, "it is touched again", 2)
    assert sql("SELECT ended FROM ran") == [(None,)]


def test_a_worker_goes_on_after_an_error_of_its_own(
    put: Put, work: Work, sql: Sql, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from service.jobs import schedules

    def broken(config: Any) -> bool:
        raise RuntimeError(SECRET)

    with monkeypatch.context() as patched:
        patched.setattr(schedules, "are_wanted", broken)
        work()
        put("note")
        wait_for(lambda: "a worker has failed" in caplog.messages, "it has failed")
    wait_for(lambda: is_done(sql), "the job is done")
