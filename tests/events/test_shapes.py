"""The events API through every kind of event that reaches the Lambda function, and over HTTP: the same answers."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.events.samples import an_entity, an_event
from tests.transports import (
    Client,
    HttpClient,
    LambdaClient,
    event_alb,
    event_alb_multi,
    event_v1,
    event_v2,
)

SHAPES = {"payload 2.0": event_v2, "payload 1.0": event_v1, "ALB": event_alb, "ALB multi": event_alb_multi}


@pytest.fixture(params=["gunicorn", *SHAPES])
def client(request: pytest.FixtureRequest, token: str) -> Client:
    if request.param == "gunicorn":
        return HttpClient(request.getfixturevalue("gunicorn").port, token)
    return LambdaClient(request.getfixturevalue("handler"), token, SHAPES[request.param])


class TestEventsThroughEveryShape:
    def test_an_event_is_stored_and_read_back(self, client: Client) -> None:
        event = an_event(an_entity("Füße/日本 " + str(uuid.uuid4()), note="🚗"))
        event_id, entity_id = event["eventHeader"]["uuid"], event["entities"][0]["id"]
        assert client.post("/api/v1/events", json=event).status == 200
        assert client.get(f"/api/v1/events/{event_id}").json()["event"] == event
        found = client.get(f"/api/v1/entities/Car/{quote(entity_id, safe='')}").json()
        assert found["entity"] == {"id": entity_id, "note": "🚗"}

    def test_a_conflict_is_told(self, client: Client) -> None:
        event = an_event()
        client.post("/api/v1/events", json=event)
        answer = client.post("/api/v1/events", json=event)
        assert (answer.status, answer.json()["identical"]) == (409, True)

    def test_a_batch_keeps_the_good_and_names_the_bad(self, client: Client) -> None:
        answer = client.post("/api/v1/events/bulk", json=[an_event(), an_event(eventName="")])
        assert [result["status"] for result in answer.json()["results"]] == [200, 422]
        answer = client.post("/api/v1/events/bulk?atomic=true", json=[an_event(), an_event(eventName="")])
        assert (answer.status, answer.json()["processedCount"]) == (422, 0)

    def test_pages_lead_to_each_other(self, client: Client) -> None:
        kind = f"type {uuid.uuid4()} & more"
        sent = [an_event(eventType=kind) for _ in range(3)]
        client.post("/api/v1/events/bulk", json=sent)
        first = client.get(f"/api/v1/events?limit=2&type={quote(kind)}")
        link = first.headers["link"].removeprefix("<").removesuffix('>; rel="next"')
        target = "/api" + link.partition("/api")[2]  # below the stage, where there is one
        second = client.get(target)
        found = [event["event_id"] for event in first.json()["events"] + second.json()["events"]]
        assert sorted(found) == sorted(event["eventHeader"]["uuid"] for event in sent)
        assert urlsplit(link).path.endswith("/api/v1/events")

    @pytest.mark.parametrize(
        ("method", "path", "body", "status"),
        [
            ("POST", "/api/v1/events", b"{", 400),
            ("POST", "/api/v1/events", b"\xff\xfe", 400),
            ("POST", "/api/v1/events", b"{}", 422),
            ("POST", "/api/v1/events/bulk", b"[]", 422),
            ("GET", "/api/v1/events?limit=0", b"", 422),
            ("GET", "/api/v1/events/none", b"", 404),
            ("GET", "/nowhere", b"", 404),
            ("DELETE", "/api/v1/events", b"", 405),
        ],
    )
    def test_an_error_has_the_one_shape(self, client: Client, method: str, path: str, body: bytes, status: int) -> None:
        answer = client.request(method, path, body=body)
        content: dict[str, Any] = answer.json()
        assert (answer.status, content["status"]) == (status, status)
        assert content.keys() >= {"error", "message", "timestamp", "requestId"}
        assert content["requestId"] == answer.headers["x-request-id"]

    def test_nothing_is_told_without_a_token(self, client: Client) -> None:
        answer = client.get("/api/v1/events", token=None)
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Bearer error=")
