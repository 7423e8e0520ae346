"""Goals to send in tests."""

from __future__ import annotations

import itertools
import json
import uuid
from typing import Any

from tests.conftest import Person
from tests.transports import Client

_numbers = itertools.count()

TARGETS: dict[str, dict[str, Any]] = {
    "recurring": {"period": "week"},
    "limit": {"period": "day"},
    "milestone": {"targetDate": "2026-12-31"},
    "target": {"targetDate": "2026-12-31", "startValue": 80},
    "streak": {"value": 30},
}


def a_goal(pattern: str = "recurring", *, target: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return a goal with a title of its own. What is `...` is left out."""
    goal = {
        "title": f"Goal {next(_numbers)}",
        "category": "fitness",
        "goalPattern": pattern,
        "target": _without({"metric": "distance", "value": 10, "unit": "km"} | TARGETS[pattern] | (target or {})),
    }
    return _without(goal | changes)


def _without(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not ...}


def create(client: Client, person: Person, goal: dict[str, Any] | None = None) -> dict[str, Any]:
    """Create a goal over HTTP; return it as the service does."""
    answer = client.post("/goals", json=goal or a_goal(), token=person.token)
    assert answer.status == 201, answer.body
    return dict(answer.json())


def do(client: Client, person: Person, goal_id: str, **activity: Any) -> dict[str, Any]:
    """Note an activity over HTTP; return it as the service does."""
    answer = client.post(f"/goals/{goal_id}/activities", json={"value": 1} | activity, token=person.token)
    assert answer.status == 201, answer.body
    return dict(answer.json())


def store_goal(rows: Any, user_id: str, pattern: str = "recurring", **columns: Any) -> str:
    """Store a goal by SQL, past the service; return its id."""
    goal = a_goal(pattern)
    values = {
        "id": str(uuid.uuid4()),
        "user_id": user_id,
        "title": goal["title"],
        "description": "",
        "category": "fitness",
        "goal_pattern": pattern,
        "metric": "distance",
        "target_value": goal["target"]["value"],
        "unit": "km",
        "period": goal["target"].get("period"),
        "target_date": goal["target"].get("targetDate"),
        "start_value": goal["target"].get("startValue"),
        "visibility": "private",
        "status": "active",
        "version": 1,
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
    }
    return _store(
        rows, "INSERT INTO goals SELECT (jsonb_populate_record(NULL::goals, %s)).* RETURNING id", values | columns
    )


def store_activity(rows: Any, goal_id: str, **columns: Any) -> str:
    """Store an activity by SQL, past the service; return its id."""
    values = {
        "id": str(uuid.uuid4()),
        "goal_id": goal_id,
        "value": 1,
        "unit": "km",
        "activity_type": "progress",
        "activity_date": "2026-01-01T00:00:00Z",
        "created_at": "2026-01-01T00:00:00Z",
    }
    insert = "INSERT INTO goal_activities SELECT (jsonb_populate_record(NULL::goal_activities, %s)).* RETURNING id"
    return _store(rows, insert, values | columns)


def _store(rows: Any, insert: str, values: dict[str, Any]) -> str:
    ((row_id,),) = rows(insert, json.dumps(values))
    return str(row_id)
