"""What was eaten on each day, against the same computed in Python, across time zones and their changes."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from service.database import Database
from service.meals import queries
from service.meals.schemas import MealSummary
from tests.conftest import Person
from tests.transports import Client

NewUser = Callable[..., Person]

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Havana",  # goes back from 1:00 to midnight: the first hour of a day comes twice
    "Atlantic/Azores",  # as Havana
    "America/Sao_Paulo",  # went from 0:00 to 1:00: days that began at 1:00
    "Asia/Beirut",  # goes back from 0:00 to 23:00
    "Australia/Lord_Howe",  # half an hour
    "Pacific/Apia",  # had no 30 December 2011
    "Pacific/Kiritimati",  # UTC+14
    "Asia/Kathmandu",  # UTC+5:45
]
EGG = {"food": "Egg", "quantity": 1, "unit": "piece"}


def a_meal(moment: str | datetime, *calories: Any) -> dict[str, Any]:
    text = moment if isinstance(moment, str) else moment.isoformat()
    return {"name": "Meal", "eatenAt": text, "items": [{**EGG, "calories": amount} for amount in calories]}


@cache
def changes_of(zone: str) -> list[datetime]:
    """Return the moments at which the offset of a time zone changes, from 2000 to 2030."""
    found = []
    moment, end, step = datetime(2000, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC), timedelta(days=1)

    def offset(at: datetime) -> timedelta | None:
        return at.astimezone(ZoneInfo(zone)).utcoffset()

    while moment < end:
        if offset(moment) != offset(moment + step):
            before, after = moment, moment + step
            while after - before > timedelta(seconds=1):
                middle = before + (after - before) // 2
                before, after = (middle, after) if offset(middle) == offset(before) else (before, middle)
            found.append(after.replace(microsecond=0))
        moment += step
    return found or [datetime(2011, 12, 30, 10, tzinfo=UTC)]


@st.composite
def diaries(draw: st.DrawFn) -> tuple[str, date, date, list[tuple[datetime, list[Decimal | None]]]]:
    """Return a time zone, two days, and moments near them with the calories of each item."""
    zone = draw(st.sampled_from(ZONES))
    change = draw(st.sampled_from(changes_of(zone)))
    first = change.astimezone(ZoneInfo(zone)).date() + timedelta(draw(st.integers(-3, 1)))
    last = first + timedelta(draw(st.sampled_from([0, 1, 2, 4, 40, 365])))
    minutes = st.integers(-3 * 24 * 60, 3 * 24 * 60) | st.integers(-26 * 60, 26 * 60) | st.integers(-61, 61)
    near = minutes.map(lambda number: change + timedelta(minutes=number))
    anywhere = st.integers(-24, 24 * 370).map(
        lambda hours: datetime(first.year, first.month, first.day, tzinfo=UTC) + timedelta(hours=hours)
    )
    edge = st.sampled_from([timedelta(0), timedelta(microseconds=-1), timedelta(hours=1)])
    moments = st.tuples(near | anywhere, edge).map(sum_of)
    calories = st.none() | st.decimals(0, 10**6, places=6) | st.sampled_from([Decimal("0.1"), Decimal("1e-20")])
    meals = st.lists(st.tuples(moments, st.lists(calories, min_size=1, max_size=3)), max_size=6)
    return zone, first, last, draw(meals)


def sum_of(pair: tuple[datetime, timedelta]) -> datetime:
    return pair[0] + pair[1]


def expected(
    zone: str, first: date, last: date, meals: list[tuple[datetime, list[Decimal | None]]]
) -> dict[str, list[Any]]:
    """Return meals, items, calories and items without calories of each day."""
    days: dict[str, list[Any]] = {}
    for number in range((last - first).days + 1):
        day = first + timedelta(number)
        on_day = [items for moment, items in meals if moment.astimezone(ZoneInfo(zone)).date() == day]
        known = [Fraction(amount) for items in on_day for amount in items if amount is not None]
        count = sum(len(items) for items in on_day)
        days[day.isoformat()] = [len(on_day), count, sum(known, Fraction()), count - len(known)]
    return days


def figures(found: dict[str, Any]) -> list[Any]:
    return [found["meals"], found["items"], Fraction(found["calories"]), found["itemsWithoutCalories"]]


@pytest.fixture(scope="module")
def database(environment: Any) -> Iterator[Database]:
    from service import config

    found = Database(config.load(environment))
    yield found
    found.close()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(diary=diaries())
@example(
    diary=("America/Havana", date(2024, 11, 2), date(2024, 11, 2), [(datetime(2024, 11, 3, 4, 30, tzinfo=UTC), [None])])
)
@example(
    diary=("Pacific/Apia", date(2011, 12, 29), date(2011, 12, 31), [(datetime(2011, 12, 30, 10, tzinfo=UTC), [None])])
)
@example(
    diary=("America/Havana", date(2024, 11, 3), date(2024, 11, 3), [(datetime(2024, 11, 3, 4, tzinfo=UTC), [None])])
)
def test_a_summary_is_what_python_computes(database: Database, new_user: NewUser, diary: Any) -> None:
    zone, first, last, meals = diary
    owner = new_user(timezone=zone).id
    with database.transaction() as cursor:
        for moment, calories in meals:
            items = [{**EGG, "calories": amount} for amount in calories]
            meal = {"name": "Meal", "eatenAt": moment, "items": items, "notes": None}
            queries.insert(cursor, owner, str(uuid.uuid4()), meal)
    text = database.statement(queries.summary, owner, first, last)
    assert text is not None
    found = json.loads(text, parse_float=Decimal)
    days = expected(zone, first, last, meals)
    assert found["timezone"] == zone
    assert {day["date"]: figures(day) for day in found["days"]} == days
    assert [day["date"] for day in found["days"]] == sorted(days)
    assert figures(found["total"]) == [sum(column) for column in zip(*days.values(), strict=True)]
    listed = json.loads(str(database.statement(queries.page, owner, 1, 100, first, last)))
    assert listed["pagination"]["total"] == found["total"]["meals"]


@pytest.fixture
def client(client: Client, new_user: NewUser) -> Client:
    """Sends the token of a user in Berlin who has nothing yet."""
    client.token = new_user(timezone="Europe/Berlin").token
    return client


def summary(client: Client, first: str, last: str) -> dict[str, Any]:
    answer = client.get(f"/meals/summary?from={first}&to={last}")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    found = json.loads(answer.body, parse_float=Decimal)
    assert MealSummary().validate(found) == {}
    return found


def test_a_summary_has_every_day_and_the_sums_of_all(client: Client, new_user: NewUser) -> None:
    for meal in (
        a_meal("2026-03-28T22:59:59.999999Z", 0.1, None),  # the last moment of the day in Berlin
        a_meal("2026-03-28T23:00:00Z", 0.2),
        a_meal("2026-03-29T21:59:59Z", 100, 0.5),  # summer time has begun
        a_meal("2026-03-29T22:00:00Z", None),
        a_meal("2026-04-01T12:00:00Z", 999),
    ):
        assert client.post("/meals", json=meal).status == 201
    client.post("/meals", json=a_meal("2026-03-29T12:00:00Z", 5000), token=new_user().token)
    assert summary(client, "2026-03-28", "2026-03-31") == {
        "timezone": "Europe/Berlin",
        "days": [
            {"date": "2026-03-28", "meals": 1, "items": 2, "calories": Decimal("0.1"), "itemsWithoutCalories": 1},
            {"date": "2026-03-29", "meals": 2, "items": 3, "calories": Decimal("100.7"), "itemsWithoutCalories": 0},
            {"date": "2026-03-30", "meals": 1, "items": 1, "calories": 0, "itemsWithoutCalories": 1},
            {"date": "2026-03-31", "meals": 0, "items": 0, "calories": 0, "itemsWithoutCalories": 0},
        ],
        "total": {"meals": 4, "items": 6, "calories": Decimal("100.8"), "itemsWithoutCalories": 2},
    }


def test_a_summary_may_have_366_days_and_the_first_and_the_last_of_all(client: Client) -> None:
    assert len(summary(client, "2024-01-01", "2024-12-31")["days"]) == 366
    assert [day["date"] for day in summary(client, "0001-01-01", "0001-01-01")["days"]] == ["0001-01-01"]
    assert [day["date"] for day in summary(client, "9999-12-31", "9999-12-31")["days"]] == ["9999-12-31"]


def test_a_summary_follows_the_user_into_another_time_zone(client: Client, rows: Any) -> None:
    meal = client.post("/meals", json=a_meal("2026-01-15T12:00:00Z", 1)).json()
    for zone, day in (("Europe/Berlin", "2026-01-15"), ("Pacific/Kiritimati", "2026-01-16")):
        owner = "(SELECT user_id FROM meals WHERE id = %s)"
        rows(f"UPDATE users SET timezone = %s WHERE id = {owner}", zone, meal["mealId"])
        assert summary(client, day, day)["total"]["meals"] == 1


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("", "from"),
        ("to=2026-01-15", "from"),
        ("from=2026-01-15", "to"),
        ("from=2026-01-15&to=", "to"),
        ("from=x&to=2026-01-15", "from"),
        ("from=2026-02-30&to=2026-03-01", "from"),
        ("from=2026-01-15&to=20260115", "to"),
        ("from=2026-01-16&to=2026-01-15", "to"),
        ("from=2025-01-01&to=2026-01-02", "to"),
        ("from=0001-01-01&to=9999-12-31", "to"),
        ("from=2026-01-15&to=2026-01-15&page=1", "page"),
    ],
    ids=str,
)
def test_a_wrong_query_is_refused_and_named(client: Client, query: str, path: str) -> None:
    answer = client.get(f"/meals/summary?{query}")
    assert (answer.status, answer.json()["details"]["errors"][0]["path"]) == (422, path)


def test_a_summary_is_no_meal(client: Client) -> None:
    assert client.put("/meals/summary", json=a_meal("2026-01-15T12:00:00Z", 1)).status == 405
    assert client.get("/meals/summary", token=None).status == 401
