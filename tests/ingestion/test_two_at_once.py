"""Several processes want to read one stream: one does. One that died, hangs or lost its lock is followed by another."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from service import config
from service.database import holding
from service.database.connection import Connection
from service.database.schema import migrate
from service.errors import ServiceUnavailable
from service.ingestion.engine import Result
from service.ingestion.runs import Busy
from tests.fullbay import Fullbay
from tests.ingestion.conftest import Installation
from tests.ingestion.model import assert_books_are_true, assert_invoices_equal, assert_table_equals
from tests.ingestion.running import Forks, Runner
from tests.jobs.conftest import wait_for
from tests.postgres import Postgres

WORK_ORDERS = ["work-orders", "work-orders", "default"]
QUICK = {"SILENT_SECONDS": 1.0, "BEAT_SECONDS": 0.2}
END_GUARDS = """
SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@pytest.fixture(scope="module")
def fullbay() -> Iterator[Fullbay]:
    with Fullbay(
        work_orders=200, customers=40, parts=40, invoices=40, shops={"default": "key-1", "north": "key-2"}
    ) as it:
        yield it


@pytest.fixture(scope="module")
def installed(install: Callable[..., Installation], fullbay: Fullbay) -> Installation:
    installation: Installation = install(fullbay, DEADLINE_SECONDS="1.5")
    return installation


@pytest.fixture
def installation(installed: Installation, fullbay: Fullbay, forks: Forks) -> Installation:
    installed.wait_until_left()
    installed.empty()
    fullbay.latency = 0.0
    return installed


def running(installation: Installation) -> str:
    """Wait until a run has begun; return its id."""
    found = "SELECT execution_id FROM ingestion_metadata WHERE status = 'RUNNING'"
    execution_id: str = wait_for(lambda: installation.sql(found), "a run has begun")[0][0]
    return execution_id


def soon(installation: Installation, seconds: float = 15) -> Result:
    """Read the stream as soon as that is possible."""

    def try_it() -> Result | None:
        try:
            return installation.read()
        except (Busy, ServiceUnavailable):
            return None

    result: Result = wait_for(try_it, "the stream can be read", seconds)
    return result


def assert_all_is_well(installation: Installation, fullbay: Fullbay) -> None:
    assert_table_equals(fullbay, installation.sql)
    assert_books_are_true(installation.sql)


@pytest.mark.parametrize("count", [2, 8])
def test_of_those_that_start_together_one_reads(
    installation: Installation, fullbay: Fullbay, forks: Forks, count: int
) -> None:
    fullbay.latency = 0.1
    together = [forks.start(environ=installation.environ, stream=WORK_ORDERS) for _ in range(count)]
    answers = [each.wait() or {} for each in together]
    assert sorted(answer["status"] for answer in answers) == ["BUSY"] * (count - 1) + ["SUCCESS"]
    ((execution_id, inserted),) = installation.sql("SELECT execution_id, records_inserted FROM ingestion_metadata")
    assert inserted == 200
    assert {answer["run"] for answer in answers} <= {execution_id, None}  # None: it had the lock, and no row yet
    assert_all_is_well(installation, fullbay)


def test_who_is_late_is_told_which_run_is_at_work(installation: Installation, fullbay: Fullbay, forks: Forks) -> None:
    fullbay.latency = 0.1
    first = forks.start(environ=installation.environ, stream=WORK_ORDERS)
    execution_id = running(installation)
    second = forks.run(environ=installation.environ, stream=WORK_ORDERS) or {}
    assert (second["status"], second["run"]) == ("BUSY", execution_id)
    assert second["message"] == f"work-orders of work-orders (default) is busy: run {execution_id} is at work"
    third = forks.run(environ=installation.environ, job={"source": "work-orders", "shop": "default"}) or {}
    assert (third["status"], third["run"]) == ("BUSY", execution_id)
    with installation.app() as app:
        (stream,) = app.extensions["ingestion"].streams("work-orders", shop="default")
        with pytest.raises(Busy, match=execution_id):
            app.extensions["ingestion"].announce(stream, {})
    assert installation.sql("SELECT count(*) FROM jobs") == [(0,)]
    assert (first.wait() or {})["status"] == "SUCCESS"
    assert_all_is_well(installation, fullbay)


