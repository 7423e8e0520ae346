"""When schedules are due, and that each time is put once, by however many workers."""

from __future__ import annotations

import calendar
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from service import config, jobs
from service.app import create_app
from service.database import Database
from service.jobs import schedules
from service.jobs.schedules import SCHEDULES, put_due
from service.schedule_expression import WrongExpression, check, next_after
from tests.jobs.conftest import wait_for

Sql = Callable[..., list[tuple[Any, ...]]]
NOON = datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC)  # a Saturday

NEXT = {
    "rate(1 minute)": "2026-11-21T12:01",
    "cron(0 0 * * ? *)": "2026-11-22T00:00",
    "cron(0 9 ? * MON-FRI *)": "2026-11-23T09:00",
    "cron(0 9 ? * 2-6 *)": "2026-11-23T09:00",
    "cron(0/15 * * * ? *)": "2026-11-21T12:15",
    "cron( 0   10 * * ? * )": "2026-11-22T10:00",
    "cron(15 10 ? * 6L 2026-2030)": "2026-11-27T10:15",
    "cron(0 8 1 * ? *)": "2026-12-01T08:00",
    "cron(0 8 L * ? *)": "2026-11-30T08:00",
    "cron(0 8 ? * SUN#1 *)": "2026-12-06T08:00",
    "cron(0 9 6W 12 ? *)": "2026-12-07T09:00",
    "cron(0 0 29 2 ? *)": "2028-02-29T00:00",
    "cron(0 0 29 2 ? 2041-2048)": "2044-02-29T00:00",
    "cron(0 0 29 2 ? 2097-2110)": "2104-02-29T00:00",
    "cron(0 0 1 1 ? 2199)": "2199-01-01T00:00",
    "cron(59 23 31 12 ? *)": "2026-12-31T23:59",
    "cron(0 12 21 11 ? *)": "2027-11-21T12:00",
    "cron(1 12 21 11 ? *)": "2026-11-21T12:01",
}


@pytest.mark.parametrize(("expression", "due"), NEXT.items(), ids=NEXT)
def test_an_expression_is_due_when_eventbridge_says(expression: str, due: str) -> None:
    found = next_after(expression, NOON, NOON.replace(second=0))
    assert found == datetime.fromisoformat(f"{due}:00+00:00")


WRONG = {
    "rate(1 days)": "rate(1 days) must be rate(1 day)",
    "rate(5 minute)": "rate(5 minute) must be rate(5 minutes)",
    "rate(0 days)": "rate(0 days) is neither like rate(6 hours) nor like cron(0 9 ? * MON-FRI *)",
    "rate(1 week)": "is neither like",
    "rate(1.5 hours)": "is neither like",
    "daily": "daily is neither like",
    "0 9 * * *": "is neither like",
    "rate(1 day) ": "is neither like",
    "at(2026-11-21T12:00:00)": "is neither like",
    "cron(0 9 * * *)": "is no cron expression of EventBridge: ",
    "cron(0 0 * * MON *)": "One must be a question mark",
    "cron(61 9 * * ? *)": "Invalid minute value '61'",
    "cron()": "is no cron expression of EventBridge: ",
    "cron(a b c d e f)": "is no cron expression of EventBridge: ",
    "cron(0 0 30 2 ? *)": "cron(0 0 30 2 ? *) is never due",
    "cron(0 9 1 1 ? 2020)": "is never due",
}


@pytest.mark.parametrize(("expression", "problem"), WRONG.items(), ids=WRONG)
def test_a_wrong_expression_is_said_to_be_wrong(expression: str, problem: str) -> None:
    with pytest.raises(WrongExpression) as refusal:
        check(expression)
    assert problem in str(refusal.value)
    if expression.strip() == expression:
        with pytest.raises(config.ConfigError, match="SCHEDULE_EXPRESSION: "):
            config.load({"SCHEDULE_EXPRESSION": expression})


@given(
    number=st.integers(1, 999_999),
    unit=st.sampled_from(["minute", "hour", "day"]),
    late=st.timedeltas(timedelta(days=-2), timedelta(days=4000)),
)
def test_a_rate_keeps_its_beat_and_makes_up_for_nothing(number: int, unit: str, late: timedelta) -> None:
    expression = f"rate({number} {unit}{'s' if number > 1 else ''})"
    interval = timedelta(**{f"{unit}s": number})
    moment = NOON + late
    due = next_after(expression, moment, NOON)
    assert due > moment or due == NOON + interval
    assert (due - NOON) % interval == timedelta(0)
    assert due - interval <= max(moment, NOON)


FIELDS = st.tuples(
    st.sampled_from(["*", "0", "30", "0/20", "5,50", "10-12"]),
    st.sampled_from(["*", "0", "12", "0/8", "22-23"]),
    st.sampled_from(["*", "1", "15", "28-31", "31", "L", "?"]),
    st.sampled_from(["*", "2", "1/3", "JUN-AUG", "12"]),
    st.sampled_from(["?", "*", "MON-FRI", "1", "7", "SUN,TUE"]),
).filter(lambda fields: (fields[2] == "?") != (fields[4] == "?") and (fields[2], fields[3]) != ("31", "2"))

MONTHS = {"JUN-AUG": {6, 7, 8}, "1/3": {1, 4, 7, 10}}
DAYS = {"MON-FRI": {0, 1, 2, 3, 4}, "1": {6}, "7": {5}, "SUN,TUE": {6, 1}}


