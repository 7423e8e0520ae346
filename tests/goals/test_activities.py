"""What is done for goals: noted in the goal's unit, listed newest first, cut by the days of the user's time zone."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from service.goals.answers import ActivityList, ActivityOutput
from service.goals.schemas import ACTIVITY_TYPES
from tests.goals.samples import create, do, store_activity, store_goal
from tests.transports import Client, HttpClient


def test_an_activity_is_answered_as_it_was_sent(client: Client, new_user: Any) -> None:
    person = new_user()
    goal_id = create(client, person)["goalId"]
    sent = {
        "value": -0.000001,
        "unit": "km",
        "activityType": "partial",
        "activityDate": "2026-01-01t07:30:00.25+05:45",
        "note": "Am Fluß 🏞",
    }
    answer = client.post(f"/goals/{goal_id}/activities", json=sent, token=person.token)
    assert answer.status == 201
    ActivityOutput().load(answer.json())
    told = answer.json()
    assert told | {"activityId": 0, "createdAt": 0} == sent | {
        "activityId": 0,
        "goalId": goal_id,
        "activityDate": "2026-01-01T01:45:00.250000Z",
        "createdAt": 0,
    }
    listed = client.get(f"/goals/{goal_id}/activities", token=person.token).json()
    ActivityList().load(listed)
    assert listed == {"activities": [told], "pagination": {"page": 1, "limit": 20, "total": 1, "pages": 1}}


def test_what_is_left_out_is_the_goals_unit_progress_and_now(client: Client, new_user: Any) -> None:
    person = new_user()
    before = datetime.now(UTC) - timedelta(seconds=5)
    told = do(client, person, create(client, person)["goalId"])
    assert (told["unit"], told["activityType"], told["note"]) == ("km", "progress", None)
    assert told["activityDate"] == told["createdAt"]
    assert before < datetime.fromisoformat(told["activityDate"]) < before + timedelta(seconds=60)


@pytest.mark.parametrize("moment", ["0001-01-02T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2016-12-31T23:59:60Z"])
def test_any_moment_can_be_one_of_an_activity(client: Client, new_user: Any, moment: str) -> None:
    person = new_user(timezone="Pacific/Apia")
    goal_id = create(client, person)["goalId"]
    told = do(client, person, goal_id, activityDate=moment)["activityDate"]
    assert told == moment.replace("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z")
    progress = client.get(f"/goals/{goal_id}/progress", token=person.token)
    assert (progress.status, progress.json()["activities"]) == (200, 0 if moment > "2027" else 1)
    assert client.get(f"/goals/{goal_id}/activities?startDate=0001-01-01", token=person.token).status == 200


def test_another_unit_than_the_goals_is_refused(client: Client, new_user: Any) -> None:
    person = new_user()
    goal_id = create(client, person)["goalId"]
    for unit in ("mi", "KM", "km "):
        answer = client.post(f"/goals/{goal_id}/activities", json={"value": 1, "unit": unit}, token=person.token)
        assert (answer.status, answer.json()["message"].partition(":")[0]) == (409, "unit")


@pytest.mark.parametrize("status", ["draft", "active", "paused", "completed", "archived"])
def test_only_an_archived_goal_takes_no_activities(client: Client, new_user: Any, rows: Any, status: str) -> None:
    person = new_user()
    goal_id = store_goal(rows, person.id, status=status)
    answer = client.post(f"/goals/{goal_id}/activities", json={"value": 1}, token=person.token)
    assert answer.status == (409 if status == "archived" else 201)


def test_activities_are_listed_newest_first(client: Client, new_user: Any, rows: Any) -> None:
    person = new_user()
    goal_id = store_goal(rows, person.id)
    ids = sorted(str(uuid.uuid4()) for _ in range(2))
    stored = [
        store_activity(rows, goal_id, activity_date=date, created_at=created, **({"id": row_id} if row_id else {}))
        for date, created, row_id in (
            ("2026-01-02", "2026-01-01", None),
            ("2026-01-01", "2026-01-03", None),
            ("2026-01-01", "2026-01-02", ids[1]),
            ("2026-01-01", "2026-01-02", ids[0]),
            ("2025-12-31", "2026-01-09", None),
        )
    ]
    for limit in (1, 2, 5):
        seen: list[str] = []
        for page in range(1, -(-5 // limit) + 1):
            answer = client.get(f"/goals/{goal_id}/activities?limit={limit}&page={page}", token=person.token).json()
            assert answer["pagination"] == {"page": page, "limit": limit, "total": 5, "pages": -(-5 // limit)}
            seen += [activity["activityId"] for activity in answer["activities"]]
        assert seen == stored
    behind = client.get(f"/goals/{goal_id}/activities?page=9", token=person.token).json()
    assert (behind["activities"], behind["pagination"]["total"]) == ([], 5)


ZONES = {
    "America/Sao_Paulo": date(2017, 10, 15),  # begins at 01:00
    "America/St_Johns": date(2006, 10, 29),  # at 00:01 it is the day before once more
    "Pacific/Apia": date(2011, 12, 30),  # was left out
    "Asia/Kathmandu": date(2024, 1, 1),
    "America/New_York": date(2024, 11, 3),
}


@pytest.mark.parametrize("zone", ZONES)
def test_days_are_those_of_the_users_time_zone(http: HttpClient, new_user: Any, rows: Any, zone: str) -> None:
    person = new_user(timezone=zone)
    goal_id = store_goal(rows, person.id)
    chance = random.Random(zone)
    middle = datetime.combine(ZONES[zone], datetime.min.time(), UTC)
    activities = []
    for _ in range(80):
        moment = middle + timedelta(minutes=chance.randint(-3 * 1440, 3 * 1440))
        kind = chance.choice(ACTIVITY_TYPES)
        row_id = store_activity(rows, goal_id, activity_date=moment.isoformat(), activity_type=kind)
        activities.append((moment, row_id, kind))
    for _ in range(40):
        start, end = sorted(ZONES[zone] + timedelta(days=chance.randint(-3, 3)) for _ in range(2))
        kinds = chance.choices(ACTIVITY_TYPES, k=2)
        query = {"startDate": start, "endDate": end, "activityType": ",".join(kinds)}
        for name in chance.sample(list(query), chance.randint(0, 2)):
            del query[name]
        wanted = {
            row_id
            for moment, row_id, kind in activities
            if ("startDate" not in query or start <= moment.astimezone(ZoneInfo(zone)).date())
            and ("endDate" not in query or moment.astimezone(ZoneInfo(zone)).date() <= end)
            and ("activityType" not in query or kind in kinds)
        }
        text = "&".join(f"{name}={value}" for name, value in query.items())
        answer = http.get(f"/goals/{goal_id}/activities?limit=100&{text}", token=person.token).json()
        assert {activity["activityId"] for activity in answer["activities"]} == wanted
        assert answer["pagination"]["total"] == len(wanted)
