"""The API out of the image: over HTTP, and as the Lambda function behind API Gateway."""

from __future__ import annotations

import json
import uuid

import pytest

from tests.docker.conftest import Stack
from tests.events.samples import an_entity, an_event
from tests.transports import Client, HttpClient

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]


class TestContract:
    """What a partner may count on, whichever way the image runs."""

    def test_the_process_is_healthy_and_ready(self, client: Client) -> None:
        assert client.get("/health", token=None).json()["status"] == "healthy"
        ready = client.get("/ready", token=None)
        assert (ready.status, ready.json()["missingMigrations"]) == (200, [])
        assert client.get("/api/v1/events/health", token=None).json()["database"] == "connected"

    def test_an_event_is_stored_and_read_back(self, client: Client) -> None:
        event = an_event(an_entity(make="Škoda", price=1), eventType="CarCreated")
        answer = client.post("/api/v1/events", json=event)
        event_id, entity_id = event["eventHeader"]["uuid"], event["entities"][0]["id"]
        assert answer.status == 200
        assert answer.json()["event_id"] == event_id
        assert answer.json()["entities"] == [{"entityId": entity_id, "entityType": "Car", "outcome": "created"}]
        assert client.get(f"/api/v1/events/{event_id}").json()["event"] == event

    def test_numbers_keep_every_digit(self, client: Client) -> None:
        entity = an_entity()
        body = json.dumps(an_event(entity | {"balance": 0})).replace(
            '"balance": 0', '"balance": 12345678901234567890123.000001'
        )
        assert client.post("/api/v1/events", body=body).status == 200
        found = client.get(f"/api/v1/entities/Car/{entity['id']}").body.decode()
        assert "12345678901234567890123.000001" in found

    def test_a_duplicate_is_a_conflict(self, client: Client) -> None:
        event = an_event()
        assert client.post("/api/v1/events", json=event).status == 200
        answer = client.post("/api/v1/events", json=event)
        assert answer.status == 409
        assert answer.json()["eventId"] == event["eventHeader"]["uuid"]
        assert answer.json()["identical"] is True

    def test_a_bad_event_of_a_batch_leaves_its_neighbours_alone(self, client: Client) -> None:
        first, bad, last = an_event(), an_event(eventName=""), an_event()
        answer = client.post("/api/v1/events/bulk", json=[first, bad, last])
        assert answer.status == 200
        assert [result["status"] for result in answer.json()["results"]] == [200, 422, 200]
        assert (answer.json()["processedCount"], answer.json()["failedCount"]) == (2, 1)
        for event, status in ((first, 200), (bad, 404), (last, 200)):
            assert client.get(f"/api/v1/events/{event['eventHeader']['uuid']}").status == status

    def test_the_newest_version_of_an_entity_wins(self, client: Client) -> None:
        entity = an_entity(updated="2025-02-01T00:00:00Z", color="blue")
        stale = an_entity(entity["id"], updated="2025-01-01T00:00:00Z", color="red")
        newer = an_entity(entity["id"], updated="2025-03-01T00:00:00Z", color="green")
        for version, outcome, color in (
            (entity, "created", "blue"),
            (stale, "stale", "blue"),
            (newer, "updated", "green"),
        ):
            answer = client.post("/api/v1/events", json=an_event(version))
            assert [result["outcome"] for result in answer.json()["entities"]] == [outcome]
            found = client.get(f"/api/v1/entities/Car/{entity['id']}").json()
            assert found["entity"]["color"] == color

    def test_a_request_without_a_token_is_refused(self, client: Client) -> None:
        answer = client.post("/api/v1/events", json=an_event(), token=None)
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")

    def test_an_unknown_path_is_answered_in_the_one_shape_of_errors(self, client: Client) -> None:
        answer = client.get("/nowhere")
        assert (answer.status, answer.json()["status"]) == (404, 404)
        assert answer.json()["requestId"] == answer.headers["x-request-id"]

    @pytest.mark.parametrize(
        ("path", "contents"),
        [
            ("/docs", b"swagger-ui"),
            ("/redoc", b"redoc"),
            ("/docs/swagger-ui-bundle.js", b"swagger"),
            ("/docs/redoc.standalone.js", b"redoc"),
            ("/openapi.json", b'"openapi":"3.1'),
        ],
    )
    def test_the_documentation_is_in_the_image(self, client: Client, path: str, contents: bytes) -> None:
        answer = client.get(path, token=None)
        assert answer.status == 200
        assert contents in answer.body


def test_a_person_registers_signs_in_and_keeps_a_goal(stack: Stack) -> None:
    """Where the service is its own issuer; the function's users come from Cognito."""
    client = HttpClient(stack.port)
    person = {"email": f"{uuid.uuid4().hex}@example.com", "password": "Long-enough-42"}
    answer = client.post("/auth/register", json=person | {"firstName": "Ada", "lastName": "Lovelace"})
    assert answer.status == 201, answer.body
    token = client.post("/auth/login", json=person).json()["accessToken"]
    profile = client.get("/users/profile", token=token).json()
    assert profile["email"] == person["email"]
    zone = {"firstName": "Ada", "lastName": "Lovelace", "timezone": "Australia/Lord_Howe"}
    assert client.put("/users/profile", json=zone, token=token).json()["timezone"] == zone["timezone"]
    target = {"metric": "days", "value": 7, "unit": "days"}
    goal = {"title": "Read", "category": "mind", "goalPattern": "streak", "target": target}
    made = client.post("/goals", json=goal, token=token)
    assert made.status == 201, made.body
    path = f"/goals/{made.json()['goalId']}"
    assert client.post(f"{path}/activities", json={"value": 1}, token=token).status == 201
    assert client.get(f"{path}/progress", token=token).json()["streak"] == {"current": 1, "longest": 1}
    keys = client.get("/.well-known/jwks.json").json()["keys"]
    assert [key["alg"] for key in keys] == ["RS256"]
