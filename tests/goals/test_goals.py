"""Goals: created, read, replaced and archived, by their owner alone."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from service.goals.answers import GoalOutput
from service.goals.schemas import PATTERNS, STATUSES
from tests.goals.samples import a_goal, create, do
from tests.transports import Client

FULL = {
    "title": "Läufe — 走る 🏃",
    "description": "Every\nmorning",
    "category": "fitness",
    "icon": "🏃",
    "color": "#1e90FF",
    "goalPattern": "recurring",
    "target": {
        "metric": "distance",
        "value": 10.5,
        "unit": "km",
        "period": "quarter",
        "targetDate": "2027-02-28",
        "startValue": -3.25,
        "direction": "increase",
        "targetType": "range",
        "minValue": 0,
        "maxValue": 12.000001,
    },
    "schedule": {"daysOfWeek": [7, 1, 3], "preferredTime": "07:30"},
    "context": {"why": "health", "empty": "", "键": "'; DROP TABLE goals; --"},
    "visibility": "friends",
    "status": "draft",
}
NO_TARGET = dict.fromkeys(
    ("period", "targetDate", "startValue", "direction", "targetType", "minValue", "maxValue")
)  # nothing but nulls
KEPT = {"goalId", "version", "createdAt", "updatedAt"}


def sent_part(goal: dict[str, Any]) -> dict[str, Any]:
    """Return what of a goal its owner sends."""
    return {name: value for name, value in goal.items() if name not in KEPT}


def test_a_goal_is_answered_as_it_was_sent(client: Client, new_user: Any) -> None:
    person = new_user()
    answer = client.post("/goals", json=FULL, token=person.token)
    assert (answer.status, answer.headers["etag"]) == (201, '"1"')
    assert sent_part(answer.json()) == FULL
    GoalOutput().load(answer.json())
    assert answer.json()["createdAt"] == answer.json()["updatedAt"]
    again = client.get(f"/goals/{answer.json()['goalId']}", token=person.token)
    assert (again.status, again.headers["etag"], again.json()) == (200, '"1"', answer.json())


def test_what_is_left_out_has_its_default_or_is_null(client: Client, new_user: Any) -> None:
    goal = a_goal()
    created = create(client, new_user(), goal)
    assert sent_part(created) == goal | {
        "description": "",
        "icon": None,
        "color": None,
        "schedule": None,
        "context": None,
        "visibility": "private",
        "status": "active",
        "target": NO_TARGET | goal["target"],
    }


@pytest.mark.parametrize("pattern", PATTERNS)
def test_what_is_read_can_be_sent_again(client: Client, new_user: Any, pattern: str) -> None:
    person = new_user()
    created = create(client, person, a_goal(pattern))
    answer = client.put(f"/goals/{created['goalId']}", json=sent_part(created), token=person.token)
    assert (answer.status, sent_part(answer.json())) == (200, sent_part(created))


@pytest.mark.parametrize(
    "number",
    [
        "0.000001",
        "1e12",
        "1000000000000.000000",
        "5.50",
        "12345678901.123456",
        "1E-6",
        "0.30000000000000000000000000000",
    ],
)
def test_a_number_keeps_every_digit(client: Client, new_user: Any, number: str) -> None:
    from decimal import Decimal
    from json import loads

    target = f'{{"metric": "m", "unit": "u", "period": "day", "value": {number}, "startValue": -{number}}}'
    body = f'{{"title": "t", "category": "c", "goalPattern": "limit", "target": {target}}}'
    answer = client.post("/goals", body=body, headers={"Content-Type": "application/json"}, token=new_user().token)
    found = loads(answer.body, parse_float=Decimal, parse_int=Decimal)["target"]
    assert (answer.status, found["value"], found["startValue"]) == (201, Decimal(number), -Decimal(number))


def test_a_replacement_forgets_what_it_leaves_out(client: Client, new_user: Any) -> None:
    person = new_user()
    created = create(client, person, FULL)
    goal = a_goal()
    answer = client.put(f"/goals/{created['goalId']}", json=goal, token=person.token)
    assert (answer.status, answer.headers["etag"]) == (200, '"2"')
    replaced = answer.json()
    GoalOutput().load(replaced)
    assert (replaced["context"], replaced["schedule"], replaced["description"]) == (None, None, "")
    assert (replaced["visibility"], replaced["status"]) == ("private", "active")
    assert replaced["target"] == NO_TARGET | goal["target"]
    assert (replaced["goalId"], replaced["createdAt"]) == (created["goalId"], created["createdAt"])
    assert (replaced["version"], replaced["updatedAt"] > created["updatedAt"]) == (2, True)
    assert client.get(f"/goals/{created['goalId']}", token=person.token).json() == replaced


@pytest.mark.parametrize("status", STATUSES)
def test_a_goal_of_any_status_is_archived_once(client: Client, new_user: Any, status: str) -> None:
    person = new_user()
    created = create(client, person, a_goal(status=status))
    first = client.delete(f"/goals/{created['goalId']}", token=person.token)
    second = client.delete(f"/goals/{created['goalId']}", token=person.token)
    changes = 0 if status == "archived" else 1
    assert (first.status, first.json()["status"], first.json()["version"]) == (200, "archived", 1 + changes)
    assert (first.json()["updatedAt"] > created["updatedAt"]) == bool(changes)
    assert (second.status, second.json(), second.headers["etag"]) == (200, first.json(), first.headers["etag"])
    assert client.get(f"/goals/{created['goalId']}", token=person.token).json() == first.json()


def test_an_archived_goal_keeps_its_activities_and_can_come_back(client: Client, new_user: Any) -> None:
    person, goal = new_user(), a_goal()
    target = f"/goals/{create(client, person, goal)['goalId']}"
    do(client, person, target.rpartition("/")[2])
    client.delete(target, token=person.token)
    assert client.get(f"{target}/activities", token=person.token).json()["pagination"]["total"] == 1
    assert client.get(f"{target}/progress", token=person.token).json()["activities"] == 1
    assert client.put(target, json=goal, token=person.token).json()["status"] == "active"
    do(client, person, target.rpartition("/")[2])


@pytest.mark.parametrize(("method", "path"), [
    ("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/activities"), ("POST", "/activities"), ("GET", "/progress"),
])  # fmt: skip
def test_a_goal_that_is_not_there_or_not_ones_own_is_not_found(
    client: Client, new_user: Any, method: str, path: str
) -> None:
    owner, stranger = new_user(), new_user()
    theirs = create(client, owner)["goalId"]
    body = {"PUT": a_goal(), "POST": {"value": 1}}.get(method)
    told = []
    for goal_id in (theirs, str(uuid.uuid4())):
        for headers in ({}, {"If-Match": "*"}, {"If-None-Match": "*"}):
            answer = client.request(method, f"/goals/{goal_id}{path}", json=body, headers=headers, token=stranger.token)
            assert answer.status == 404
            told.append((answer.json()["message"], answer.json()["error"], answer.headers.get("etag")))
    assert len(set(told)) == 1
    assert client.get(f"/goals/{theirs}", token=owner.token).json()["version"] == 1
    assert client.get(f"/goals/{theirs}/activities", token=owner.token).json()["activities"] == []


@pytest.mark.parametrize("goal_id", ["1", "x", "%00", "0f8fad5b-d9cb-469f-a165-7086772895"])
def test_what_is_no_id_is_not_found(client: Client, new_user: Any, goal_id: str) -> None:
    assert client.get(f"/goals/{goal_id}", token=new_user().token).status == 404


def test_titles_of_active_goals_are_unique_in_any_spelling(client: Client, new_user: Any) -> None:
    person = new_user()
    first = create(client, person, a_goal(title="Café ÉTÉ"))
    for title in ("café été", "CAFE\u0301 e\u0301te\u0301"):
        refused = client.post("/goals", json=a_goal(title=title), token=person.token)
        assert (refused.status, refused.json()["message"].partition(":")[0]) == (409, "title")
        create(client, person, a_goal(title=title, status="paused"))  # only active goals are compared
    create(client, new_user(), a_goal(title="Café ÉTÉ"))  # those of one user
    other = create(client, person)
    renamed = client.put(f"/goals/{other['goalId']}", json=a_goal(title="CAFÉ été"), token=person.token)
    assert (renamed.status, renamed.json()["message"].partition(":")[0]) == (409, "title")
    same = client.put(f"/goals/{first['goalId']}", json=a_goal(title="CAFÉ été"), token=person.token)
    assert (same.status, same.json()["title"]) == (200, "CAFÉ été")
    client.delete(f"/goals/{first['goalId']}", token=person.token)
    create(client, person, a_goal(title="Café ÉTÉ"))


def test_fifty_goals_are_active_at_most(client: Client, new_user: Any) -> None:
    person = new_user()
    goals = [create(client, person) for _ in range(50)]
    refused = client.post("/goals", json=a_goal(), token=person.token)
    assert (refused.status, refused.json()["message"].partition(":")[0]) == (409, "status")
    draft = create(client, person, a_goal(status="draft"))
    started = client.put(f"/goals/{draft['goalId']}", json=a_goal(), token=person.token)
    assert (started.status, started.json()["message"].partition(":")[0]) == (409, "status")
    changed = client.put(f"/goals/{goals[7]['goalId']}", json=a_goal(), token=person.token)
    assert changed.status == 200  # it is one of the fifty
    client.delete(f"/goals/{goals[8]['goalId']}", token=person.token)
    assert client.put(f"/goals/{draft['goalId']}", json=a_goal(), token=person.token).status == 200


def test_the_pattern_of_a_goal_never_changes(client: Client, new_user: Any) -> None:
    person = new_user()
    created = create(client, person)
    refused = client.put(f"/goals/{created['goalId']}", json=a_goal("limit"), token=person.token)
    assert (refused.status, refused.json()["message"].partition(":")[0]) == (409, "goalPattern")
    assert client.get(f"/goals/{created['goalId']}", token=person.token).json() == created


def test_the_unit_of_a_goal_stays_while_activities_count_in_it(client: Client, new_user: Any) -> None:
    person = new_user()
    target = f"/goals/{create(client, person)['goalId']}"
    miles = a_goal(target={"unit": "mi"})
    assert client.put(target, json=miles, token=person.token).json()["target"]["unit"] == "mi"
    do(client, person, target.rpartition("/")[2])
    refused = client.put(target, json=a_goal(), token=person.token)
    assert (refused.status, refused.json()["message"].partition(":")[0]) == (409, "target.unit")
    assert client.put(target, json=miles, token=person.token).status == 200
