"""`POST /api/v1/events`: one event."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.events.samples import an_entity, an_event
from tests.transports import Client

FIXTURES = Path(__file__).parents[3] / "shared" / "fixtures" / "events"


def test_an_event_is_stored_with_its_header_and_its_entities(client: Client, rows: Any) -> None:
    event = an_event(an_entity(make="Tesla"), eventType="CarCreated", createdDate="2024-01-15T10:30:00+02:00")
    answer = client.post("/api/v1/events", json=event)
    event_id, entity_id = event["eventHeader"]["uuid"], event["entities"][0]["id"]
    assert answer.status == 200
    assert answer.json() == {
        "success": True,
        "message": "Event processed successfully",
        "event_id": event_id,
        "entities": [{"entityId": entity_id, "entityType": "Car", "outcome": "created"}],
    }
    assert rows("SELECT event_data FROM business_events WHERE id = %s", event_id) == [(event,)]
    assert rows(
        "SELECT header_data, event_name, rfc3339(created_date), saved_date FROM event_headers WHERE id = %s", event_id
    ) == [(event["eventHeader"], "Car Created", "2024-01-15T08:30:00Z", None)]
    assert rows("SELECT entity_data, event_id, version FROM car_entities WHERE entity_id = %s", entity_id) == [
        ({"id": entity_id, "make": "Tesla"}, event_id, 1)
    ]


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.json")), ids=lambda path: path.stem)
def test_a_partner_s_sample_event_is_stored_and_read_back_as_it_was_sent(client: Client, path: Path) -> None:
    event = json.loads(path.read_text())
    event["eventHeader"]["uuid"] = str(uuid.uuid4())
    assert client.post("/api/v1/events", json=event).status == 200
    assert client.get(f"/api/v1/events/{event['eventHeader']['uuid']}").json()["event"] == event


def test_an_event_without_a_uuid_gets_one_of_version_7(client: Client, rows: Any) -> None:
    event = an_event()
    del event["eventHeader"]["uuid"]
    event_id = client.post("/api/v1/events", json=event).json()["event_id"]
    assert uuid.UUID(event_id).version == 7
    assert rows("SELECT event_data FROM business_events WHERE id = %s", event_id) == [(event,)]


@pytest.mark.parametrize("is_identical", [True, False], ids=["the same content", "other content"])
def test_a_uuid_that_is_stored_already_is_a_conflict(client: Client, is_identical: bool) -> None:
    event = an_event()
    event_id = event["eventHeader"]["uuid"]
    client.post("/api/v1/events", json=event)
    if not is_identical:
        event["entities"][0]["color"] = "red"
    answer = client.post("/api/v1/events", json=event)
    assert answer.status == 409
    body = answer.json()
    assert (body["error"], body["message"]) == ("Conflict", f"Event with ID '{event_id}' already exists")
    assert (body["eventId"], body["identical"]) == (event_id, is_identical)


def test_a_refused_event_leaves_its_entities_alone(client: Client) -> None:
    event = an_event(an_entity(color="blue"))
    client.post("/api/v1/events", json=event)
    entity_id = event["entities"][0]["id"]
    event["entities"] = [an_entity(entity_id, color="red", updated="2099-01-01T00:00:00Z")]
    assert client.post("/api/v1/events", json=event).status == 409
    assert client.get(f"/api/v1/entities/Car/{entity_id}").json()["entity"]["color"] == "blue"


def test_snake_case_keys_are_stored_as_camel_case_and_data_keys_are_left_alone(client: Client) -> None:
    event_id = str(uuid.uuid4())
    sent = (
        f'{{"event_header": {{"uuid": "{event_id}", "event_name": "Loan", "event_type": "LoanCreated",'
        ' "created_date": 1700000000000, "saved_date": "1700000000000"}, "entities": [{"entity_header":'
        f' {{"entity_id": "{event_id}", "entity_type": "Loan", "created_at": "2024-01-01",'
        ' "updated_at": "2024-01-02"},'
        ' "loan_amount": 12345678901234567890123.000001, "entity_id": "data", "nested": {"entity_header": 1}}]}'
    )
    assert client.post("/api/v1/events", body=sent).status == 200
    stored = json.loads(client.get(f"/api/v1/events/{event_id}").body, parse_float=str)["event"]
    assert stored == {
        "eventHeader": {
            "uuid": event_id,
            "eventName": "Loan",
            "eventType": "LoanCreated",
            "createdDate": 1700000000000,
            "savedDate": "1700000000000",
        },
        "entities": [
            {
                "entityHeader": {
                    "entityId": event_id,
                    "entityType": "Loan",
                    "createdAt": "2024-01-01",
                    "updatedAt": "2024-01-02",
                },
                "loan_amount": "12345678901234567890123.000001",
                "entity_id": "data",
                "nested": {"entity_header": 1},
            }
        ],
    }


def test_filters_are_stored_with_the_event(client: Client) -> None:
    event = an_event() | {"filters": [{"field": "status", "value": 1}]}
    event_id = client.post("/api/v1/events", json=event).json()["event_id"]
    assert client.get(f"/api/v1/events/{event_id}").json()["event"] == event


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("2024-01-15T10:30:00Z", "2024-01-15T10:30:00Z"),
        ("2024-01-15t10:30:00.123456789z", "2024-01-15T10:30:00.123456Z"),
        ("2024-01-15 10:30:00-05:00", "2024-01-15T15:30:00Z"),
        ("2024-01-15T10:30", "2024-01-15T10:30:00Z"),
        ("2024-01-15", "2024-01-15T00:00:00Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        (1705314600000, "2024-01-15T10:30:00Z"),
        (1705314600123, "2024-01-15T10:30:00.123Z"),
        ("1705314600123", "2024-01-15T10:30:00.123Z"),
        (-1000, "1969-12-31T23:59:59Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ],
    ids=str,
)
def test_a_date_is_iso_8601_or_epoch_milliseconds(client: Client, rows: Any, sent: Any, stored: str) -> None:
    event_id = client.post("/api/v1/events", json=an_event(createdDate=sent)).json()["event_id"]
    found = rows("SELECT created_date = %s::timestamptz FROM business_events WHERE id = %s", stored, event_id)
    assert found == [(True,)]


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "application/json",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/cloudevents+json",
    ],
    ids=str,
)
def test_every_json_content_type_is_right(client: Client, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    assert client.post("/api/v1/events", body=json.dumps(an_event()), headers=headers).status == 200


def test_text_of_every_script_survives(client: Client) -> None:
    entity = an_entity("Füße/日本/🚗%2F " + str(uuid.uuid4()), ключ="значение 🚗", emoji="\U0001f697")
    event = an_event(entity, eventName="Änderung")
    event_id = client.post("/api/v1/events", json=event).json()["event_id"]
    assert client.get(f"/api/v1/events/{event_id}").json()["event"] == event
