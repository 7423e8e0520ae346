"""Goals, the activities that work towards them, and how far they are."""

from __future__ import annotations

import uuid

from flask import Blueprint, Flask, Response

from service import etags, inputs
from service.accounts.users import current_user
from service.answers import as_json
from service.database import get_database
from service.errors import PreconditionFailed
from service.goals import conflicts, queries
from service.goals.answers import ActivityList, ActivityOutput, GoalList, GoalOutput, ProgressOutput
from service.goals.schemas import ActivityInput, ActivityListQuery, GoalInput, GoalListQuery
from service.operations import USER, Answer, operation

MISSING = "There is no such goal"
EXAMPLE = {
    "title": "Run every week",
    "category": "fitness",
    "goalPattern": "recurring",
    "target": {"metric": "distance", "value": 10, "unit": "km", "period": "week"},
    "schedule": {"daysOfWeek": [1, 3, 6], "preferredTime": "07:30"},
}
CONFLICT = "Another active goal has this title, or 50 goals are active"

goals = Blueprint("goals", __name__)


def init_app(app: Flask) -> None:
    """Add the routes."""
    app.register_blueprint(goals)


@goals.post("/goals")
@operation(
    USER,
    body=GoalInput,
    example=EXAMPLE,
    answers={201: Answer(GoalOutput, headers=etags.ETAG)},
    errors={409: f"{CONFLICT}."},
)
def create() -> Response:
    """Create a goal."""
    goal, user = inputs.body(), current_user()
    with conflicts.told(conflicts.UNIT_KEPT):
        stored = get_database().statement(queries.insert, user.id, str(uuid.uuid4()), goal)
    return etags.as_versioned_json(stored, MISSING, 201)


@goals.get("/goals")
@operation(USER, query=GoalListQuery, answers={200: GoalList})
def index() -> Response:
    """List your goals, page by page, newest first."""
    query, user = inputs.query(), current_user()
    return as_json(get_database().statement(queries.page, user.id, query), MISSING)


@goals.get("/goals/<uuid:goalId>")
@operation(
    USER,
    headers=etags.IF_NONE_MATCH,
    answers={200: Answer(GoalOutput, headers=etags.ETAG), 304: Answer(description="It is still the version you know.")},
)
def show(goalId: uuid.UUID) -> Response:
    """Return a goal."""
    user = current_user()
    return etags.as_versioned_json(get_database().statement(queries.find, user.id, goalId), MISSING)


@goals.put("/goals/<uuid:goalId>")
@operation(
    USER,
    body=GoalInput,
    example=EXAMPLE,
    headers=etags.IF_MATCH,
    answers={200: Answer(GoalOutput, headers=etags.ETAG)},
    errors={
        409: f"{CONFLICT}; or the pattern would change, or the unit of a goal that has activities.",
        412: "The goal has another version than If-Match names.",
    },
)
def replace(goalId: uuid.UUID) -> Response:
    """Replace a goal, as a whole."""
    goal, user, versions = inputs.body(), current_user(), etags.expected_versions()
    with conflicts.told(conflicts.UNIT_KEPT):
        stored, is_there = get_database().statement(queries.replace, user.id, goalId, str(uuid.uuid4()), versions, goal)
    if is_there and stored is None:
        raise PreconditionFailed("The goal has another version than If-Match names")
    return etags.as_versioned_json(stored, MISSING)


@goals.delete("/goals/<uuid:goalId>")
@operation(USER, answers={200: Answer(GoalOutput, headers=etags.ETAG)})
def archive(goalId: uuid.UUID) -> Response:
    """Archive a goal. It is kept, with its activities."""
    user = current_user()
    return etags.as_versioned_json(get_database().statement(queries.archive, user.id, goalId), MISSING)


@goals.post("/goals/<uuid:goalId>/activities")
@operation(
    USER,
    body=ActivityInput,
    example={"value": 4.2, "activityType": "progress", "note": "Along the river"},
    answers={201: ActivityOutput},
    errors={409: "The goal is archived, or counts in another unit."},
)
def create_activity(goalId: uuid.UUID) -> Response:
    """Note what was done for a goal."""
    activity, user = inputs.body(), current_user()
    with conflicts.told(conflicts.OTHER_UNIT):
        stored = get_database().statement(queries.insert_activity, user.id, goalId, str(uuid.uuid4()), activity)
    return as_json(stored, MISSING, 201)


@goals.get("/goals/<uuid:goalId>/activities")
@operation(USER, query=ActivityListQuery, answers={200: ActivityList})
def index_activities(goalId: uuid.UUID) -> Response:
    """List what was done for a goal, page by page, newest first."""
    query, user = inputs.query(), current_user()
    return as_json(get_database().statement(queries.activity_page, user.id, goalId, query), MISSING)


@goals.get("/goals/<uuid:goalId>/progress")
@operation(USER, answers={200: ProgressOutput})
def show_progress(goalId: uuid.UUID) -> Response:
    """Tell how far a goal is now, in the days of your time zone."""
    user = current_user()
    return as_json(get_database().statement(queries.progress, user.id, goalId), MISSING)