def test_different_streams_are_read_at_the_same_time(
    installation: Installation, fullbay: Fullbay, forks: Forks
) -> None:
    fullbay.latency = 0.3
    streams = [
        WORK_ORDERS,
        ["work-orders", "customers", "default"],
        ["work-orders", "parts", "default"],
        ["invoices", "invoices", "default"],
        ["invoices", "invoices", "north"],
    ]
    environ = installation.environ | {"FULLBAY_LOOKBACK_DAYS": "60"}
    together = [forks.start(environ=environ, stream=stream) for stream in streams]
    assert [(each.wait() or {})["status"] for each in together] == ["SUCCESS"] * 5
    assert installation.sql("SELECT max(start_time) < min(end_time) FROM ingestion_metadata") == [(True,)]
    for resource in ("work-orders", "customers", "parts"):
        assert_table_equals(fullbay, installation.sql, resource)
    for shop in ("default", "north"):
        assert_invoices_equal(fullbay, installation.sql, shop)


def test_a_run_that_died_is_taken_over_at_once(installation: Installation, fullbay: Fullbay, forks: Forks) -> None:
    assert forks.run(environ=installation.environ, stream=WORK_ORDERS, at=("sent", 60)) is None
    assert soon(installation, 2).status == "SUCCESS"
    assert_all_is_well(installation, fullbay)


