"""PostgreSQL that dies, hangs or cannot be reached: 503 in time, nothing lost or doubled, and no restart of ours."""

from __future__ import annotations

import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service import config
from service.database.schema import migrate
from service.security.issuer import OwnIssuer
from tests.conftest import SCOPES
from tests.events.samples import an_entity, an_event
from tests.postgres import Postgres
from tests.transports import Answer, Gunicorn, HttpClient

OUTAGE_SECONDS = 5.0


class Load:
    """Eight clients that send events until told to stop, and remember every answer."""

    def __init__(self, client: HttpClient) -> None:
        self.client = client
        self.answers: list[tuple[str, Answer, float]] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(8)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        while not self._stop.is_set():
            event_id = str(uuid.uuid4())
            events = [an_event(an_entity(f"{event_id}-{n}"), event_id=f"{event_id}-{n}") for n in range(2)]
            for path, body in (("/api/v1/events", events[0]), ("/api/v1/events/bulk", events[1:])):
                started = time.monotonic()
                answer = self.client.post(path, json=body)
                suffix = 0 if isinstance(body, dict) else 1
                self.answers.append((f"{event_id}-{suffix}", answer, time.monotonic() - started))

    def count(self, status: int) -> int:
        return sum(answer.status == status for _, answer, _ in list(self.answers))

    def wait_for(self, status: int, more: int = 20, seconds: float = 30) -> None:
        """Wait until `more` further requests were answered so."""
        goal, expires_at = self.count(status) + more, time.monotonic() + seconds
        while self.count(status) < goal:
            assert time.monotonic() < expires_at, f"no {more} answers {status} in {seconds} s"
            time.sleep(0.02)

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


class House:
    """A service with a PostgreSQL of its own, which keeps what it has committed."""

    def __init__(self, directory: Path) -> None:
        self.postgres = Postgres("max_connections = 50")
        self.environment = {"DATABASE_URL": self.postgres.create("house"), "DATA_DIR": str(directory)}
        settings = config.load(self.environment)
        migrate(settings)
        self.token = OwnIssuer(settings).issue("test", SCOPES, 3600)
        self.gunicorn = Gunicorn(directory / "log", **self.environment)
        self.client = HttpClient(self.gunicorn.port, self.token)

    def query(self, sql: str, database: str = "house") -> list[tuple[Any, ...]]:
        connection = self.postgres.connect(database)
        with connection.cursor() as cursor:
            cursor.execute(sql)
            found = cursor.fetchall()
        connection.close()
        return found

    def check(self, load: Load) -> None:
        """Check that every success is stored once and whole, and that every failure was said in time."""
        assert {answer.status for _, answer, _ in load.answers} <= {200, 503}
        slow = [seconds for _, answer, seconds in load.answers if answer.status == 503 and seconds > OUTAGE_SECONDS]
        assert slow == []
        for _, answer, _ in load.answers:
            if answer.status == 503:
                body = answer.json()
                assert (body["error"], body["retry_after"]) == ("Service Temporarily Unavailable", 60)
                assert answer.headers["retry-after"] == "60"
            else:
                assert answer.json()["success"], answer.json()
        told = {event_id for event_id, answer, _ in load.answers if answer.status == 200}
        kept = [row[0] for row in self.query("SELECT id FROM business_events")]
        assert told <= set(kept)
        for table, key in (("event_headers", "id"), ("entities", "event_id"), ("event_entities", "event_id")):
            assert sorted(row[0] for row in self.query(f"SELECT {key} FROM {table}")) == sorted(kept)
        assert {row[0] for row in self.query("SELECT version FROM entities")} <= {1}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.gunicorn.stop()
    house.postgres.remove()


def test_a_killed_and_restarted_postgresql_costs_no_event(house: House) -> None:
    with Load(house.client) as load:
        for _ in range(3):
            load.wait_for(200)
            house.postgres.kill()
            load.wait_for(503)
            house.postgres.start()
        load.wait_for(200, more=50)
    house.check(load)


def test_sessions_that_are_terminated_cost_no_event_and_no_answer(house: House) -> None:
    with Load(house.client) as load:
        for _ in range(10):
            load.wait_for(200)
            house.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'headgate' AND pid <> pg_backend_pid()"
            )
        load.wait_for(200, more=50)
    house.check(load)
    # A session that dies twice under one request is an outage; anything else is made good.
    assert load.count(503) <= len(load.answers) // 50


def test_a_postgresql_that_hangs_is_an_outage_and_not_a_hang(house: House) -> None:
    with Load(house.client) as load:
        load.wait_for(200)
        with house.postgres.frozen():
            load.wait_for(503, more=8)
        load.wait_for(200, more=50)
    house.check(load)


def test_a_table_that_somebody_locks_is_an_outage_and_ends_with_the_lock(house: House) -> None:
    connection = house.postgres.connect("house")
    with connection.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE business_events")
        started = time.monotonic()
        assert house.client.post("/api/v1/events", json=an_event()).status == 503
        assert time.monotonic() - started < OUTAGE_SECONDS
        cursor.execute("ROLLBACK")
    connection.close()
    assert house.client.post("/api/v1/events", json=an_event()).status == 200


def test_a_database_that_only_reads_after_a_failover_is_an_outage(house: House) -> None:
    drop_sessions = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'headgate'"
    house.query(f"ALTER DATABASE house SET default_transaction_read_only = on; {drop_sessions}")
    assert house.client.post("/api/v1/events", json=an_event()).status == 503
    house.query("ALTER DATABASE house RESET default_transaction_read_only; SELECT 1", database="postgres")
    # No session is dropped here: a connection that only reads is not kept.
    assert house.client.post("/api/v1/events", json=an_event()).status == 200


def test_a_missing_schema_is_unhealthy_and_an_outage(house: House) -> None:
    house.query("ALTER TABLE event_entities RENAME TO gone; SELECT 1")
    health = house.client.get("/api/v1/events/health", token=None)
    assert (health.status, health.json()["status"]) == (503, "unhealthy")
    assert house.client.post("/api/v1/events", json=an_event()).status == 503
    assert house.client.post("/api/v1/events/bulk", json=[an_event()]).status == 503
    house.query("ALTER TABLE gone RENAME TO event_entities; SELECT 1")
    assert house.client.post("/api/v1/events", json=an_event()).status == 200


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port where connections are taken and nothing is ever said, as behind a black hole."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    "address",
    ["silent", "refusing", "203.0.113.1:5432", "nowhere.invalid:5432"],
)
def test_an_address_that_never_answers_is_an_outage_within_the_deadline(
    tmp_path: Path, silent_port: int, address: str
) -> None:
    address = {"silent": f"127.0.0.1:{silent_port}", "refusing": "127.0.0.1:1"}.get(address, address)
    service = Gunicorn(tmp_path / "log", DATABASE_URL=f"postgresql://u:p@{address}/d", DATA_DIR=str(tmp_path))
    client = HttpClient(service.port, OwnIssuer(config.load({"DATA_DIR": str(tmp_path)})).issue("t", SCOPES, 60))
    try:
        for method, path, body in (
            ("POST", "/api/v1/events", an_event()),
            ("GET", "/api/v1/events", None),
            ("GET", "/api/v1/events/health", None),
            ("GET", "/ready", None),
        ):
            started = time.monotonic()
            answer = client.request(method, path, json=body)
            assert (answer.status, time.monotonic() - started < OUTAGE_SECONDS) == (503, True), path
            assert "127.0.0.1" not in answer.body.decode()
        assert client.get("/health").status == 200
    finally:
        service.stop()