def first_after(fields: tuple[str, ...], moment: datetime) -> datetime:
    """Return the first moment of an expression, the slow and plain way."""
    minute, hour, day, month, weekday = fields
    date = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    while True:
        last = calendar.monthrange(date.year, date.month)[1]
        if (
            (date.day == last if day == "L" else date.day in numbers(day, 32))
            and date.month in (MONTHS.get(month) or numbers(month, 13))
            and (weekday in "?*" or date.weekday() in DAYS[weekday])
        ):
            times = [date.replace(hour=h, minute=m) for h in numbers(hour, 24) for m in numbers(minute, 60)]
            if later := [each for each in times if each > moment]:
                return min(later)
        date += timedelta(days=1)


def numbers(field: str, end: int) -> set[int]:
    if field in "*?":
        return set(range(end))
    if "/" in field:
        begin, step = map(int, field.split("/"))
        return set(range(begin, end, step))
    if "-" in field:
        low, high = map(int, field.split("-"))
        return set(range(low, high + 1))
    return set(map(int, field.split(",")))


@given(fields=FIELDS, moment=st.timedeltas(timedelta(0), timedelta(days=4000)).map(NOON.__add__))
def test_the_library_finds_the_first_moment_that_matches(fields: tuple[str, ...], moment: datetime) -> None:
    assert next_after(f"cron({' '.join(fields)} *)", moment) == first_after(fields, moment)


@pytest.fixture
def database(app: Flask) -> Database:
    found: Database = app.extensions["database"]
    return found


def age(sql: Sql) -> None:
    sql("UPDATE job_schedules SET due_at = now() - interval '1 s'")


def test_a_rate_is_due_when_it_begins_and_once_each_time(database: Database, sql: Sql) -> None:
    assert put_due(database, "rate(1 hour)") == []
    assert put_due(database, "rate(1 hour)") == ["work-orders", "invoices"]
    assert put_due(database, "rate(1 hour)") == []
    assert sql("SELECT name, arguments FROM jobs ORDER BY id") == [
        ("ingest", {"source": "work-orders"}),
        ("ingest", {"source": "invoices"}),
    ]
    assert sql("SELECT DISTINCT due_at BETWEEN now() + '59 min' AND now() + '1 h' FROM job_schedules") == [(True,)]
    age(sql)
    assert put_due(database, "rate(1 hour)") == ["work-orders", "invoices"]
    assert sql("SELECT count(*) FROM jobs") == [(4,)]


def test_a_cron_expression_waits_for_its_first_time(database: Database, sql: Sql) -> None:
    for _ in range(2):
        assert put_due(database, "cron(0 0 1 1 ? *)") == []
    assert sql("SELECT DISTINCT due_at::text ~ '^20[0-9]{2}-01-01 00:00:00' FROM job_schedules") == [(True,)]


def test_what_was_missed_is_made_up_for_once(database: Database, sql: Sql) -> None:
    put_due(database, "rate(1 minute)")
    sql("UPDATE job_schedules SET due_at = due_at - interval '1000 min'")
    assert put_due(database, "rate(1 minute)") == ["work-orders", "invoices"]
    assert put_due(database, "rate(1 minute)") == []


def test_another_expression_holds_from_now_on(database: Database, sql: Sql) -> None:
    put_due(database, "rate(1 hour)")
    age(sql)
    assert put_due(database, "rate(2 days)") == []
    assert put_due(database, "rate(2 days)") == []
    assert sql("SELECT DISTINCT expression, due_at > now() + interval '47 h' FROM job_schedules") == [
        ("rate(2 days)", True)
    ]


def test_twelve_at_once_put_each_time_once(database: Database, sql: Sql) -> None:
    for _ in range(5):
        put_due(database, "rate(1 hour)")
        age(sql)
        sql("DELETE FROM jobs")
        barrier = threading.Barrier(12)

        def at_once() -> None:
            barrier.wait()  # noqa: B023
            put_due(database, "rate(1 hour)")

        threads = [threading.Thread(target=at_once) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sql("SELECT count(*) FROM jobs") == [(len(SCHEDULES),)]


def test_a_worker_puts_what_is_due_where_fullbay_is_configured(work: Any, sql: Sql) -> None:
    ran: list[Any] = []
    jobs.job("ingest")(ran.append)
    work()
    work(FULLBAY_API_KEY="a-key", SCHEDULE_EXPRESSION="rate(1 hour)")
    wait_for(lambda: sql("SELECT count(*) FROM job_schedules") == [(len(SCHEDULES),)], "the schedules begin")
    wait_for(lambda: len(ran) == len(SCHEDULES), "their jobs are run", 15)
    assert {"source": "work-orders"} in ran


@pytest.mark.parametrize(
    ("environ", "is_wanted"),
    [
        ({}, False),
        ({"FULLBAY_API_KEY": "k"}, True),
        ({"FULLBAY_API_KEY_DENVER": "k"}, True),
        ({"SECRETS_MANAGER_SECRET_NAME": "headgate"}, True),
    ],
    ids=["nothing", "a key", "a shop's key", "a secret"],
)
def test_there_is_something_to_pull_where_fullbay_has_a_key(environ: dict[str, str], is_wanted: bool) -> None:
    assert schedules.are_wanted(config.load(environ)) is is_wanted


def test_every_schedule_names_a_job_that_exists() -> None:
    create_app(config.Config())
    assert {scheduled.job for scheduled in SCHEDULES.values()} <= set(jobs.names())
