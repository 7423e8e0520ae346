"""Progress by examples that a person can count on their fingers. Thousands of others: test_progress_model."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.goals import queries
from service.goals.answers import ProgressOutput
from tests.goals.samples import a_goal, create, do, store_activity, store_goal
from tests.transports import Client

WEEK = "2026-06-01"  # a Monday


@pytest.fixture
def told(cursor: Any, rows: Any, new_user: Any) -> Any:
    """Returns progress at a moment, of a goal with some activities: (moment, value) or (moment, value, type)."""

    def tell(
        pattern: str, now: str, *activities: tuple[Any, ...], zone: str = "UTC", created: str = WEEK, **columns: Any
    ) -> dict[str, Any]:
        user_id = new_user(timezone=zone).id
        goal_id = store_goal(rows, user_id, pattern, created_at=created, **columns)
        for moment, value, *kind in activities:
            store_activity(rows, goal_id, activity_date=moment, value=value, activity_type=(kind or ["progress"])[0])
        moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
        progress = json.loads(str(queries.progress(cursor, user_id, uuid.UUID(goal_id), moment)))
        ProgressOutput().load(progress)
        return dict(progress)

    return tell


def test_a_new_goal_has_come_nowhere(client: Client, new_user: Any) -> None:
    person = new_user(timezone="Asia/Kathmandu")
    before = datetime.now(UTC)
    for pattern, progress, current in (
        ("recurring", 0, 0), ("limit", 100, 0), ("milestone", 0, 0), ("target", 0, 80), ("streak", 0, 0),
    ):  # fmt: skip
        goal = create(client, person, a_goal(pattern))
        answer = client.get(f"/goals/{goal['goalId']}/progress", token=person.token)
        assert answer.status == 200
        ProgressOutput().load(answer.json())
        as_of = answer.json().pop("asOf")
        assert timedelta() <= datetime.fromisoformat(as_of) - before < timedelta(minutes=1)
        assert answer.json() | {"asOf": 0} == {
            "goalId": goal["goalId"],
            "goalPattern": pattern,
            "asOf": 0,
            "timezone": "Asia/Kathmandu",
            "progress": progress,
            "current": current,
            "target": goal["target"]["value"],
            "unit": "km",
            "total": 0,
            "average": None,
            "best": None,
            "activities": 0,
            "skipped": 0,
            "consistency": 0,
            "trend": "stable",
            "periods": {"met": int(pattern == "limit"), "total": 1} if pattern in ("recurring", "limit") else None,
            "streak": {"current": 0, "longest": 0},
        }


def test_what_is_done_now_counts_now(client: Client, new_user: Any) -> None:
    person = new_user()
    goal_id = create(client, person, a_goal("milestone", target={"value": 8}))["goalId"]
    do(client, person, goal_id, value=1.5)
    do(client, person, goal_id, value=99, activityType="skipped")
    do(client, person, goal_id, value=99, activityDate="2999-01-01T00:00:00Z")
    progress = client.get(f"/goals/{goal_id}/progress", token=person.token).json()
    assert (progress["progress"], progress["total"], progress["current"]) == (18.75, 1.5, 1.5)
    assert (progress["activities"], progress["skipped"]) == (2, 1)
    assert (progress["consistency"], progress["streak"]) == (1, {"current": 1, "longest": 1})


@pytest.mark.parametrize(
    ("target_type", "met"),
    [(None, 2), ("minimum", 2), ("maximum", 3), ("exact", 1), ("range", 3)],
)
def test_a_recurring_goal_is_the_share_of_its_periods_that_met_the_target(
    told: Any, target_type: str | None, met: int
) -> None:
    progress = told(
        "recurring",
        "2026-06-25T12:00",  # in the fourth week
        ("2026-06-01T00:00Z", 4),
        ("2026-06-07T23:59Z", 6),  # Sunday: 10 in the first week
        ("2026-06-08T00:00Z", 11),  # 11 in the second; nothing in the third
        ("2026-06-24T00:00Z", 5),
        target_type=target_type,
        min_value=5,
        max_value=11,
    )
    assert progress["periods"] == {"met": met, "total": 4}
    assert (progress["progress"], progress["current"]) == (met * 25, 5)


@pytest.mark.parametrize(("period", "total"), [("day", 366), ("week", 53), ("month", 13), ("quarter", 5), ("year", 2)])
def test_periods_are_counted_from_the_one_that_holds_the_start_to_the_running_one(
    told: Any, period: str, total: int
) -> None:
    created, now = "2025-07-01T12:00Z", "2026-07-01T00:00"
    assert told("limit", now, created=created, period=period)["periods"] == {"met": total, "total": total}
    assert told("recurring", now, created=created, period=period)["periods"] == {"met": 0, "total": total}


def test_a_goal_begins_with_an_activity_before_it(told: Any) -> None:
    assert told("recurring", "2026-06-02T00:00", ("2026-05-10T00:00Z", 1))["periods"]["total"] == 5
    skipped = told("recurring", "2026-06-02T00:00", ("2026-05-10T00:00Z", 1, "skipped"))
    assert skipped["periods"]["total"] == 1


def test_a_limit_is_the_share_of_periods_within_it(told: Any) -> None:
    spent = [(f"2026-06-0{day}T10:00Z", value) for day, value in ((1, 10), (2, 10.000001), (4, 3))]
    progress = told("limit", "2026-06-05T12:00", *spent)
    assert (progress["periods"], progress["progress"]) == ({"met": 4, "total": 5}, 80)
    assert (progress["best"], progress["current"]) == (3, 0)


@pytest.mark.parametrize(
    ("values", "progress"), [([], 0), ([5], 50), ([5, 4.9999], 100), ([20], 100), ([-5], 0), ([5, -2], 30), ([1e-6], 0)]
)
def test_a_milestone_is_the_sum_within_0_and_100(told: Any, values: list[float], progress: float) -> None:
    activities = [("2026-06-01T00:00Z", value) for value in values]
    assert told("milestone", "2026-06-02T00:00", *activities)["progress"] == progress


@pytest.mark.parametrize(
    ("start", "end", "newest", "progress"),
    [
        (80, 70, None, 0),
        (80, 70, 75, 50),
        (80, 70, 69, 100),
        (80, 70, 81, 0),
        (-10, 10, 0, 50),
        (0, 3, 1, 33.33),
        (0, 3, 2, 66.67),
        (70, 70, None, 100),
        (70, 70, 70, 100),
        (70, 70, 70.000001, 0),
    ],
)
def test_a_target_is_the_way_from_the_start(told: Any, start: float, end: float, newest: Any, progress: float) -> None:
    activities = [] if newest is None else [("2026-06-01T00:00Z", -500), ("2026-06-01T00:01Z", newest)]
    found = told("target", "2026-06-02T00:00", *activities, start_value=start, target_value=end)
    assert (found["progress"], found["current"]) == (progress, start if newest is None else newest)


@pytest.mark.parametrize(
    ("days", "current", "longest"),
    [
        ([], 0, 0),
        ([10], 1, 1),
        ([9], 1, 1),
        ([8], 0, 1),
        ([8, 9, 10], 3, 3),
        ([7, 8, 9], 3, 3),
        ([6, 7, 8], 0, 3),
        ([1, 2, 3, 4, 9], 1, 4),
        ([1, 1, 2, 2, 10, 10], 1, 2),
    ],
)
def test_a_streak_ends_today_or_yesterday(told: Any, days: list[int], current: int, longest: int) -> None:
    activities = [(f"2026-06-{day:02}T{hour:02}:00Z", 0) for hour, day in enumerate(days)]
    progress = told("streak", "2026-06-10T10:00", *activities, target_value=4)
    assert progress["streak"] == {"current": current, "longest": longest}
    assert (progress["progress"], progress["current"]) == (min(100, current * 25), current)


def test_days_are_those_of_the_users_time_zone(told: Any) -> None:
    moments = [("2026-06-03T14:30Z", 1), ("2026-06-03T15:30Z", 1), ("2026-06-04T15:30Z", 1)]
    for zone, longest in (("UTC", 2), ("Asia/Tokyo", 3), ("America/New_York", 2)):
        assert told("streak", "2026-06-05T00:00", *moments, zone=zone)["streak"]["longest"] == longest
    # In Tokyo it is the second day at 15:00Z, so a goal of 20:00Z begins there one day later.
    for zone, total in (("UTC", 3), ("Asia/Tokyo", 2)):
        found = told("recurring", "2026-06-03T01:00", zone=zone, created="2026-06-01T20:00Z", period="day")
        assert found["periods"]["total"] == total


@pytest.mark.parametrize(
    ("zone", "evenings"),
    [
        ("America/Sao_Paulo", ["2017-10-14T22:00-03:00", "2017-10-15T01:00-02:00", "2017-10-16T23:59-02:00"]),
        ("America/New_York", ["2024-11-02T23:30-04:00", "2024-11-03T23:30-05:00", "2024-11-04T00:30-05:00"]),
        ("Australia/Lord_Howe", ["2024-04-06T23:59+11:00", "2024-04-07T00:00+11:00", "2024-04-08T23:59+10:30"]),
        ("Pacific/Apia", ["2011-12-28T23:59-10:00", "2011-12-29T00:00-10:00", "2011-12-31T00:00+14:00"]),
        ("Asia/Kathmandu", ["2026-06-01T00:00+05:45", "2026-06-02T23:59+05:45", "2026-06-03T12:00+05:45"]),
    ],
)
def test_three_days_in_a_row_are_three_wherever_the_clock_jumps(told: Any, zone: str, evenings: list[str]) -> None:
    now = datetime.fromisoformat(evenings[-1]).astimezone(UTC).replace(tzinfo=None).isoformat()
    activities = [(moment, 1) for moment in evenings]
    progress = told("streak", now, *activities, zone=zone, created=evenings[0])
    assert (progress["streak"], progress["consistency"]) == ({"current": 3, "longest": 3}, 1)
    daily = told("recurring", now, *activities, zone=zone, created=evenings[0], period="day", target_value=1)
    assert daily["periods"] == {"met": 3, "total": 3}


def test_consistency_is_the_share_of_days_or_of_those_of_the_schedule(told: Any) -> None:
    activities = [("2026-06-01T08:00Z", 1), ("2026-06-01T09:00Z", 1), ("2026-06-02T08:00Z", 1)]  # Monday, Tuesday
    for schedule, consistency in ((None, 0.2857), ("{1,3}", 0.5), ("{2}", 1), ("{4}", 0), ("{1,2,3,4,5,6,7}", 0.2857)):
        found = told("milestone", "2026-06-07T12:00", *activities, days_of_week=schedule)
        assert found["consistency"] == consistency
    assert told("milestone", "2026-06-02T12:00", *activities, days_of_week="{3}")["consistency"] is None


@pytest.mark.parametrize(
    ("values", "trend"),
    [
        ([], "stable"),
        ([5], "stable"),
        ([100, 101], "stable"),
        ([100, 101.01], "up"),  # the slope is 1.01, the mean 100.505
        ([101.01, 100], "down"),
        ([1, 1, 1, 1, 1], "stable"),
        ([50, 1, 2, 3, 4, 5], "up"),  # only the last five
        ([5, 4, 3, 2, 1], "down"),
        ([-1, 1], "up"),  # their mean is 0
        ([0, 0], "stable"),
        ([-100, -101], "stable"),
        ([-100, -102], "down"),
        ([1e12, 0.000001], "down"),
    ],
)
def test_the_trend_is_the_slope_of_the_last_five(told: Any, values: list[float], trend: str) -> None:
    activities = [(f"2026-06-01T00:{minute:02}Z", value) for minute, value in enumerate(values)]
    skipped = [("2026-06-01T01:00Z", 1e9, "skipped"), ("2026-06-09T00:00Z", -1e9)]  # neither counts
    assert told("milestone", "2026-06-02T00:00", *activities, *skipped)["trend"] == trend


def test_the_best_is_the_highest_or_the_lowest_where_less_is_better(told: Any) -> None:
    activities = [("2026-06-01T00:00Z", value) for value in (3, 1, 2)]
    for pattern, direction, best in (
        ("milestone", None, 3), ("milestone", "increase", 3), ("milestone", "decrease", 1), ("limit", None, 1),
        ("limit", "increase", 1), ("recurring", "maintain", 3),
    ):  # fmt: skip
        found = told(pattern, "2026-06-02T00:00", *activities, direction=direction)
        assert (found["best"], found["average"], found["total"]) == (best, 2, 6)


def test_progress_is_seen_from_the_time_zone_that_the_user_has_now(client: Client, new_user: Any, rows: Any) -> None:
    person = new_user()
    goal_id = create(client, person)["goalId"]
    rows("UPDATE users SET timezone = 'Pacific/Apia' WHERE id = %s", person.id)
    assert client.get(f"/goals/{goal_id}/progress", token=person.token).json()["timezone"] == "Pacific/Apia"


def test_a_day_that_was_begun_before_the_clock_went_back_is_today(told: Any) -> None:
    """In Newfoundland it was 00:00:30 on 29 October, and ten minutes later 23:10 on the 28th."""
    activities = [("2006-10-28T12:00-02:30", 1), ("2006-10-29T00:00:30-02:30", 1)]
    found = told(
        "recurring", "2006-10-29T02:40", *activities, zone="America/St_Johns", created="2006-10-28T12:00-02:30",
        period="day", target_value=1,
    )  # fmt: skip
    assert (found["streak"], found["consistency"]) == ({"current": 2, "longest": 2}, 1)
    assert (found["periods"], found["progress"], found["current"]) == ({"met": 2, "total": 2}, 100, 1)
    began = told(
        "limit", "2006-10-29T02:40", zone="America/St_Johns", created="2006-10-29T00:00:30-02:30", period="day"
    )
    assert began["periods"] == {"met": 1, "total": 1}