def test_the_lock_is_given_back_before_its_connection_is_closed(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server notices the end of a connection later, when the next leg may have come already."""
    locks: list[Any] = []
    close = Connection.close

    def closing(connection: Connection) -> None:
        locks.extend(installation.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"))
        close(connection)

    monkeypatch.setattr(Connection, "close", closing)
    assert soon(installation).status == "SUCCESS"
    assert set(locks) == {(0,)}


class TestFrozen:
    """A process hangs for so long that another one takes its run over; then it wakes up, and writes nothing."""

    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in QUICK.items():
            monkeypatch.setattr(holding, name, value)

    def freeze(self, installation: Installation, forks: Forks, at: tuple[str, int], **order: Any) -> Runner:
        """Start a process, again while it cannot have the stream yet, and wait until it hangs."""
        order = {"environ": installation.environ, "constants": QUICK, "stream": WORK_ORDERS, **order}

        def start() -> Runner | None:
            frozen = forks.start(at=at, signal=signal.SIGSTOP, **order)
            wait_for(lambda: frozen.is_frozen or frozen.has_ended, "it hangs or has ended")
            return frozen if frozen.is_frozen else None

        found: Runner = wait_for(start, "it hangs")
        return found

    @pytest.mark.parametrize(
        "at", [("transaction", 8), ("statement", 36)], ids=["between pages", "while it stores one"]
    )
    def test_one_that_hangs_for_a_moment_keeps_its_run(
        self,
        installation: Installation,
        fullbay: Fullbay,
        forks: Forks,
        monkeypatch: pytest.MonkeyPatch,
        at: tuple[str, int],
    ) -> None:
        monkeypatch.setattr(holding, "SILENT_SECONDS", 60.0)
        frozen = self.freeze(installation, forks, at)
        execution_id = running(installation)
        with pytest.raises(Busy, match=execution_id):
            installation.read()
        frozen.give(signal.SIGCONT)
        assert (frozen.wait() or {})["status"] == "SUCCESS"
        assert_all_is_well(installation, fullbay)

    def test_one_that_waits_for_its_source_is_alive(
        self, installation: Installation, fullbay: Fullbay, forks: Forks
    ) -> None:
        fullbay.latency = 2.5
        waiting = forks.start(environ=installation.environ, stream=WORK_ORDERS, constants=QUICK)
        execution_id = running(installation)
        time.sleep(QUICK["SILENT_SECONDS"] + 0.5)
        with pytest.raises(Busy, match=execution_id):
            installation.read()
        fullbay.latency = 0
        assert (waiting.wait() or {})["status"] == "SUCCESS"
        assert_all_is_well(installation, fullbay)

    @pytest.mark.parametrize(
        "at",
        [("transaction", 8), ("response", 3), ("statement", 36), ("sent", 38), ("answered", 39), ("statement", 40)],
        ids=lambda at: f"{at[0]} {at[1]}",
    )
    def test_it_is_taken_over_and_writes_nothing_more(
        self, installation: Installation, fullbay: Fullbay, forks: Forks, at: tuple[str, int]
    ) -> None:
        """Four statements in a row are one transaction or more: it hangs with and without a lock on its run."""
        frozen = self.freeze(installation, forks, at)
        execution_id = running(installation)
        assert soon(installation).status == "SUCCESS"
        ((status, message),) = installation.sql(
            "SELECT status, error_message FROM ingestion_metadata WHERE execution_id = %s", execution_id
        )
        assert status == "FAILED"
        assert message.startswith("its process ended without a word")
        before = installation.book()
        frozen.give(signal.SIGCONT)
        answer = frozen.wait() or {}
        assert (answer.get("status") or answer["error"]) in ("FAILED", "ConnectionLost")
        assert installation.book() == before
        assert_all_is_well(installation, fullbay)

    def test_its_lock_is_lost_and_the_next_run_is_announced_before_it_wakes_up(
        self, installation: Installation, fullbay: Fullbay, forks: Forks
    ) -> None:
        """Its windows are still its own: nobody has begun to read yet."""
        frozen = self.freeze(installation, forks, ("transaction", 8), constants=QUICK | {"BEAT_SECONDS": 60.0})
        execution_id = running(installation)
        assert installation.sql(END_GUARDS) == [(True,)]
        with installation.app() as app:
            (stream,) = app.extensions["ingestion"].streams("work-orders", shop="default")
            announce = app.extensions["ingestion"].announce
            wait_for(lambda: self.try_to(announce, stream, {}), "the next run is announced")
        before = installation.book()
        frozen.give(signal.SIGCONT)
        answer = frozen.wait() or {}
        assert (answer["status"], answer["message"]) == ("FAILED", "another process has taken the run over")
        assert installation.book() == before
        ((job,),) = installation.sql("SELECT arguments FROM jobs")
        assert (forks.run(environ=installation.environ, job=job) or {})["status"] == "SUCCESS"
        statuses = dict(installation.sql("SELECT execution_id, status FROM ingestion_metadata"))
        assert statuses == {execution_id: "FAILED", job["run"]: "SUCCESS"}
        assert_all_is_well(installation, fullbay)

    def try_to(self, work: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return work(*arguments)
        except (Busy, ServiceUnavailable):
            return None

    def test_it_wakes_up_while_the_next_leg_of_the_same_run_is_at_work(
        self, installation: Installation, fullbay: Fullbay, forks: Forks
    ) -> None:
        first = self.freeze(installation, forks, ("transaction", 8))
        execution_id = running(installation)
        job = {"source": "work-orders", "run": execution_id}
        second = self.freeze(installation, forks, ("request", 1), job=job)
        before = installation.book()
        first.give(signal.SIGCONT)
        answer = first.wait() or {}
        assert (answer["status"], answer["message"]) == ("FAILED", "another process has taken the run over")
        assert installation.book() == before
        second.give(signal.SIGCONT)
        assert (second.wait() or {})["status"] == "SUCCESS"
        assert installation.sql("SELECT execution_id, status, legs FROM ingestion_metadata") == [
            (execution_id, "SUCCESS", 2)
        ]
        assert_all_is_well(installation, fullbay)


def test_a_run_whose_lock_is_lost_ends_and_says_so(installation: Installation, fullbay: Fullbay, forks: Forks) -> None:
    fullbay.latency = 0.1
    losing = forks.start(environ=installation.environ, stream=WORK_ORDERS, constants=QUICK)
    execution_id = running(installation)
    assert installation.sql(END_GUARDS) == [(True,)]
    answer = losing.wait() or {}
    message = "the lock was lost; the next run goes on from here"
    assert (answer["status"], answer["message"]) == ("FAILED", message)
    assert installation.sql("SELECT execution_id, status, error_message FROM ingestion_metadata") == [
        (execution_id, "FAILED", message)
    ]
    ((stored,),) = installation.sql("SELECT count(*) FROM fullbay_work_orders")
    assert stored < 200
    assert soon(installation, 2).status == "SUCCESS"
    assert_all_is_well(installation, fullbay)


@pytest.mark.slow
def test_the_database_restarts_in_the_middle_of_a_run(fullbay: Fullbay, forks: Forks, tmp_path: Any) -> None:
    server = Postgres("fsync = off")
    try:
        installation = Installation(server.create("restarted"), DATA_DIR=str(tmp_path))
        migrate(config.load({"DATABASE_URL": installation.url}))
        installation.read_from(fullbay)
        fullbay.latency = 0.1
        interrupted = forks.start(environ=installation.environ, stream=WORK_ORDERS)
        execution_id = running(installation)
        wait_for(lambda: installation.sql("SELECT 1 FROM fullbay_work_orders"), "a page is stored")
        installation.close()
        server.restart()
        answer = interrupted.wait() or {}
        assert answer["error"] in ("ConnectionLost", "ServiceUnavailable")
        fullbay.latency = 0
        assert soon(installation, 5).status == "SUCCESS"
        ((first, status, message),) = installation.sql(
            "SELECT execution_id, status, error_message FROM ingestion_metadata WHERE status <> 'SUCCESS'"
        )
        assert (first, status) == (execution_id, "FAILED")
        assert message.startswith(("the run broke off: ", "its process ended without a word"))
        assert_all_is_well(installation, fullbay)
        installation.close()
    finally:
        server.remove()
