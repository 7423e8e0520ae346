"""What events do to entities: the newest version wins, whatever the order of arrival."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.documents import parse
from service.events.documents import read_event
from service.events.service import EventStore
from tests.events.samples import an_entity, an_event
from tests.transports import Client


def outcomes(client: Client, *entities: dict[str, Any]) -> list[str]:
    answer = client.post("/api/v1/events", json=an_event(*entities))
    assert answer.status == 200
    return [entity["outcome"] for entity in answer.json()["entities"]]


def test_a_newer_version_replaces_the_entity_whole(client: Client) -> None:
    entity = an_entity(color="blue", mileage=1)
    newer = an_entity(entity["id"], updated="2025-02-01T00:00:00Z", color="red")
    newer["entityHeader"]["createdAt"] = "2025-02-01T00:00:00Z"
    assert outcomes(client, entity) == ["created"]
    assert outcomes(client, newer) == ["updated"]
    found = client.get(f"/api/v1/entities/Car/{entity['id']}").json()
    assert found["entity"] == {"id": entity["id"], "color": "red"}
    assert (found["createdAt"], found["updatedAt"]) == ("2025-01-15T10:30:00Z", "2025-02-01T00:00:00Z")
    assert found["version"] == 2


def test_a_stale_update_does_not_overwrite_a_newer_entity(client: Client) -> None:
    entity = an_entity(color="blue")
    outcomes(client, entity)
    assert outcomes(client, an_entity(entity["id"], updated="2024-01-01T00:00:00Z", color="red")) == ["stale"]
    assert client.get(f"/api/v1/entities/Car/{entity['id']}").json()["entity"]["color"] == "blue"


def test_a_version_of_the_same_age_replaces_the_entity(client: Client) -> None:
    entity = an_entity(color="blue")
    outcomes(client, entity)
    assert outcomes(client, an_entity(entity["id"], color="red")) == ["updated"]
    assert client.get(f"/api/v1/entities/Car/{entity['id']}").json()["entity"]["color"] == "red"


def test_an_unknown_entity_type_is_kept_as_an_event_only(client: Client) -> None:
    entity = an_entity(kind="Spaceship")
    assert outcomes(client, entity, an_entity()) == ["unprojected", "created"]
    assert client.get(f"/api/v1/entities/Spaceship/{entity['id']}").status == 404
    history = client.get(f"/api/v1/entities/Spaceship/{entity['id']}/history").json()["events"]
    assert [event["outcome"] for event in history] == ["unprojected"]


def test_of_an_entity_that_stands_twice_in_an_event_the_newer_one_wins(client: Client) -> None:
    newer = an_entity(updated="2025-02-01T00:00:00Z", color="red")
    older = an_entity(newer["id"], color="blue")
    assert outcomes(client, newer, older) == ["created", "stale"]
    assert client.get(f"/api/v1/entities/Car/{newer['id']}").json()["entity"]["color"] == "red"


def test_the_same_id_in_two_types_is_two_entities(client: Client) -> None:
    entity_id = str(uuid.uuid4())
    assert outcomes(client, an_entity(entity_id), an_entity(entity_id, kind="Loan")) == ["created", "created"]


def test_numbers_keep_every_digit(client: Client) -> None:
    entity = an_entity()
    numbers = ["12345678901234567890123.000001", "0.10", "1.0", "9007199254740993", "-0.00000000000000000001", "0.0"]
    body = json.dumps(an_event(entity)).replace('"id":', f'"numbers": [{", ".join(numbers)}], "id":')
    event_id = client.post("/api/v1/events", body=body).json()["event_id"]
    for path in (f"/api/v1/entities/Car/{entity['id']}", f"/api/v1/events/{event_id}"):
        assert f'"numbers": [{", ".join(numbers)}]' in client.get(path).body.decode()


@dataclass
class Kept:
    """What an entity should be: the plain way to say it, one version after the other."""

    updated: int
    mark: int
    created_by: int
    version: int


MOMENTS = st.integers(0, 4)
BATCHES = st.lists(
    st.lists(
        st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["Car", "Loan"]), MOMENTS), min_size=1, max_size=4),
        min_size=1,
        max_size=5,
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=BATCHES)
def test_a_batch_has_the_effect_of_its_events_one_after_the_other(
    store: EventStore, rows: Any, batches: list[list[list[tuple[int, str, int]]]]
) -> None:
    run = uuid.uuid4().hex
    model: dict[tuple[str, str], Kept] = {}
    mark = 0
    for batch in batches:
        events, expected = [], []
        for entities in batch:
            sent, outcomes = [], []
            for number, kind, moment in entities:
                mark += 1
                key = (kind, f"{run}-{number}")
                sent.append(an_entity(key[1], kind=kind, updated=moment, mark=mark))
                if key not in model:
                    model[key] = Kept(moment, mark, mark, 1)
                    outcomes.append("created")
                elif moment >= model[key].updated:
                    model[key] = Kept(moment, mark, model[key].created_by, model[key].version + 1)
                    outcomes.append("updated")
                else:
                    outcomes.append("stale")
            expected.append(outcomes)
            events.append(read_event(parse(json.dumps(an_event(*sent))), is_strict=False))
        assert [result.outcomes for result in store.store_each(events)] == expected
    found = rows(
        "SELECT entity_type, entity_id, extract(epoch FROM updated_at) * 1000, (entity_data ->> 'mark')::int, version"
        " FROM entities WHERE entity_id LIKE %s",
        f"{run}-%",
    )
    assert {(kind, key): (updated, mark, version) for kind, key, updated, mark, version in found} == {
        key: (kept.updated, kept.mark, kept.version) for key, kept in model.items()
    }


def test_a_repeated_unit_of_work_stores_nothing_twice_and_answers_as_before(environment: dict[str, str]) -> None:
    from service.events import queries

    entity = an_entity()
    events = [
        read_event(parse(json.dumps(an_event(entity, an_entity(entity["id"])))), is_strict=False) for _ in range(3)
    ]
    incoming = f"[{','.join(event.as_row(is_repeated=False) for event in events)}]"
    batch_id = str(uuid.uuid4())
    connection = psycopg2.connect(environment["DATABASE_URL"])
    connection.autocommit = True
    with connection.cursor() as cursor:
        first = queries.store_events(cursor, batch_id, incoming)
        assert queries.store_events(cursor, batch_id, incoming) == first
        assert [row[0] for row in queries.store_events(cursor, str(uuid.uuid4()), incoming)] == [False] * 3
    connection.close()
    assert [row[2] for row in first] == [["created", "updated"], ["updated", "updated"], ["updated", "updated"]]


@pytest.mark.parametrize(
    "missing", ["/api/v1/entities/Car/none", "/api/v1/entities/Car/none/history", "/api/v1/events/none"]
)
def test_what_does_not_exist_is_not_found(client: Client, missing: str) -> None:
    answer = client.get(missing)
    assert (answer.status, answer.json()["error"]) == (404, "Not Found")
