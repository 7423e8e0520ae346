"""Many at once: no lost update, no deadlock, no doubled event, and nobody is told something untrue."""

from __future__ import annotations

import dataclasses
import json
import random
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from service import config, deadline
from service.config import Config
from service.database import Database
from service.database.schema import migrate
from service.documents import parse
from service.events.documents import ReadyEvent, read_event
from service.events.service import EventStore, Stored
from service.security.issuer import OwnIssuer
from tests.conftest import SCOPES
from tests.events.samples import an_entity, an_event
from tests.postgres import Postgres
from tests.transports import Answer, Gunicorn, HttpClient


def at_once(send: Callable[[Any], Answer], values: list[Any]) -> list[Answer]:
    """Send one request for each value, all at the same time."""
    with ThreadPoolExecutor(len(values)) as pool:
        return list(pool.map(send, values))


def moment(number: int) -> str:
    return f"2025-02-01T00:{number // 60:02}:{number % 60:02}Z"


def test_80_events_create_one_entity_and_the_newest_version_is_kept(http: HttpClient) -> None:
    entity_id = str(uuid.uuid4())
    events = [an_event(an_entity(entity_id, updated=moment(n), number=n)) for n in range(80)]
    answers = at_once(lambda event: http.post("/api/v1/events", json=event), events)
    assert [answer.status for answer in answers] == [200] * 80
    outcomes = Counter(answer.json()["entities"][0]["outcome"] for answer in answers)
    found = http.get(f"/api/v1/entities/Car/{entity_id}").json()
    assert outcomes["created"] == 1
    assert found["entity"]["number"] == 79
    assert found["version"] == outcomes["created"] + outcomes["updated"]
    assert len(http.get(f"/api/v1/entities/Car/{entity_id}/history?limit=200").json()["events"]) == 80


@pytest.mark.parametrize("path", ["/api/v1/events", "/api/v1/events/bulk"])
def test_80_events_with_two_entities_in_opposite_orders_do_not_deadlock(http: HttpClient, path: str) -> None:
    first, second = f"a-{uuid.uuid4()}", f"b-{uuid.uuid4()}"

    def event(number: int) -> Any:
        entities = [
            an_entity(key, kind=kind, updated=moment(number), number=number)
            for key, kind in ((first, "Car"), (second, "Loan"))
        ]
        if number % 2:
            entities.reverse()
        if path.endswith("bulk"):
            return [an_event(entity) for entity in entities]
        return an_event(*entities)

    answers = at_once(lambda number: http.post(path, json=event(number)), list(range(80)))
    assert [answer.status for answer in answers] == [200] * 80
    assert all(answer.json()["success"] for answer in answers)
    for key, kind in ((first, "Car"), (second, "Loan")):
        assert http.get(f"/api/v1/entities/{kind}/{key}").json()["entity"]["number"] == 79


def test_of_80_events_with_one_uuid_one_is_stored_and_the_others_are_conflicts(http: HttpClient, rows: Any) -> None:
    event_id = str(uuid.uuid4())
    events = [an_event(an_entity(f"{event_id}-{n}"), event_id=event_id) for n in range(80)]
    answers = at_once(lambda event: http.post("/api/v1/events", json=event), events)
    assert Counter(answer.status for answer in answers) == {200: 1, 409: 79}
    winner = next(answer.json()["entities"][0]["entityId"] for answer in answers if answer.status == 200)
    assert rows("SELECT entity_id FROM entities WHERE entity_id LIKE %s", f"{event_id}-%") == [(winner,)]
    assert not any(answer.json()["identical"] for answer in answers if answer.status == 409)


def test_batches_with_the_same_uuids_in_opposite_orders_store_each_once(http: HttpClient, rows: Any) -> None:
    events = [an_event() for _ in range(40)]
    batches = [events if number % 2 else events[::-1] for number in range(20)]
    answers = at_once(lambda batch: http.post("/api/v1/events/bulk", json=batch), batches)
    statuses = Counter(result["status"] for answer in answers for result in answer.json()["results"])
    assert statuses == {200: 40, 409: 19 * 40}
    ids = [event["eventHeader"]["uuid"] for event in events]
    assert rows("SELECT count(*) FROM event_entities WHERE event_id = ANY (%s)", ids) == [(40,)]


@pytest.mark.parametrize("shared", ["events", "entities"])
def test_large_batches_in_any_order_wait_for_each_other_and_do_not_deadlock(settings: Config, shared: str) -> None:
    """Eight sessions at once, each its own statement: what two workers of gunicorn seldom bring about."""
    database = Database(dataclasses.replace(settings, database=dataclasses.replace(settings.database, pool_size=8)))
    store = EventStore(database)
    shuffle = random.Random(7).shuffle

    def batch(names: list[str]) -> list[ReadyEvent]:
        names = names.copy()
        shuffle(names)
        sent = [an_event(an_entity(name), event_id=name if shared == "events" else None) for name in names]
        return [read_event(parse(json.dumps(event)), is_strict=False) for event in sent]

    def send(events: list[ReadyEvent]) -> int:
        deadline.start(60)
        return sum(isinstance(result, Stored) for result in store.store_each(events))

    for _ in range(2):
        names = [str(uuid.uuid4()) for _ in range(1500)]
        batches = [batch(names) for _ in range(8)]
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(send, batches)) == [1500] * 8
    database.close()


def test_150_requests_share_40_connections_and_none_fails(tmp_path: Path) -> None:
    with ExitStack() as stack:
        server = Postgres("fsync = off", "max_connections = 40")
        stack.callback(server.remove)
        environment = {"DATABASE_URL": server.create("crowd"), "DATA_DIR": str(tmp_path), "DATABASE_POOL_SIZE": "30"}
        migrate(config.load(environment))
        token = OwnIssuer(config.load(environment)).issue("test", SCOPES, 3600)
        # 4 workers of 30 connections would be three times what the server grants.
        service = Gunicorn(tmp_path / "log", **environment, WEB_WORKERS="4", WEB_THREADS="40")
        stack.callback(service.stop)
        client = HttpClient(service.port, token)

        def send(number: int) -> Answer:
            if number % 3 == 0:
                return client.post("/api/v1/events/bulk", json=[an_event() for _ in range(50)])
            return client.post("/api/v1/events", json=an_event()) if number % 3 == 1 else client.get("/api/v1/events")

        for _ in range(3):
            answers = at_once(send, list(range(150)))
            assert {answer.status for answer in answers} <= {200, 503}
            assert all("retry-after" in answer.headers for answer in answers if answer.status == 503)
            assert sum(answer.status == 200 for answer in answers) > 75
    assert '"status": 500' not in (tmp_path / "log").read_text()
