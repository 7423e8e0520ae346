"""Replays beside runs and beside each other: an old version never takes the place of a newer one."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.documents import parse
from service.errors import Conflict
from service.ingestion import rejects
from service.ingestion.flat import FlatRecords
from service.ingestion.fullbay.invoice_records import Invoices
from service.ingestion.fullbay.work_orders import WorkOrders
from service.ingestion.records import Stream
from service.ingestion.service import get_ingestion
from tests.ingestion.model import assert_table_equals
from tests.ingestion.routes.conftest import API, House
from tests.ingestion.routes.samples import insert_reject, of_yesterday, open_rejects, work_order
from tests.transports import Client

DAY = datetime(2026, 1, 1, tzinfo=UTC)
ID = "17"


class Kind:
    """A kind of record, whose versions are numbers."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stream = Stream("invoices", "invoices", "default")
        self.resource: Any = Invoices()
        self.column, self.table = "invoice_number", "fullbay_invoices"
        if name != "invoices":
            self.stream = Stream("work-orders", "work-orders", "default")
            self.resource = WorkOrders.resources["work-orders"]
            self.column, self.table = "work_order_number", "fullbay_work_orders"

    def version(self, number: int) -> str:
        """Return the record in a version, as it is sent."""
        if self.name == "invoices":
            return json.dumps({"primaryKey": ID, "invoiceNumber": f"v{number}", "subTotal": "0", "total": "0"})
        changed = (DAY + timedelta(days=number)).isoformat() if self.name == "versioned" else None
        return work_order(ID, work_order_number=f"v{number}", updated_at=changed)

    def store(self, cursor: Any, number: int) -> None:
        """Write a version as a page of a run does."""
        row = self.resource.read(parse(self.version(number)))
        self.resource.store(cursor, self.stream, [row])

    def reject(self, house: House, number: int) -> int:
        """Put a version into the rejects, as it was read just now."""
        source, resource, _ = self.stream
        return insert_reject(house, self.version(number), source=source, resource=resource, record_id=ID)

    def stored(self, house: House) -> list[str]:
        return [row[0] for row in house.sql(f"SELECT {self.column} FROM {self.table}")]


