"""Progress in SQL against progress in Python, over thousands of goals, in zones whose clocks and calendars jump."""

from __future__ import annotations

import json
import random
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2.extras import execute_values

from service.goals import queries
from service.goals.schemas import ACTIVITY_TYPES, PATTERNS
from service.goals.targets import PERIODS, TARGET_TYPES
from tests.goals.model import Activity, Goal, progress

# Each zone, and a moment around which its calendar or its clock does something.
JUMPS = {
    "UTC": "2024-02-29T12:00",
    "Europe/Berlin": "2024-03-31T01:00",
    "America/New_York": "2024-11-03T06:00",
    "America/Sao_Paulo": "2017-10-15T03:00",  # 15 October began at 01:00
    "America/Havana": "2020-11-01T05:00",  # at 01:00 it is midnight again
    "America/St_Johns": "2006-10-29T02:31",  # at 00:01 it is the day before again
    "Australia/Lord_Howe": "2024-04-06T15:00",  # half an hour
    "Pacific/Apia": "2011-12-30T10:00",  # 30 December was left out
    "Pacific/Fakaofo": "2011-12-30T11:00",
    "Pacific/Kiritimati": "1994-12-31T10:00",  # 31 December was left out
    "Pacific/Kwajalein": "1993-08-21T12:00",  # 21 August was left out
    "Asia/Kathmandu": "1985-12-31T18:30",  # 15 minutes, at midnight of a new year
    "Asia/Tokyo": "2019-12-31T15:00",
    "Antarctica/Troll": "2020-03-29T01:00",  # two hours
    "Africa/Casablanca": "2019-05-05T02:00",
    "America/Caracas": "2007-12-09T07:00",
    "Etc/GMT+12": "2021-01-03T12:00",
}
BATCH = 40
EXAMPLES = 80  # of BATCH goals each


def some_amount(chance: random.Random, low: int, high: int) -> Decimal:
    places = chance.choice((0, 0, 0, 1, 2, 6))
    return Decimal(chance.randint(low * 10**places, high * 10**places)).scaleb(-places)


def a_moment(chance: random.Random, around: datetime, days: float) -> datetime:
    """Return a moment near another: now and then one microsecond before or after a full hour."""
    moment = around + timedelta(days=chance.triangular(-days, days))
    if chance.random() < 0.5:
        moment = moment.replace(minute=chance.choice((0, 0, 30, 45)), second=0, microsecond=0)
        moment += timedelta(microseconds=chance.choice((-1, 0, 0, 1)))
    return moment


def a_random_goal(chance: random.Random, now: datetime, span: float) -> Goal:
    pattern = chance.choice(PATTERNS)
    low, high = sorted((some_amount(chance, -5, 20), some_amount(chance, -5, 20)))
    is_whole = pattern == "streak"
    return Goal(
        id=uuid.UUID(int=chance.getrandbits(128)),
        pattern=pattern,
        value=Decimal(chance.randint(1, 30)) if is_whole else some_amount(chance, 0, 20) or Decimal("0.000001"),
        period=chance.choice(PERIODS),
        start_value=chance.choice(
            (some_amount(chance, -20, 20), Decimal(7), None if pattern != "target" else Decimal(1))
        ),
        direction=chance.choice((None, "increase", "decrease", "maintain")),
        target_type=chance.choice((None, *TARGET_TYPES)),
        min_value=low,
        max_value=high,
        weekdays=chance.choice((None, tuple(chance.sample(range(1, 8), chance.randint(1, 7))))),
        created=a_moment(chance, now - timedelta(days=span / 2), span / 2 + 2),
    )


def some_activities(chance: random.Random, goal: Goal, now: datetime, span: float) -> list[Activity]:
    """Return activities: scattered ones, and runs of days."""
    moments = [a_moment(chance, goal.created, span + 2) for _ in range(chance.choice((0, 1, 3, 8, 20)))]
    for _ in range(chance.choice((0, 1, 1, 2))):
        last = a_moment(chance, now, chance.choice((0, 1, 2, span)))
        moments += [
            last - timedelta(days=number, minutes=chance.choice((0, chance.randint(-600, 600))))
            for number in range(chance.randint(1, 25))
        ]
    amount = chance.choice(
        (
            lambda: some_amount(chance, -3, 15),
            lambda: some_amount(chance, 0, 6),
            lambda: Decimal(100) + some_amount(chance, 0, 3),
            lambda: goal.value,
        )
    )
    return [
        Activity(
            id=uuid.UUID(int=chance.getrandbits(128)),
            value=amount(),
            kind=chance.choice((*ACTIVITY_TYPES, "progress")),
            moment=moment if chance.random() < 0.9 else moments[0],
            created=now + timedelta(seconds=chance.randint(0, 2)),
        )
        for moment in moments
    ]


