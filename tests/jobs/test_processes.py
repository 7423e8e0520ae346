"""Workers that are processes of their own: killed at any moment, many at once, and with a database that goes away."""

from __future__ import annotations

import json
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from service import config
from service.database.schema import migrate
from service.jobs.worker import LEFT
from tests.jobs import working
from tests.jobs.conftest import QUICK, Process, wait_for
from tests.postgres import Postgres

Sql = Callable[..., list[tuple[Any, ...]]]
Put = Callable[..., None]
Start = Callable[..., Process]


def test_the_job_of_a_killed_worker_is_run_again_when_its_lease_ends(put: Put, process: Start, sql: Sql) -> None:
    put("note", key="a", seconds=3)
    first = process()
    wait_for(lambda: sql("SELECT 1 FROM ran"), "it runs")
    first.kill()
    killed_at = time.monotonic()
    process()
    wait_for(lambda: sql("SELECT 1 FROM jobs") == [], "it is done")
    assert time.monotonic() - killed_at > 3
    rows = sql("SELECT pid, note FROM ran ORDER BY id")
    assert [note for _, note in rows] == [None, "done"]
    assert rows[0][0] != rows[1][0]


def test_a_job_whose_worker_dies_between_the_work_and_the_word_is_run_again(put: Put, process: Start, sql: Sql) -> None:
    put("kill-once", key="a")
    first = process()
    assert first.process.wait(20) == -signal.SIGKILL
    assert sql("SELECT attempts, lease IS NOT NULL FROM jobs") == [(1, True)]
    process()
    wait_for(lambda: sql("SELECT 1 FROM jobs") == [], "it is done")
    assert sql("SELECT count(*) FROM ran") == [(2,)]


def test_a_job_that_kills_its_workers_is_given_up(put: Put, process: Start, sql: Sql) -> None:
    put("kill")
    for _ in range(2):
        assert process(JOB_MAX_ATTEMPTS="2", JOB_LEASE_SECONDS="1").process.wait(20) == -signal.SIGKILL
    process(JOB_MAX_ATTEMPTS="2")
    wait_for(lambda: sql("SELECT 1 FROM jobs WHERE dead_at IS NOT NULL"), "it is dead")
    assert sql("SELECT last_reason FROM jobs") == [(LEFT,)]
    assert sql("SELECT count(*) FROM ran") == [(2,)]


@pytest.mark.slow
def test_four_workers_run_two_hundred_jobs_once_each(put: Put, process: Start, sql: Sql) -> None:
    for key in range(200):
        put("note", key=key, seconds=0.02)
    for _ in range(4):
        process()
    wait_for(lambda: sql("SELECT 1 FROM jobs LIMIT 1") == [], "all are done", 60)
    assert sql("SELECT count(*), count(DISTINCT key), count(ended) FROM ran") == [(200, 200, 200)]
    assert sql("SELECT count(DISTINCT pid) FROM ran") == [(4,)]


@pytest.mark.slow
def test_workers_that_are_killed_all_the_time_lose_no_job_and_run_none_twice_at_once(
    put: Put, process: Start, sql: Sql
) -> None:
    for key in range(30):
        put("note", key=key, seconds=0.25)
    sql("UPDATE jobs SET attempts = -100")
    running = [process() for _ in range(3)]
    while sql("SELECT 1 FROM jobs LIMIT 1"):
        time.sleep(1.3)
        running.pop(0).kill()
        running.append(process())
        assert len(running) < 60
    assert sql("SELECT count(DISTINCT key) FROM ran WHERE note = 'done'") == [(30,)]
    twice = sql(
        """
        SELECT a.key
        FROM ran AS a
        JOIN ran AS b ON a.key = b.key AND a.id < b.id AND a.note = 'done' AND a.ended > b.began
        """
    )
    assert twice == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_lets_the_job_end_at_its_next_boundary(
    put: Put, process: Start, sql: Sql, number: signal.Signals
) -> None:
    put("until-told")
    put("note", key="next")
    started = process(JOB_SECONDS="60", GRACEFUL_SECONDS="20")
    wait_for(lambda: sql("SELECT 1 FROM ran"), "it runs")
    asked_at = time.monotonic()
    assert started.stop(number) == 0
    assert time.monotonic() - asked_at < 8
    assert sql("SELECT note FROM ran") == [("cut=True",)]
    assert sql("SELECT name, lease FROM jobs") == [("note", None)]