@pytest.fixture(params=["versioned", "without a version", "invoices"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return Kind(request.param)


@contextmanager
def beside(house: House) -> Iterator[Any]:
    """A cursor in a transaction that is committed at the end, on a connection that is nobody else's."""
    connection = psycopg2.connect(house.url)
    try:
        with connection, connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def replay(house: House, number: int) -> str:
    with house.app() as app:
        return rejects.replay(app.extensions["database"], get_ingestion().sources, number)


def test_a_replay_does_not_bring_back_what_was_changed_since(house: House, kind: Kind) -> None:
    number = kind.reject(house, 1)
    with beside(house) as cursor:
        kind.store(cursor, 2)
    assert replay(house, number) == "stale"
    assert kind.stored(house) == ["v2"]
    assert open_rejects(house) == []


def test_a_replay_stores_what_is_newer_than_the_table(house: House, kind: Kind) -> None:
    with beside(house) as cursor:
        kind.store(cursor, 1)
    assert replay(house, kind.reject(house, 2)) == "updated"
    assert kind.stored(house) == ["v2"]
    assert replay(house, kind.reject(house, 2)) == "unchanged"


def test_what_is_stored_already_is_unchanged(house: House, kind: Kind) -> None:
    with beside(house) as cursor:
        kind.store(cursor, 1)
    assert replay(house, kind.reject(house, 1)) == "unchanged"
    assert kind.stored(house) == ["v1"]


def test_the_version_counts_more_than_the_time_of_reading(house: House) -> None:
    kind = Kind("versioned")
    newer = kind.reject(house, 5)
    with beside(house) as cursor:
        kind.store(cursor, 3)  # read later, by a source that has two opinions
    assert replay(house, newer) == "updated"
    assert kind.stored(house) == ["v5"]


def test_an_invoice_of_another_shop_is_another_one(house: House) -> None:
    kind = Kind("invoices")
    number = kind.reject(house, 1)
    kind.stream = kind.stream._replace(shop="north")
    with beside(house) as cursor:
        kind.store(cursor, 2)
    assert replay(house, number) == "inserted"
    assert house.sql("SELECT shop, invoice_number FROM fullbay_invoices ORDER BY shop") == [
        ("default", "v1"),
        ("north", "v2"),
    ]


def test_a_record_and_its_reject_of_one_moment_leave_the_record(house: House, kind: Kind) -> None:
    with beside(house) as cursor:
        kind.store(cursor, 1)
    if kind.name == "versioned":
        house.sql("UPDATE fullbay_work_orders SET updated_at = %s", DAY + timedelta(days=2))
    number = kind.reject(house, 2)
    house.sql(f"UPDATE ingestion_rejects SET last_seen_at = (SELECT ingestion_timestamp FROM {kind.table})")
    assert replay(house, number) == "stale"
    assert kind.stored(house) == ["v1"]


@pytest.mark.parametrize("is_there", [False, True], ids=["new", "known"])
@pytest.mark.parametrize("ends", ["commit", "rollback"])
def test_a_replay_waits_for_a_page_that_writes_its_record(house: House, kind: Kind, is_there: bool, ends: str) -> None:
    """The page of a run is not committed yet when the replay looks: it must not be overwritten by what is older."""
    if is_there:
        with beside(house) as cursor:
            kind.store(cursor, 0)
    number = kind.reject(house, 1)
    connection = psycopg2.connect(house.url)
    with ThreadPoolExecutor(1) as pool:
        try:
            with connection.cursor() as cursor:
                kind.store(cursor, 2)
                waiting = pool.submit(replay, house, number)
                wait_until_blocked(house)
                assert not waiting.done()
        finally:
            connection.commit() if ends == "commit" else connection.rollback()
            connection.close()
        outcome = waiting.result(20)
    if ends == "commit":
        assert (outcome, kind.stored(house)) == ("stale", ["v2"])
    else:
        assert (outcome, kind.stored(house)) == ("updated" if is_there else "inserted", ["v1"])
    assert open_rejects(house) == []


def wait_until_blocked(house: House) -> None:
    expires_at = time.monotonic() + 10
    while not house.sql(
        """
        SELECT pid FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND application_name = 'headgate'
        """
    ):
        assert time.monotonic() < expires_at
        time.sleep(0.02)


def test_a_replay_that_waits_for_its_reject_finds_it_superseded(house: House, kind: Kind) -> None:
    """A run stores a later version and closes the reject, all of it uncommitted while the replay is at work."""
    number = kind.reject(house, 1)
    connection = psycopg2.connect(house.url)
    with ThreadPoolExecutor(1) as pool:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE ingestion_rejects SET resolution = 'superseded', resolved_at = now()")
            waiting = pool.submit(replay, house, number)
            wait_until_blocked(house)
        connection.commit()
        connection.close()
        with pytest.raises(Conflict, match="superseded"):
            waiting.result(20)
    assert kind.stored(house) == []


def test_of_many_replays_at_once_one_stores(house: House, http: Client, kind: Kind) -> None:
    for _ in range(3):
        house.empty()
        number = kind.reject(house, 1)
        barrier = threading.Barrier(8)

        def ask(number: int = number, barrier: threading.Barrier = barrier) -> Any:
            barrier.wait()
            return http.post(f"{API}/rejects/{number}/replay")

        with ThreadPoolExecutor(8) as pool:
            answers = [future.result() for future in [pool.submit(ask) for _ in range(8)]]
        assert sorted(answer.status for answer in answers) == [200] + [409] * 7
        assert [answer.json()["outcome"] for answer in answers if answer.status == 200] == ["inserted"]
        assert kind.stored(house) == ["v1"]


def test_replays_beside_a_run_of_the_same_records(house: House, http: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both write the same rows in any order, and neither waits for the other in a circle."""
    ids = [record["id"] for record in house.fullbay.records("work-orders")]
    with monkeypatch.context() as patch:
        of_yesterday(patch, FlatRecords, ids[::2])
        house.read()
    numbers = open_rejects(house)
    for identifier in ids[::6]:
        house.fullbay.update("work-orders", identifier)
    with ThreadPoolExecutor(5) as pool:
        run = pool.submit(house.read, full=True)
        answers = list(pool.map(lambda number: http.post(f"{API}/rejects/{number}/replay").status, numbers))
        result = run.result()
    assert result is not None
    assert result.status == "SUCCESS"
    assert set(answers) <= {200, 409}
    assert open_rejects(house) == []
    assert_table_equals(house.fullbay, house.sql)


READINGS = st.lists(st.booleans(), min_size=1, max_size=5)  # is the version rejected by yesterday's code?


@pytest.mark.parametrize("name", ["versioned", "without a version", "invoices"])
def test_whatever_was_rejected_and_replayed_in_whatever_order_the_last_reading_stays(house: House, name: str) -> None:
    kind = Kind(name)

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(READINGS, st.randoms(use_true_random=False))
    def check(readings: list[bool], chance: Any) -> None:
        house.empty()
        waiting: list[int] = []
        for version, is_rejected in enumerate(readings, 1):
            if is_rejected:
                waiting.append(kind.reject(house, version))
            else:
                with beside(house) as cursor:
                    kind.store(cursor, version)
            while waiting and chance.random() < 0.3:
                waiting.remove(number := chance.choice(waiting))
                try_replay(number)
        chance.shuffle(waiting)
        for number in waiting:
            try_replay(number)
        assert open_rejects(house) == []
        assert kind.stored(house) == [f"v{len(readings)}"]

    with house.app() as app:
        database, sources = app.extensions["database"], get_ingestion().sources

        def try_replay(number: int) -> None:
            with suppress(Conflict):  # superseded by a later one
                rejects.replay(database, sources, number)

        check()