def store(cursor: Any, zone: str, goals: dict[Goal, list[Activity]]) -> str:
    """Store the goals of a new user of a zone; return the user's id."""
    cursor.execute(
        "INSERT INTO users (email, timezone) VALUES (gen_random_uuid() || '@example.com', %s) RETURNING id", (zone,)
    )
    user_id = str(cursor.fetchone()[0])
    execute_values(
        cursor,
        """
        INSERT INTO goals (
            id, user_id, title, category, goal_pattern, metric, target_value, unit, period, target_date, start_value,
            direction, target_type, min_value, max_value, days_of_week, created_at, status
        )
        VALUES %s
        """,
        [
            (str(goal.id), user_id, "t", "c", goal.pattern, "m", goal.value, "km", goal.period, "2030-01-01",
             goal.start_value, goal.direction, goal.target_type, goal.min_value, goal.max_value,
             list(goal.weekdays) if goal.weekdays else None, goal.created, "paused")
            for goal in goals
        ],
        "(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::smallint[], %s, %s)",
    )  # fmt: skip
    execute_values(
        cursor,
        "INSERT INTO goal_activities (id, goal_id, value, activity_type, activity_date, created_at) VALUES %s",
        [
            (str(activity.id), str(goal.id), activity.value, activity.kind, activity.moment, activity.created)
            for goal, activities in goals.items()
            for activity in activities
        ],
    )
    return user_id


def check(cursor: Any, zone: str, now: datetime, goals: dict[Goal, list[Activity]]) -> None:
    """Compare what SQL and Python say of each goal."""
    cursor.execute("BEGIN")
    try:
        user_id = store(cursor, zone, goals)
        for goal, activities in goals.items():
            told = json.loads(
                str(queries.progress(cursor, user_id, goal.id, now)), parse_float=Decimal, parse_int=Decimal
            )
            assert told == progress(goal, activities, zone, now), (zone, now, goal, activities)
    finally:
        cursor.execute("ROLLBACK")


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(
    seed=st.integers(0, 2**32),
    zone=st.sampled_from(sorted(JUMPS)),
    shift=st.floats(-3, 40),
    span=st.sampled_from((0.5, 5.0, 40.0, 400.0)),
)
def test_sql_and_python_agree_about_batches_of_goals(
    cursor: Any, seed: int, zone: str, shift: float, span: float
) -> None:
    chance = random.Random(seed)
    now = a_moment(chance, datetime.fromisoformat(JUMPS[zone]).replace(tzinfo=UTC) + timedelta(days=shift), 1)
    goals = [a_random_goal(chance, now, span) for _ in range(BATCH)]
    check(cursor, zone, now, {goal: some_activities(chance, goal, now, span) for goal in goals})


AMOUNTS = st.decimals(-20, 20, places=2) | st.sampled_from([Decimal("1e12"), Decimal("-1e12"), Decimal("0.000001")])
MINUTES = st.integers(-3 * 1440, 3 * 1440)


@st.composite
def single_goals(draw: Any) -> tuple[str, datetime, Goal, list[Activity]]:
    """Draw a goal in a way that hypothesis can make smaller."""
    zone = draw(st.sampled_from(sorted(JUMPS)))
    middle = datetime.fromisoformat(JUMPS[zone]).replace(tzinfo=UTC)
    pattern = draw(st.sampled_from(PATTERNS))
    low, high = sorted((draw(AMOUNTS), draw(AMOUNTS)))
    value = draw(AMOUNTS.filter(lambda amount: amount > 0))
    goal = Goal(
        id=uuid.uuid4(),
        pattern=pattern,
        value=Decimal(draw(st.integers(1, 8))) if pattern == "streak" else value,
        period=draw(st.sampled_from(PERIODS)),
        start_value=draw(AMOUNTS),
        direction=draw(st.sampled_from((None, "increase", "decrease", "maintain"))),
        target_type=draw(st.sampled_from((None, *TARGET_TYPES))),
        min_value=low,
        max_value=high,
        weekdays=draw(st.none() | st.lists(st.integers(1, 7), min_size=1, unique=True).map(tuple)),
        created=middle + timedelta(minutes=draw(MINUTES)),
    )
    activities = [
        Activity(uuid.UUID(int=number), draw(AMOUNTS), draw(st.sampled_from(ACTIVITY_TYPES)),
                 middle + timedelta(minutes=draw(MINUTES)), middle)
        for number in range(draw(st.integers(0, 7)))
    ]  # fmt: skip
    return zone, middle + timedelta(minutes=draw(MINUTES)), goal, activities


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(single_goals())
def test_sql_and_python_agree_about_a_goal(cursor: Any, case: tuple[str, datetime, Goal, list[Activity]]) -> None:
    zone, now, goal, activities = case
    check(cursor, zone, now, {goal: activities})
