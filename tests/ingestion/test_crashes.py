"""A run that is killed at any point loses nothing and doubles nothing, and the next one knows what became of it."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service import jobs
from tests.fullbay import Fullbay
from tests.ingestion.conftest import Installation
from tests.ingestion.model import assert_books_are_true, assert_invoices_equal, assert_table_equals
from tests.ingestion.proxy import Proxy
from tests.ingestion.running import KINDS, Forks

WORK_ORDERS = ["work-orders", "work-orders", "default"]
INVOICES = ["invoices", "invoices", "default"]
PLACES = {"statement": 10, "sent": 12, "answered": 10, "request": 5, "response": 5}  # of each kind, over the whole run
POINTS = [(kind, (place + 0.5) / count) for kind, count in PLACES.items() for place in range(count)]
FEW_POINTS = [(kind, (place + 0.5) / 3) for kind in KINDS for place in range(3)]
DEAD = "its process ended without a word; its last sign of life was "


def name_of(point: Any) -> str:
    return f"{point[0]} at {point[1]:.0%}" if isinstance(point, tuple) else ""


def place(whole: dict[str, int], point: tuple[str, float]) -> tuple[str, int]:
    """Return the number of a step, of how many there are in a whole run."""
    kind, share = point
    return kind, 1 + int(share * whole[kind])


def assert_the_dead_are_known(installation: Installation) -> None:
    """Check that every run but the last ended as it did: dead, or at the end before it could say so to anybody."""
    runs = installation.sql("SELECT status, error_message FROM ingestion_metadata ORDER BY start_time, id")
    assert runs[-1] == ("SUCCESS", None)
    for status, message in runs[:-1]:
        assert status == "SUCCESS" or (status, message.startswith(DEAD)) == ("FAILED", True)


class Source:
    """A stand-in that lives: `change` inserts, updates and deletes, and `gone` is what was deleted."""

    def __init__(self, fullbay: Fullbay, resource: str) -> None:
        self.fullbay = fullbay
        self.gone: set[str] = set()
        self._resource = resource
        self._random = random.Random(11)

    def change(self) -> None:
        invoices = self._resource == "invoices"
        known = sorted(r["id"] for r in (self.fullbay.invoices() if invoices else self.fullbay.records(self._resource)))
        updated, other, deleted = self._random.sample(known, 3)
        self.fullbay.update(self._resource, updated)
        self.fullbay.insert(self._resource)
        self.fullbay.update(self._resource, other)
        self.fullbay.delete(self._resource, deleted)
        self.gone.add(deleted)


class TestWorkOrders:
    """Three hundred work orders by twenty, which change after each crash."""

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls) -> Iterator[Source]:
        with Fullbay(work_orders=300, customers=0, parts=0, invoices=0) as fullbay:
            yield Source(fullbay, "work-orders")

    @pytest.fixture(scope="class")
    @classmethod
    def installed(cls, install: Callable[..., Installation], source: Source) -> Installation:
        return install(source.fullbay)

    @pytest.fixture(scope="class")
    @classmethod
    def whole(cls, installed: Installation, _forks: Forks) -> dict[str, int]:
        """The steps of a run that nothing befalls."""
        answer = _forks.run(environ=installed.environ, stream=WORK_ORDERS)
        assert answer is not None
        assert answer["status"] == "SUCCESS"
        steps: dict[str, int] = answer["steps"]
        return steps

    @pytest.fixture
    def installation(self, installed: Installation, whole: dict[str, int]) -> Installation:
        installed.empty()
        return installed

    @pytest.mark.parametrize("point", POINTS, ids=name_of)
    def test_the_next_run_reads_the_rest(
        self, installation: Installation, source: Source, forks: Forks, whole: dict[str, int], point: tuple[str, float]
    ) -> None:
        at = place(whole, point)
        assert forks.run(environ=installation.environ, stream=WORK_ORDERS, at=at) is None
        self.assert_read_on(installation, source)

    def test_a_kill_at_any_time(
        self, installation: Installation, source: Source, forks: Forks, whole: dict[str, int]
    ) -> None:
        for _ in range(6):
            installation.empty()
            running = forks.start(environ=installation.environ, stream=WORK_ORDERS)
            time.sleep(random.Random(str(whole)).uniform(0.02, 0.4))
            running.give(signal.SIGKILL)
            running.wait()
            self.assert_read_on(installation, source)

    def test_one_crash_after_the_other(
        self, installation: Installation, source: Source, forks: Forks, whole: dict[str, int]
    ) -> None:
        for number in range(15, 75, 6):
            forks.run(environ=installation.environ, stream=WORK_ORDERS, at=("sent", number))
            installation.wait_until_left()
            source.change()
        self.assert_read_on(installation, source)
        ((deaths,),) = installation.sql("SELECT count(*) FROM ingestion_metadata WHERE status = 'FAILED'")
        assert deaths >= 5

    def test_an_answer_to_a_commit_that_never_came(
        self, install: Callable[..., Installation], source: Source, forks: Forks
    ) -> None:
        """The server has committed; whoever asked for it sees a connection that broke."""
        installation = install(source.fullbay)
        with Proxy(installation.sql("SELECT inet_server_port()")[0][0]) as proxy:
            environ = installation.environ | {"DATABASE_URL": proxy.url(installation.url)}
            for number in range(1, 24, 3):
                installation.empty()
                proxy.cut_after(b"COMMIT", number)
                answer = forks.run(environ=environ, stream=WORK_ORDERS)
                assert proxy.has_cut, number
                assert answer is not None
                ((status, message),) = installation.sql("SELECT status, error_message FROM ingestion_metadata")
                is_told = status == "FAILED" and message.startswith("the run broke off: ")
                assert is_told or (status, number) == ("RUNNING", 1), (number, status, message)
                installation.wait_until_left()
                source.change()
                result = installation.read()
                assert result is not None
                assert result.status == "SUCCESS"
                assert_table_equals(source.fullbay, installation.sql, gone=source.gone)
                assert_books_are_true(installation.sql)

    def assert_read_on(self, installation: Installation, source: Source) -> None:
        installation.wait_until_left()
        source.change()
        result = installation.read()
        assert result is not None
        assert (result.status, result.message) == ("SUCCESS", None)
        assert_table_equals(source.fullbay, installation.sql, gone=source.gone)
        assert_books_are_true(installation.sql)
        assert_the_dead_are_known(installation)
        again = installation.read()
        assert again is not None
        changes = "SELECT records_inserted, records_updated FROM ingestion_metadata WHERE execution_id = %s"
        assert installation.sql(changes, again.execution_id) == [(0, 0)]


BOOK = """
SELECT i.fullbay_id, to_jsonb(i) - '{id,ingestion_timestamp}'::text[],
       ARRAY(
           SELECT to_jsonb(l) - 'invoice_id' FROM fullbay_line_items AS l WHERE invoice_id = i.id ORDER BY position
       ),
       ARRAY(
           SELECT to_jsonb(d) - 'invoice_id' FROM fullbay_invoice_differences AS d WHERE invoice_id = i.id
           ORDER BY position
       )
