"""Every rule of what is sent: refused with 422, the path and the rule; the limits themselves are accepted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Person
from tests.goals.samples import a_goal, create, store_goal
from tests.transports import Answer, Client, HttpClient

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("no title", a_goal(title=...), "title"),
    ("title is null", a_goal(title=None), "title"),
    ("title is a number", a_goal(title=5), "title"),
    ("title is empty", a_goal(title=""), "title"),
    ("title is white space", a_goal(title=" \t\u3000\u00a0\n"), "title"),
    ("title of 201", a_goal(title="é" * 201), "title"),
    ("title with NUL", a_goal(title="a\0b"), "title"),
    ("title with half a surrogate", a_goal(title="a\ud800"), "title"),
    ("description is null", a_goal(description=None), "description"),
    ("description of 1001", a_goal(description="x" * 1001), "description"),
    ("no category", a_goal(category=...), "category"),
    ("category is empty", a_goal(category=""), "category"),
    ("category of 51", a_goal(category="x" * 51), "category"),
    ("icon of 51", a_goal(icon="x" * 51), "icon"),
    ("icon is a list", a_goal(icon=[]), "icon"),
    ("color in words", a_goal(color="red"), "color"),
    ("color is short", a_goal(color="#fff"), "color"),
    ("color is no hex", a_goal(color="#12345g"), "color"),
    ("color with a line end", a_goal(color="#123456\n"), "color"),
    ("color in other digits", a_goal(color="#12345٣"), "color"),
    ("no pattern", a_goal(goalPattern=...), "goalPattern"),
    ("unknown pattern", a_goal(goalPattern="daily"), "goalPattern"),
    ("pattern is null", a_goal(goalPattern=None), "goalPattern"),
    ("pattern is an object", a_goal(goalPattern={}), "goalPattern"),
    ("no target", {**a_goal(), "target": None}, "target"),
    ("target is a list", {**a_goal(), "target": []}, "target"),
    ("unknown visibility", a_goal(visibility="all"), "visibility"),
    ("visibility is null", a_goal(visibility=None), "visibility"),
    ("unknown status", a_goal(status="done"), "status"),
    ("status is null", a_goal(status=None), "status"),
    ("unknown key", a_goal(goalId="x"), "goalId"),
    ("unknown key in target", a_goal(target={"goal": 1}), "target.goal"),
    ("no metric", a_goal(target={"metric": ...}), "target.metric"),
    ("metric is empty", a_goal(target={"metric": ""}), "target.metric"),
    ("metric of 51", a_goal(target={"metric": "x" * 51}), "target.metric"),
    ("no value", a_goal(target={"value": ...}), "target.value"),
    ("value is null", a_goal(target={"value": None}), "target.value"),
    ("value is 0", a_goal(target={"value": 0}), "target.value"),
    ("value is below 0", a_goal(target={"value": -1}), "target.value"),
    ("value is a text", a_goal(target={"value": "10"}), "target.value"),
    ("value is a boolean", a_goal(target={"value": True}), "target.value"),
    ("value of 7 places", a_goal(target={"value": 1.0000001}), "target.value"),
    ("value is too large", a_goal(target={"value": 1e12 + 0.5}), "target.value"),
    ("no unit", a_goal(target={"unit": ...}), "target.unit"),
    ("unit is empty", a_goal(target={"unit": ""}), "target.unit"),
    ("unit of 51", a_goal(target={"unit": "x" * 51}), "target.unit"),
    ("unknown period", a_goal(target={"period": "fortnight"}), "target.period"),
    ("targetDate is no day", a_goal(target={"targetDate": "2026-02-30"}), "target.targetDate"),
    ("targetDate is a week", a_goal(target={"targetDate": "2026-W01-1"}), "target.targetDate"),
    ("targetDate is a moment", a_goal(target={"targetDate": "2026-01-01T00:00:00Z"}), "target.targetDate"),
    ("targetDate is a number", a_goal(target={"targetDate": 20260101}), "target.targetDate"),
    ("startValue is too large", a_goal(target={"startValue": 1e12 + 1}), "target.startValue"),
    ("startValue is too small", a_goal(target={"startValue": -1e12 - 1}), "target.startValue"),
    ("startValue of 7 places", a_goal(target={"startValue": 0.1234567}), "target.startValue"),
    ("unknown direction", a_goal(target={"direction": "up"}), "target.direction"),
    ("unknown targetType", a_goal(target={"targetType": "most"}), "target.targetType"),
    ("minValue is a text", a_goal(target={"minValue": "1"}), "target.minValue"),
    ("maxValue is a list", a_goal(target={"maxValue": [1]}), "target.maxValue"),
    ("range without minValue", a_goal(target={"targetType": "range", "maxValue": 1}), "target.minValue"),
    ("range without maxValue", a_goal(target={"targetType": "range", "minValue": 1}), "target.maxValue"),
    ("range from 2 to 1", a_goal(target={"targetType": "range", "minValue": 2, "maxValue": 1}), "target.maxValue"),
    ("recurring without period", a_goal("recurring", target={"period": ...}), "target.period"),
    ("recurring with period null", a_goal("recurring", target={"period": None}), "target.period"),
    ("limit without period", a_goal("limit", target={"period": ...}), "target.period"),
    ("milestone without targetDate", a_goal("milestone", target={"targetDate": ...}), "target.targetDate"),
    ("target without targetDate", a_goal("target", target={"targetDate": ...}), "target.targetDate"),
    ("target without startValue", a_goal("target", target={"startValue": ...}), "target.startValue"),
    ("streak of 366 days", a_goal("streak", target={"value": 366}), "target.value"),
    ("streak of half a day", a_goal("streak", target={"value": 2.5}), "target.value"),
    ("schedule is a list", a_goal(schedule=[1]), "schedule"),
    ("schedule is empty", a_goal(schedule={}), "schedule.daysOfWeek"),
    ("schedule without days", a_goal(schedule={"daysOfWeek": []}), "schedule.daysOfWeek"),
    ("schedule of eight days", a_goal(schedule={"daysOfWeek": [1, 2, 3, 4, 5, 6, 7, 7]}), "schedule.daysOfWeek"),
    ("day 0", a_goal(schedule={"daysOfWeek": [0]}), "schedule.daysOfWeek[0]"),
    ("day 8", a_goal(schedule={"daysOfWeek": [1, 8]}), "schedule.daysOfWeek[1]"),
    ("half a day", a_goal(schedule={"daysOfWeek": [1.5]}), "schedule.daysOfWeek[0]"),
    ("day in words", a_goal(schedule={"daysOfWeek": ["Monday"]}), "schedule.daysOfWeek[0]"),
    ("a day twice", a_goal(schedule={"daysOfWeek": [1, 1.0]}), "schedule.daysOfWeek"),
    ("time of 24:00", a_goal(schedule={"daysOfWeek": [1], "preferredTime": "24:00"}), "schedule.preferredTime"),
    ("time without 0", a_goal(schedule={"daysOfWeek": [1], "preferredTime": "7:30"}), "schedule.preferredTime"),
    ("time with seconds", a_goal(schedule={"daysOfWeek": [1], "preferredTime": "07:30:00"}), "schedule.preferredTime"),
    ("unknown key in schedule", a_goal(schedule={"daysOfWeek": [1], "zone": "UTC"}), "schedule.zone"),
    ("context is a text", a_goal(context="x"), "context"),
    ("context is a list", a_goal(context=["x"]), "context"),
    ("context of 21", a_goal(context={str(n): "" for n in range(21)}), "context"),
    ("context with an empty key", a_goal(context={"": "x"}), "context."),
    ("context with a key of 51", a_goal(context={"k" * 51: "x"}), "context." + "k" * 51),
    ("context with a value of 501", a_goal(context={"why": "x" * 501}), "context.why"),
    ("context with a number", a_goal(context={"why": 1}), "context.why"),
    ("context with null", a_goal(context={"why": None}), "context.why"),
    ("context with an object", a_goal(context={"why": {"a": "b"}}), "context.why"),
    ("context with NUL", a_goal(context={"why": "\0"}), "context.why"),
]  # fmt: skip

RIGHT: list[tuple[str, dict[str, Any]]] = [
    ("texts of full length", a_goal(description="é" * 1000, category="c" * 50, icon="🏃" * 50)),
    ("title of 200", a_goal(title="🏃" * 200)),
    ("title of 200 that NFC makes longer", a_goal(title="\U0001d160" * 200)),
    ("empty texts", a_goal(description="", icon="", context={})),
    ("nulls", a_goal(icon=None, color=None, schedule=None, context=None)),
    ("target of full length", a_goal(target={"metric": "m" * 50, "unit": "u" * 50, "value": 1e12})),
    ("nulls in target", a_goal(target={"targetDate": None, "startValue": None, "direction": None, "minValue": None})),
    ("all bounds", a_goal(target={"startValue": -1e12, "minValue": -1e12, "maxValue": 1e12, "value": 0.000001})),
    ("first and last day", a_goal("milestone", target={"targetDate": "0001-01-01"})),
    ("last day", a_goal("milestone", target={"targetDate": "9999-12-31"})),
    ("a range of one number", a_goal(target={"targetType": "range", "minValue": 1, "maxValue": 1})),
    ("minValue above maxValue without a range", a_goal(target={"minValue": 2, "maxValue": 1})),
    ("streak of 365", a_goal("streak", target={"value": 365.0})),
    ("every day", a_goal(schedule={"daysOfWeek": [7, 6, 5, 4, 3, 2, 1], "preferredTime": "23:59"})),
    ("one day", a_goal(schedule={"daysOfWeek": [1], "preferredTime": None})),
    ("context of full length", a_goal(context={f"{n:-<50}": "🏃" * 500 for n in range(20)})),
]

WRONG_ACTIVITIES: list[tuple[str, Any, str]] = [
    ("no value", {}, "value"),
    ("value is null", {"value": None}, "value"),
    ("value is a text", {"value": "1"}, "value"),
    ("value of 7 places", {"value": 0.0000001}, "value"),
    ("value is too large", {"value": 1e12 + 1}, "value"),
    ("value is too small", {"value": -1e12 - 1}, "value"),
    ("unit is empty", {"value": 1, "unit": ""}, "unit"),
    ("unit of 51", {"value": 1, "unit": "x" * 51}, "unit"),
    ("unknown type", {"value": 1, "activityType": "done"}, "activityType"),
    ("date without time", {"value": 1, "activityDate": "2026-01-01"}, "activityDate"),
    ("date without offset", {"value": 1, "activityDate": "2026-01-01T00:00:00"}, "activityDate"),
    ("date as a number", {"value": 1, "activityDate": 1767225600000}, "activityDate"),
    ("a day that is none", {"value": 1, "activityDate": "2026-02-29T00:00:00Z"}, "activityDate"),
    ("an hour that is none", {"value": 1, "activityDate": "2026-01-01T24:00:00Z"}, "activityDate"),
    ("year 0", {"value": 1, "activityDate": "0000-01-01T00:00:00Z"}, "activityDate"),
    ("first day of year 1", {"value": 1, "activityDate": "0001-01-01T23:59:59Z"}, "activityDate"),
    ("beyond year 9999", {"value": 1, "activityDate": "9999-12-31T23:59:59-01:00"}, "activityDate"),
    ("note of 501", {"value": 1, "note": "x" * 501}, "note"),
    ("note with NUL", {"value": 1, "note": "\0"}, "note"),
    ("unknown key", {"value": 1, "goalId": "x"}, "goalId"),
    ("no object", [], ""),
]

WRONG_QUERIES = [
    ("status=done", "status"),
    ("status=", "status"),
    ("status=active,", "status"),
    ("status=active, paused", "status"),
    ("status=ACTIVE", "status"),
    ("goalPattern=recurring,daily", "goalPattern"),
    ("category=", "category"),
    ("category=a,,b", "category"),
    ("category=%00", "category"),
    ("category=" + "x" * 51, "category"),
    ("sort=title", "sort"),
    ("sort=created_desc,title_asc", "sort"),
    ("page=0", "page"),
    ("page=1000001", "page"),
    ("page=one", "page"),
    ("limit=0", "limit"),
    ("limit=101", "limit"),
    ("order=asc", "order"),
]

WRONG_ACTIVITY_QUERIES = [
    ("activityType=done", "activityType"),
    ("startDate=yesterday", "startDate"),
    ("startDate=2026-02-30", "startDate"),
    ("startDate=0000-01-01", "startDate"),
    ("endDate=2026-01-01T00:00:00Z", "endDate"),
    ("endDate=", "endDate"),
    ("startDate=2026-01-02&endDate=2026-01-01", "endDate"),
    ("page=0", "page"),
    ("limit=101", "limit"),
    ("status=active", "status"),
]


@pytest.fixture(scope="module")
def goal_id(cursor: Any, anybody: Person) -> str:
    """A goal without activities."""

    def rows(sql: str, *values: Any) -> list[tuple[Any, ...]]:
        cursor.execute(sql, values)
        return list(cursor.fetchall())

    return store_goal(rows, anybody.id, status="paused")


def paths(answer: Answer) -> list[str]:
    """Return the paths of an answer's violations."""
    assert (answer.status, answer.json()["error"]) == (422, "Invalid Request"), answer.body
    return [violation["path"] for violation in answer.json()["details"]["errors"]]