def test_what_does_not_end_in_time_is_handed_back(put: Put, process: Start, sql: Sql) -> None:
    put("note", seconds=30)
    started = process(GRACEFUL_SECONDS="1")
    wait_for(lambda: sql("SELECT 1 FROM ran"), "it runs")
    asked_at = time.monotonic()
    assert started.stop() == 0
    assert time.monotonic() - asked_at < 8
    assert sql("SELECT lease, attempts, run_at < now() + interval '3 s' FROM jobs") == [(None, 0, True)]
    assert "handed back" in started.log.read_text()


def test_a_worker_whose_job_never_ends_ends_itself(put: Put, process: Start, sql: Sql) -> None:
    put("note", seconds=60)
    started = process(JOB_SECONDS="1", JOB_LEASE_SECONDS="1")
    assert started.process.wait(20) == 1
    assert "Error: a job does not end; its lease does" in started.log.read_text()
    assert sql("SELECT attempts FROM jobs") == [(1,)]


def test_a_log_of_a_worker_is_json_with_one_line_a_job(put: Put, process: Start, sql: Sql) -> None:
    for name in ("note", "refuse"):
        put(name)
    started = process()
    wait_for(lambda: sql("SELECT 1 FROM jobs WHERE dead_at IS NULL") == [], "all are done")
    assert started.stop() == 0
    lines = [json.loads(line) for line in started.log.read_text().splitlines()]
    told = [(line["job"], line["outcome"], line["attempt"]) for line in lines if "outcome" in line]
    assert told == [("note", "done", 1), ("refuse", "failed", 1)]
    assert all(line["requestId"] == line["jobId"] for line in lines if "outcome" in line)


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[Postgres]:
    """A server that may be broken."""
    server = Postgres("fsync = off")
    yield server
    server.remove()


@pytest.mark.slow
def test_a_worker_outlives_its_database(fragile: Postgres, tmp_path: Path) -> None:
    name = f"jobs_{uuid.uuid4().hex}"
    environment = {"DATABASE_URL": fragile.create(name), "DATA_DIR": str(tmp_path), **QUICK, "JOB_LEASE_SECONDS": "20"}
    migrate(config.load(environment))

    def sql(statement: str) -> list[tuple[Any, ...]]:
        connection = fragile.connect(name)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    sql(working.TABLE)
    put = (
        'INSERT INTO jobs (id, name, arguments) VALUES (gen_random_uuid(), \'note\', \'{"key": "%s", "seconds": %s}\')'
    )
    worker = Process(tmp_path / "log", **environment)
    try:
        sql(put % ("before", 0))
        wait_for(lambda: sql("SELECT 1 FROM ran WHERE ended IS NOT NULL"), "it works")
        fragile.restart()  # between jobs
        sql(put % ("between", 2))
        wait_for(lambda: sql("SELECT 1 FROM ran WHERE key = 'between'"), "it works again")
        fragile.kill()  # in the middle of a job
        time.sleep(0.5)
        fragile.start()
        wait_for(lambda: sql("SELECT 1 FROM jobs") == [], "the job of the outage is done", 30)
        sql(put % ("after", 0))
        wait_for(lambda: sql("SELECT 1 FROM ran WHERE key = 'after' AND ended IS NOT NULL"), "it works on")
        assert worker.process.poll() is None
        assert worker.stop() == 0
    finally:
        if worker.process.poll() is None:
            worker.kill()
