"""`POST /api/v1/events`."""

from __future__ import annotations

from typing import Any

from tests.events.samples import an_entity, an_event
from tests.transports import Client


def test_an_event_is_stored_with_its_entities(client: Client, rows: Any) -> None:
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
    assert rows("SELECT header_data FROM event_headers WHERE id = %s", event_id) == [(event["eventHeader"],)]
    assert rows("SELECT entity_data, event_id, version FROM car_entities WHERE entity_id = %s", entity_id) == [
        ({"id": entity_id, "make": "Tesla"}, event_id, 1)
    ]