@pytest.mark.parametrize(("goal", "path"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_a_wrong_goal_is_refused_and_named(http: HttpClient, anybody: Person, goal: Any, path: str) -> None:
    assert paths(http.post("/goals", json=goal, token=anybody.token)) == [path]


@pytest.mark.parametrize("goal", [case[1] for case in RIGHT], ids=[case[0] for case in RIGHT])
def test_a_goal_at_its_limits_is_stored(http: HttpClient, anybody: Person, goal: Any) -> None:
    stored = create(http, anybody, goal)
    assert http.put(f"/goals/{stored['goalId']}", json=goal, token=anybody.token).status == 200
    http.delete(f"/goals/{stored['goalId']}", token=anybody.token)


def test_a_wrong_replacement_is_refused_and_changes_nothing(client: Client, new_user: Any) -> None:
    person = new_user()
    created = create(client, person)
    target = f"/goals/{created['goalId']}"
    assert paths(client.put(target, json=a_goal(color="red"), token=person.token)) == ["color"]
    assert client.get(target, token=person.token).json() == created


def test_every_violation_is_told_at_once(client: Client, new_user: Any) -> None:
    goal = {
        "title": " ",
        "color": "red",
        "goalPattern": "target",
        "target": {"metric": "", "value": 0, "targetType": "range", "minValue": "low", "period": "never"},
        "schedule": {"daysOfWeek": [9], "preferredTime": "noon"},
        "context": {"a": 1, "b": "x" * 501},
        "size": 3,
    }
    found = paths(client.post("/goals", json=goal, token=new_user().token))
    assert sorted(found) == [
        "category",
        "color",
        "context.a",
        "context.b",
        "schedule.daysOfWeek[0]",
        "schedule.preferredTime",
        "size",
        "target.maxValue",
        "target.metric",
        "target.minValue",
        "target.period",
        "target.startValue",
        "target.targetDate",
        "target.unit",
        "target.value",
        "title",
    ]


@pytest.mark.parametrize("body", ["[]", "null", '"x"', "5"])
def test_what_is_no_object_is_no_goal(client: Client, new_user: Any, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    assert paths(client.post("/goals", body=body, headers=headers, token=new_user().token)) == [""]


@pytest.mark.parametrize("number", ["1.0000000000000000000000000000000001", "1e300", "-1e300", "1e-300"])
def test_a_number_of_many_digits_is_not_rounded_into_a_right_one(
    http: HttpClient, anybody: Person, goal_id: str, number: str
) -> None:
    headers, body = {"Content-Type": "application/json"}, f'{{"value": {number}}}'
    answer = http.post(f"/goals/{goal_id}/activities", body=body, headers=headers, token=anybody.token)
    assert paths(answer) == ["value"]


@pytest.mark.parametrize(
    ("activity", "path"), [case[1:] for case in WRONG_ACTIVITIES], ids=[case[0] for case in WRONG_ACTIVITIES]
)
def test_a_wrong_activity_is_refused_and_named(
    http: HttpClient, anybody: Person, goal_id: str, activity: Any, path: str
) -> None:
    target = f"/goals/{goal_id}/activities"
    assert paths(http.post(target, json=activity, token=anybody.token)) == [path]
    assert http.get(target, token=anybody.token).json()["activities"] == []


@pytest.mark.parametrize(("query", "path"), WRONG_QUERIES)
def test_a_wrong_query_for_goals_is_refused_and_named(http: HttpClient, anybody: Person, query: str, path: str) -> None:
    assert paths(http.get(f"/goals?{query.replace(' ', '%20')}", token=anybody.token)) == [path]


@pytest.mark.parametrize(("query", "path"), WRONG_ACTIVITY_QUERIES)
def test_a_wrong_query_for_activities_is_refused_and_named(
    http: HttpClient, anybody: Person, goal_id: str, query: str, path: str
) -> None:
    assert paths(http.get(f"/goals/{goal_id}/activities?{query}", token=anybody.token)) == [path]
