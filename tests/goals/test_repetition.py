"""A statement whose connection was lost runs again: what it had done by then is not done twice."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from service.goals import queries
from service.goals.schemas import ActivityInput, GoalInput
from tests.goals.samples import a_goal, store_goal


@pytest.fixture
def goal() -> dict[str, Any]:
    loaded: dict[str, Any] = GoalInput().load(a_goal())
    return loaded


def test_a_goal_is_stored_once_also_as_the_fiftieth(cursor: Any, new_user: Any, rows: Any, goal: Any) -> None:
    user_id, goal_id = new_user().id, str(uuid.uuid4())
    for _ in range(49):
        store_goal(rows, user_id)
    first = queries.insert(cursor, user_id, goal_id, goal)
    assert queries.insert(cursor, user_id, goal_id, goal) == first
    assert rows("SELECT count(*) FROM goals WHERE user_id = %s", user_id) == [(50,)]


def test_a_replacement_counts_once(cursor: Any, new_user: Any, rows: Any, goal: Any) -> None:
    user_id = new_user().id
    goal_id = uuid.UUID(store_goal(rows, user_id))
    for versions, version in ((["1"], 2), (None, 3)):
        write_id = str(uuid.uuid4())
        first = queries.replace(cursor, user_id, goal_id, write_id, versions, goal)
        assert json.loads(first[0][0])["version"] == first[0][1] == version
        assert queries.replace(cursor, user_id, goal_id, write_id, versions, goal) == first
    assert queries.replace(cursor, user_id, goal_id, str(uuid.uuid4()), ["1"], goal) == (None, True)
    assert queries.replace(cursor, new_user().id, goal_id, write_id, None, goal) == (None, False)


def test_an_activity_is_stored_once(cursor: Any, new_user: Any, rows: Any) -> None:
    user_id, activity_id = new_user().id, str(uuid.uuid4())
    goal_id = uuid.UUID(store_goal(rows, user_id))
    activity = ActivityInput().load({"value": 1})
    first = queries.insert_activity(cursor, user_id, goal_id, activity_id, activity)
    assert queries.insert_activity(cursor, user_id, goal_id, activity_id, activity) == first
    assert rows("SELECT count(*) FROM goal_activities WHERE goal_id = %s", str(goal_id)) == [(1,)]
