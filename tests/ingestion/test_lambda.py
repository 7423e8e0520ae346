"""What the function does with the events of EventBridge and SQS that let it read a source."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from service import jobs
from service.database import holding
from service.ingestion import runs
from tests.fullbay import Fault, Fullbay
from tests.ingestion.conftest import Installation
from tests.ingestion.function import SCHEDULED, Function, Queue
from tests.ingestion.model import assert_books_are_true, assert_invoices_equal, assert_table_equals
from tests.secret_stores import Moto

AsFunction = Callable[..., Function]
Install = Callable[..., Installation]


@pytest.fixture
def fullbay() -> Iterator[Fullbay]:
    with Fullbay(work_orders=120, customers=0, parts=0, invoices=30) as fullbay:
        yield fullbay


def scheduled(source: str) -> dict[str, Any]:
    return SCHEDULED | {"detail": {"job": "ingest", "source": source}}


def test_the_schedule_reads_what_is_new(install: Install, as_function: AsFunction, fullbay: Fullbay) -> None:
    installation = install(fullbay)
    function = as_function(installation)
    answer = function.invoke(SCHEDULED)
    ((execution_id,),) = installation.sql("SELECT execution_id FROM ingestion_metadata")
    assert answer == {"status": "SUCCESS", "run": execution_id, "message": None}
    assert_table_equals(fullbay, installation.sql)
    assert_books_are_true(installation.sql)
    fullbay.insert("work-orders")
    assert function.invoke(SCHEDULED)["status"] == "SUCCESS"
    assert_table_equals(fullbay, installation.sql)
    changes = installation.sql("SELECT records_inserted, records_updated FROM ingestion_metadata ORDER BY start_time")
    assert changes == [(120, 0), (1, 0)]


def test_a_schedule_whose_source_refuses_fails_and_says_why(
    install: Install, as_function: AsFunction, fullbay: Fullbay
) -> None:
    function = as_function(install(fullbay))
    fullbay.rotate("default", "another")
    with pytest.raises(Exception, match="401"):
        function.invoke(SCHEDULED)


def test_each_of_several_shops_is_a_job_of_its_own(install: Install, as_function: AsFunction, queue: Queue) -> None:
    shops = {"default": "key-1", "north": "key-2", "south": "key-3"}
    with Fullbay(work_orders=0, invoices=20, invoice_days=14, shops=shops) as fullbay:
        installation = install(fullbay, FULLBAY_LOOKBACK_DAYS="15")
        function = as_function(installation)
        assert function.invoke(scheduled("invoices")) == {"queued": ["default", "north", "south"]}
        assert queue.count() == 3
        assert installation.sql("SELECT * FROM ingestion_metadata") == []
        assert function.work_off(queue) == 3
        for shop in shops:
            assert_invoices_equal(fullbay, installation.sql, shop)
        assert_books_are_true(installation.sql, "fullbay_invoices")


def test_of_two_messages_the_one_that_fails_comes_back(install: Install, as_function: AsFunction, queue: Queue) -> None:
    with Fullbay(work_orders=0, invoices=20, invoice_days=14, shops={"default": "key-1", "north": "key-2"}) as fullbay:
        installation = install(fullbay, FULLBAY_LOOKBACK_DAYS="15")
        function = as_function(installation)
        function.invoke(scheduled("invoices"))
        fullbay.rotate("north", "key-4")
        queue.put("no job at all")
        event = queue.receive(10)
        assert event is not None
        answer = function.invoke(event)
        bad = [r["messageId"] for r in event["Records"] if "default" not in r["body"]]
        assert sorted(queue.settle(event, answer)) == sorted(bad)
        assert len(bad) == 2
        assert_invoices_equal(fullbay, installation.sql, "default")
        found = installation.sql("SELECT shop, status, error_message FROM ingestion_metadata ORDER BY shop")
        assert found[0] == ("default", "SUCCESS", None)
        assert found[1][:2] == ("north", "FAILED")
        assert "key" in found[1][2]
        fullbay.rotate("north", "key-2")
        again = {"Records": [record for record in event["Records"] if "north" in record["body"]]}
        assert function.invoke(again) == {"batchItemFailures": []}
        assert_invoices_equal(fullbay, installation.sql, "north")
        assert_books_are_true(installation.sql, "fullbay_invoices")


def test_a_message_that_comes_twice_changes_nothing(
    install: Install, as_function: AsFunction, queue: Queue, fullbay: Fullbay
) -> None:
    installation = install(fullbay)
    function = as_function(installation)
    with installation.app() as app:
        (stream,) = app.extensions["ingestion"].streams("work-orders")
        execution_id = app.extensions["ingestion"].announce(stream, {})
    ((name, arguments),) = installation.sql("SELECT name, arguments FROM jobs")
    queue.put(json.dumps({"job": name, **arguments}))
    event = queue.receive()
    assert function.invoke(event) == {"batchItemFailures": []}
    before = installation.book()
    assert function.invoke(event) == {"batchItemFailures": []}
    assert installation.book() == before
    assert installation.sql("SELECT execution_id, status, legs FROM ingestion_metadata") == [
        (execution_id, "SUCCESS", 1)
    ]


def test_a_message_whose_run_is_held_by_a_process_that_may_be_dead_is_put_again(
    install: Install, fullbay: Fullbay
) -> None:
    installation = install(fullbay)
    with installation.app() as app:
        ingestion = app.extensions["ingestion"]
        (stream,) = ingestion.streams("work-orders")
        execution_id = ingestion.announce(stream, {})
        installation.sql("DELETE FROM jobs")
        with runs.hold(app.extensions["database"], stream, execution_id, {}, "http://127.0.0.1/"):
            assert jobs.run("ingest", {"source": "work-orders", "run": execution_id})["status"] == "BUSY"
        ((arguments, seconds),) = installation.sql(
            "SELECT arguments, extract(epoch FROM run_at - now())::int FROM jobs"
        )
        assert arguments == {"source": "work-orders", "run": execution_id}
        assert holding.SILENT_SECONDS - 10 < seconds <= holding.SILENT_SECONDS


class Rotating(Fullbay):
    """A Fullbay whose keys change at both ends at once: here and in the secret."""

    moto: Moto
    secret: str

    def rotate(self, shop: str, key: str) -> None:
        self.moto.put(self.secret, fullbay_api_key=key)
        super().rotate(shop, key)


@pytest.mark.parametrize("source", ["work-orders", "invoices"])
def test_a_key_that_is_rotated_in_the_middle_of_a_run(
    install: Install, as_function: AsFunction, moto: Moto, source: str
) -> None:
    old, new = "marker-key-old", "marker-key-new"
    with Rotating(
        work_orders=120, customers=0, parts=0, invoices=40, invoice_days=14, invoices_per_page=5, shops={"default": old}
    ) as fullbay:
        fullbay.moto, fullbay.secret = moto, moto.create(fullbay_api_key=old)
        fullbay.faults = [Fault("rotate", key=new, requests=[4])]
        installation = install(FULLBAY_SERVER_IP="127.0.0.1", FULLBAY_LOOKBACK_DAYS="15")
        function = as_function(
            installation,
            FULLBAY_API_BASE_URL=fullbay.url,
            FULLBAY_APP_BASE_URL=fullbay.url,
            SECRETS_MANAGER_SECRET_NAME=fullbay.secret,
        )
        answer = function.invoke(scheduled(source))
        assert (answer["status"], answer["message"]) == ("SUCCESS", None)
        assert [applied.kind for applied in fullbay.applied] == ["rotate"]
        if source == "invoices":
            assert_invoices_equal(fullbay, installation.sql)
        else:
            assert_table_equals(fullbay, installation.sql)
        assert_books_are_true(installation.sql, "fullbay_invoices" if source == "invoices" else "fullbay_work_orders")
        assert "marker-key" not in json.dumps(
            [answer, installation.sql("SELECT to_jsonb(m) FROM ingestion_metadata m")]
        )
