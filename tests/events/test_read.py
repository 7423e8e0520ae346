"""Reading events and the histories of entities, page by page."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest

from tests.events.samples import an_entity, an_event
from tests.transports import Client, LambdaClient, event_v2


def walk(client: Client, target: str) -> list[dict[str, Any]]:
    """Follow the Link headers to the end."""
    found = []
    for _ in range(50):
        answer = client.get(target)
        assert answer.status == 200
        found += answer.json()["events"]
        link = re.fullmatch(r'<(.+)>; rel="next"', answer.headers.get("link", ""))
        if link is None:
            return found
        target = link[1]
    raise AssertionError("the pages do not end")


@pytest.fixture(scope="module")
def sent() -> list[dict[str, Any]]:
    kind = f"type-{uuid.uuid4()}"
    return [an_event(eventType=kind) for _ in range(23)]


@pytest.fixture
def kind(sent: list[dict[str, Any]], client: Client) -> str:
    client.post("/api/v1/events/bulk", json=sent[:20])  # at one moment; stored only the first time
    for event in sent[20:]:
        client.post("/api/v1/events", json=event)
    return str(sent[0]["eventHeader"]["eventType"])


def test_pages_hold_every_event_once_and_the_newest_first(client: Client, kind: str, sent: Any) -> None:
    found = walk(client, f"/api/v1/events?type={kind}&limit=4")
    assert sorted(event["event_id"] for event in found) == sorted(event["eventHeader"]["uuid"] for event in sent)
    moments = [event["receivedAt"] for event in found]
    assert moments == sorted(moments, reverse=True)
    assert [event["event_id"] for event in found[:3]] == [event["eventHeader"]["uuid"] for event in sent[:19:-1]]


def test_a_list_can_be_cut_by_time(client: Client, kind: str) -> None:
    newest = client.get(f"/api/v1/events?type={kind}&limit=1").json()["events"][0]
    moment = newest["receivedAt"]
    assert len(client.get(f"/api/v1/events?type={kind}&since={moment}").json()["events"]) == 1
    assert len(client.get(f"/api/v1/events?type={kind}&until={moment}").json()["events"]) == 22
    assert client.get(f"/api/v1/events?type={kind}&since=2999-01-01").json() == {"events": []}


def test_a_history_holds_every_touch_of_the_entity_newest_first(client: Client) -> None:
    entity = an_entity()
    for hour in range(5):
        client.post("/api/v1/events", json=an_event(an_entity(entity["id"], updated=f"2025-02-01T0{hour}:00:00Z")))
    twice = an_event(an_entity(entity["id"], updated="2025-03-01"), an_entity(entity["id"], updated="2025-02-28"))
    client.post("/api/v1/events", json=twice)
    found = walk(client, f"/api/v1/entities/Car/{entity['id']}/history?limit=1")
    assert [event["outcome"] for event in found] == ["stale", "updated", *["updated"] * 4, "created"]
    assert found[0]["event_id"] == twice["eventHeader"]["uuid"]


def test_an_event_says_what_became_of_its_entities(client: Client) -> None:
    event = an_event(an_entity(), an_entity(kind="Spaceship"))
    event_id = client.post("/api/v1/events", json=event).json()["event_id"]
    found = client.get(f"/api/v1/events/{event_id}").json()
    assert (found["event_id"], found["event"]) == (event_id, event)
    assert [entity["outcome"] for entity in found["entities"]] == ["created", "unprojected"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", found["receivedAt"])


@pytest.mark.parametrize("entity_id", ["a/b", "a b", "ä%2F+", "x/history/y", "a//b", "?#"], ids=str)
def test_ids_with_any_character_can_be_read_back(client: Client, entity_id: str) -> None:
    from urllib.parse import quote

    entity_id = f"{entity_id}{uuid.uuid4()}"
    event_id = f"{entity_id}-event"
    client.post("/api/v1/events", json=an_event(an_entity(entity_id), event_id=event_id))
    assert client.get(f"/api/v1/events/{quote(event_id, safe='')}").json()["event_id"] == event_id
    path = f"/api/v1/entities/Car/{quote(entity_id, safe='')}"
    assert client.get(path).json()["entityId"] == entity_id
    assert client.get(f"{path}/history").json()["events"][0]["event_id"] == event_id


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=ten", "limit"),
        ("since=yesterday", "since"),
        ("until=2024-13-01", "until"),
        ("type=", "type"),
        ("cursor=nonsense", "cursor"),
        ("cursor=W10", "cursor"),
        ("cursor=" + "A" * 2000, "cursor"),
        ("typ=CarCreated", "typ"),
        ("type=%00", "type"),
    ],
)
def test_a_wrong_query_is_refused_and_named(client: Client, query: str, path: str) -> None:
    answer = client.get(f"/api/v1/events?{query}")
    assert (answer.status, answer.json()["details"]["errors"][0]["path"]) == (422, path)


@pytest.mark.parametrize("path", ["events/%00", "entities/Car/%00", "entities/%00/x", "entities/Car/%00/history"])
def test_an_id_that_cannot_exist_is_not_found(client: Client, path: str) -> None:
    assert client.get(f"/api/v1/{path}").status == 404


def test_the_next_page_is_below_the_stage_of_the_gateway(handler: Any, token: str) -> None:
    client = LambdaClient(handler, token, lambda *args, **kwargs: event_v2(*args, stage="prod", **kwargs))
    for _ in range(2):
        client.post("/api/v1/events", json=an_event())
    assert client.get("/api/v1/events?limit=1").headers["link"].startswith("</prod/api/v1/events?limit=1&cursor=")


def test_health_is_public_and_tells_of_the_database(client: Client) -> None:
    answer = client.get("/api/v1/events/health", token=None)
    assert answer.status == 200
    assert answer.json() == {"status": "healthy", "message": "Producer API is healthy", "database": "connected"}
