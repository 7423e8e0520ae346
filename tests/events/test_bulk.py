"""`POST /api/v1/events/bulk`: many events, each for itself."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from tests.events.samples import an_entity, an_event
from tests.transports import Client


def ids(events: list[dict[str, Any]]) -> list[str]:
    return [event["eventHeader"]["uuid"] for event in events]


def stored(rows: Any, event_ids: list[str]) -> list[str]:
    return [row[0] for row in rows("SELECT id FROM business_events WHERE id = ANY (%s)", event_ids)]


def test_every_event_of_a_good_batch_is_stored(client: Client, rows: Any) -> None:
    events = [an_event() for _ in range(100)]
    answer = client.post("/api/v1/events/bulk", json=events)
    body = answer.json()
    assert answer.status == 200
    assert body["processingTimeMs"] > 0
    assert uuid.UUID(body["batchId"])
    assert {key: body[key] for key in ("success", "message", "processedCount", "failedCount")} == {
        "success": True,
        "message": "All events processed successfully",
        "processedCount": 100,
        "failedCount": 0,
    }
    assert [(result["index"], result["event_id"], result["status"]) for result in body["results"]] == [
        (index, event_id, 200) for index, event_id in enumerate(ids(events))
    ]
    assert sorted(stored(rows, ids(events))) == sorted(ids(events))


def test_a_bad_or_duplicate_event_never_stops_its_neighbours(client: Client, rows: Any) -> None:
    known = an_event()
    client.post("/api/v1/events", json=known)
    good = [an_event() for _ in range(4)]
    repeated = an_event(event_id=ids(good)[0])
    elements = [
        json.dumps(good[0]),
        json.dumps(an_event(eventName="")),
        json.dumps(good[1]),
        json.dumps(known),
        "null",
        json.dumps(repeated),
        json.dumps(good[2]).replace('"Car"', '"C\\u0000r"'),
        json.dumps(an_event(an_entity(data=1))).replace('"data": 1', '"data": ' + "[" * 100_000 + "]" * 100_000),
        json.dumps(an_event(an_entity(data=1))).replace('"data": 1', '"data": 1e99999'),
        json.dumps(an_event(an_entity(data=1))).replace('"data": 1', '"data": 1, "data": 2'),
        json.dumps(an_event(an_entity(data="\ud800"))),
        json.dumps(good[3]),
    ]
    answer = client.post("/api/v1/events/bulk", body=f"[{' , '.join(elements)}]")
    body = answer.json()
    assert answer.status == 200
    assert [result["status"] for result in body["results"]] == [
        200,
        422,
        200,
        409,
        422,
        409,
        422,
        422,
        422,
        422,
        422,
        200,
    ]
    assert (body["success"], body["message"]) == (False, "Processed 3 events, 9 failed")
    results = body["results"]
    assert results[1]["details"]["errors"] == [
        {"path": "eventHeader.eventName", "message": "Event header event_name is required"}
    ]
    assert (results[3]["event_id"], results[3]["details"]) == (ids([known])[0], {"identical": True})
    assert results[4]["event_id"] is None
    assert results[5]["details"] == {"identical": False}
    assert sorted(stored(rows, ids([good[0], good[1], good[3]]))) == sorted(ids([good[0], good[1], good[3]]))


def test_events_of_a_batch_take_effect_in_their_order(client: Client) -> None:
    entity = an_entity(color="blue")
    newer = an_entity(entity["id"], updated="2025-03-01T00:00:00Z", color="red")
    older = an_entity(entity["id"], updated="2025-02-01T00:00:00Z", color="green")
    body = client.post("/api/v1/events/bulk", json=[an_event(entity), an_event(newer), an_event(older)]).json()
    assert [result["entities"][0]["outcome"] for result in body["results"]] == ["created", "updated", "stale"]
    assert client.get(f"/api/v1/entities/Car/{entity['id']}").json()["entity"]["color"] == "red"


def test_more_events_than_allowed_are_refused_and_counted(client: Client) -> None:
    answer = client.post("/api/v1/events/bulk", json=[an_event() for _ in range(101)])
    body = answer.json()
    assert (answer.status, body["error"], body["received"]) == (400, "Too many events", 101)
    assert body["message"] == "Maximum 100 events allowed per request"


@pytest.mark.parametrize("body", ["[]", "null", " [ ] "])
def test_an_empty_batch_is_refused(client: Client, body: str) -> None:
    answer = client.post("/api/v1/events/bulk", body=body)
    assert answer.status == 422
    assert "events list is null or empty" in answer.json()["details"]["errors"][0]["message"]


@pytest.mark.parametrize("body", ["{}", '"text"', "1", "true"])
def test_a_batch_that_is_no_list_is_refused(client: Client, body: str) -> None:
    answer = client.post("/api/v1/events/bulk", body=body)
    assert (answer.status, answer.json()["error"]) == (422, "Invalid event structure")


@pytest.mark.parametrize("body", ["", "[", "[1,]", "[{}", "[NaN]", "[1] 2", "[1 2]", "{"])
def test_a_batch_that_is_no_json_is_refused_whole(client: Client, body: str) -> None:
    answer = client.post("/api/v1/events/bulk", body=body)
    assert (answer.status, answer.json()["error"]) == (400, "Invalid JSON")


class TestAtomic:
    """`?atomic=true`: all or nothing."""

    def test_a_good_batch_is_stored_whole(self, client: Client, rows: Any) -> None:
        events = [an_event() for _ in range(5)]
        answer = client.post("/api/v1/events/bulk?atomic=true", json=events)
        assert (answer.status, answer.json()["success"]) == (200, True)
        assert len(stored(rows, ids(events))) == 5

    @pytest.mark.parametrize("bad", ["invalid", "stored already", "repeated"])
    def test_one_bad_event_keeps_all_from_being_stored(self, client: Client, rows: Any, bad: str) -> None:
        events = [an_event() for _ in range(3)]
        known = an_event()
        client.post("/api/v1/events", json=known)
        events[1] = {"invalid": an_event(eventName=""), "stored already": known, "repeated": events[0]}[bad]
        answer = client.post("/api/v1/events/bulk?atomic=true", json=events)
        body = answer.json()
        assert (answer.status, body["error"], body["success"], body["processedCount"]) == (
            422,
            "Batch refused",
            False,
            0,
        )
        assert [result["status"] for result in body["results"]] == [422, 422 if bad == "invalid" else 409, 422]
        assert stored(rows, [ids(events)[0], ids(events)[2]]) == []

    def test_another_value_is_refused(self, client: Client) -> None:
        answer = client.post("/api/v1/events/bulk?atomic=maybe", json=[an_event()])
        assert (answer.status, answer.json()["details"]["errors"][0]["path"]) == (422, "atomic")