FROM fullbay_invoices AS i
ORDER BY fullbay_id
"""


class TestInvoices:
    """A hundred and twenty invoices with their lines, in nine windows of a backfill, in pages of five."""

    @pytest.fixture(scope="class")
    @classmethod
    def fullbay(cls) -> Iterator[Fullbay]:
        with Fullbay(work_orders=0, customers=0, parts=0, invoices=120, invoices_per_page=5) as fullbay:
            yield fullbay

    @pytest.fixture(scope="class")
    @classmethod
    def backfill(cls) -> dict[str, str]:
        today = datetime.now(UTC).date()
        return {"from": f"{today - timedelta(days=62)}", "to": f"{today}"}

    @pytest.fixture(scope="class")
    @classmethod
    def installed(cls, install: Callable[..., Installation], fullbay: Fullbay) -> Installation:
        return install(fullbay)

    @pytest.fixture(scope="class")
    @classmethod
    def whole(
        cls, installed: Installation, fullbay: Fullbay, _forks: Forks, backfill: dict[str, str]
    ) -> tuple[dict[str, int], Any]:
        """The steps of a run that nothing befalls, and all that it stores."""
        answer = _forks.run(environ=installed.environ, stream=INVOICES, request=backfill)
        assert answer is not None
        assert answer["status"] == "SUCCESS"
        assert_invoices_equal(fullbay, installed.sql)
        return answer["steps"], installed.sql(BOOK)

    @pytest.fixture
    def installation(self, installed: Installation, whole: Any) -> Installation:
        installed.empty()
        return installed

    @pytest.mark.parametrize("point", FEW_POINTS, ids=name_of)
    def test_a_backfill_goes_on_and_ends_as_if_nothing_had_been(
        self,
        installation: Installation,
        forks: Forks,
        whole: tuple[dict[str, int], Any],
        backfill: dict[str, str],
        point: tuple[str, float],
    ) -> None:
        steps, undisturbed = whole
        order = {"environ": installation.environ, "stream": INVOICES, "request": backfill}
        assert forks.run(**order, at=place(steps, point)) is None
        installation.wait_until_left()
        result = installation.read("invoices", **backfill)
        assert result is not None
        assert (result.status, result.message) == ("SUCCESS", None)
        assert installation.sql(BOOK) == undisturbed
        assert_books_are_true(installation.sql, "fullbay_invoices")
        assert_the_dead_are_known(installation)

    @pytest.mark.parametrize("share", [0.25, 0.5, 0.75], ids=str)
    def test_invoices_that_change_between_the_runs_are_read_again(
        self, install: Callable[..., Installation], forks: Forks, share: float
    ) -> None:
        with Fullbay(work_orders=0, invoices=60, invoice_days=20, invoices_per_page=5) as fullbay:
            installation = install(fullbay, FULLBAY_LOOKBACK_DAYS="21")
            source = Source(fullbay, "invoices")
            assert forks.run(environ=installation.environ, stream=INVOICES, at=("sent", int(share * 100))) is None
            installation.wait_until_left()
            source.change()
            result = installation.read("invoices")
            assert result is not None
            assert (result.status, result.message) == ("SUCCESS", None)
            assert_invoices_equal(fullbay, installation.sql, gone=source.gone)
            assert_books_are_true(installation.sql, "fullbay_invoices")


@pytest.mark.parametrize("source", ["work-orders", "invoices"])
def test_the_next_leg_of_a_run_does_not_read_again_what_is_stored(
    install: Callable[..., Installation], forks: Forks, source: str
) -> None:
    with Fullbay(work_orders=120, customers=0, parts=0, invoices=120, invoice_days=14, invoices_per_page=5) as fullbay:
        installation = install(fullbay, FULLBAY_LOOKBACK_DAYS="15")
        stream = [source, source, "default"]
        assert forks.run(environ=installation.environ, stream=stream, at=("transaction", 9)) is None
        installation.wait_until_left()
        ((execution_id, before),) = installation.sql("SELECT execution_id, records_processed FROM ingestion_metadata")
        assert 0 < before < 100
        job = {"source": source, "run": execution_id}
        assert (forks.run(environ=installation.environ, job=job) or {})["status"] == "SUCCESS"
        found = "SELECT execution_id, status, legs, records_processed, records_inserted FROM ingestion_metadata"
        assert installation.sql(found) == [(execution_id, "SUCCESS", 2, 120, 120)]


class TestQueue:
    """Runs of several legs through the table of jobs, whose worker is killed: the next worker goes on."""

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls) -> Iterator[Source]:
        with Fullbay(work_orders=300, customers=0, parts=0, invoices=0, latency=0.04) as fullbay:
            yield Source(fullbay, "work-orders")

    @pytest.fixture(scope="class")
    @classmethod
    def installed(cls, install: Callable[..., Installation], source: Source) -> Installation:
        return install(source.fullbay, JOB_SECONDS="1.6", JOB_LEASE_SECONDS="1.5")

    @pytest.mark.slow
    @pytest.mark.parametrize("is_announced", [True, False], ids=["announced", "scheduled"])
    def test_the_worker_is_killed(
        self, installed: Installation, source: Source, forks: Forks, is_announced: bool
    ) -> None:
        for at in (("sent", 40), ("put", 1), ("answered", 70)):
            installed.empty()
            installed.put_schedules_off()
            with installed.app() as app:
                if is_announced:
                    (stream,) = app.extensions["ingestion"].streams("work-orders")
                    app.extensions["ingestion"].announce(stream, {})
                else:
                    jobs.get_queue().put("ingest", {"source": "work-orders"})
            assert forks.run(environ=installed.environ, at=at) is None
            installed.wait_until_left()
            assert forks.run(environ=installed.environ) is not None
            assert installed.sql("SELECT * FROM jobs") == []
            assert_table_equals(source.fullbay, installed.sql, gone=source.gone)
            assert_books_are_true(installed.sql)
            ((runs, legs),) = installed.sql("SELECT count(*), sum(legs) FROM ingestion_metadata")
            assert (runs == 1) >= is_announced
            assert legs >= 2  # that of the killed one, and that of the next
