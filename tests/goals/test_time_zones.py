"""What progress in SQL takes for granted about calendars, asked of every zone there is."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest

from tests.goals.model import is_on_calendar, local_day

STEP = timedelta(days=180)


def left_out(zone: str) -> list[date]:
    """Return the days that a zone left out since 1970: only where its clock went on by most of a day in between."""
    place = ZoneInfo(zone)
    found: set[date] = set()
    before = datetime(1970, 1, 1, tzinfo=UTC)
    while before.year < 2060:  # beyond, nothing is planned
        after = before + STEP
        offsets = [moment.astimezone(place).utcoffset() or timedelta() for moment in (before, after)]
        if offsets[1] - offsets[0] > timedelta(hours=12):
            days = (local_day(before, zone) + timedelta(days=number) for number in range(STEP.days + 3))
            found.update(day for day in days if not is_on_calendar(day, zone))
        before = after
    return sorted(found)


def test_sql_and_python_know_the_same_days_that_a_zone_left_out(rows: Any) -> None:
    """Since 1970: what was before, zoneinfo and PostgreSQL do not have from one source everywhere."""
    known = {name for (name,) in rows("SELECT name FROM pg_timezone_names")}
    zones = sorted(available_timezones() & known)
    assert len(zones) > 400
    told = rows("SELECT zone, left_out_days(zone) FROM unnest(%s) AS zone", zones)
    recent = {zone: [day for day in days if day.year >= 1970] for zone, days in told}
    assert recent == {zone: left_out(zone) for zone in zones}
    assert {day for days in recent.values() for day in days} == {
        date(1993, 8, 21), date(1994, 12, 31), date(2011, 12, 30),
    }  # fmt: skip


def test_sql_knows_every_day_that_a_zone_of_the_server_ever_left_out(rows: Any) -> None:
    """Asked day by day where a clock went on by most of a day, back to the time before any zone had a rule."""
    found = rows(
        """
        SELECT name, day::date
        FROM pg_timezone_names,
             generate_series(timestamptz '1800-01-01Z', '2060-01-01Z', interval '180 days') AS before,
             generate_series(before AT TIME ZONE name, before AT TIME ZONE name + interval '182 days', '1 day') AS day
        WHERE (before + interval '180 days') AT TIME ZONE name - before AT TIME ZONE name > interval '180 days 12 hours'
          AND ((day::date + time '12:00') AT TIME ZONE name AT TIME ZONE name)::date <> day::date
        ORDER BY 1, 2
        """
    )
    told = rows("SELECT name, day FROM pg_timezone_names, unnest(left_out_days(name)) AS day ORDER BY 1, 2")
    assert sorted(set(found)) == told
    assert ("Asia/Manila", date(1844, 12, 31)) in told


@pytest.mark.parametrize("period", ["day", "week", "month", "quarter", "year"])
def test_periods_are_numbered_without_a_gap(rows: Any, period: str) -> None:
    ((steps, changes),) = rows(
        """
        WITH numbered AS (
            SELECT day, period_number(%(period)s, day::date, '{2011-12-30}') AS number,
                   date_trunc(%(period)s, day) AS beginning
            FROM generate_series(date '1990-01-01', date '2032-01-01', interval '1 day') AS day
            WHERE day <> '2011-12-30'
        ), compared AS (
            SELECT number - lag(number) OVER (ORDER BY day) AS step,
                   (beginning <> lag(beginning) OVER (ORDER BY day))::integer AS change
            FROM numbered
        )
        SELECT bool_and(step = change), sum(change) FROM compared
        """.replace("%(period)s", f"'{period}'")
    )
    assert steps
    assert changes > 40


def test_days_of_a_schedule_are_counted_as_on_a_calendar(rows: Any) -> None:
    ((wrong,),) = rows(
        """
        SELECT count(*)
        FROM generate_series(date '2011-12-20', date '2012-01-10', interval '1 day') AS first_day,
             generate_series(date '2011-12-20', date '2012-01-10', interval '1 day') AS last_day,
             (VALUES ('{1}'::smallint[]), ('{5}'), ('{7,1}'), ('{1,2,3,4,5,6,7}')) AS schedule (weekdays)
        WHERE first_day <= last_day
          AND scheduled_days(weekdays, first_day::date, last_day::date, '{2011-12-30}') <> (
              SELECT count(*)
              FROM generate_series(first_day, last_day, interval '1 day') AS day
              WHERE day <> '2011-12-30' AND extract(isodow FROM day) = ANY (weekdays)
          )
        """
    )
    assert wrong == 0


def test_numbers_begin_with_year_1(rows: Any) -> None:
    days = "VALUES (date '0001-01-01'), ('0001-01-07'), ('0001-01-08'), ('0002-01-01')"
    weeks = rows(
        f"SELECT period_number('week', day, '{{}}'), period_number('day', day, '{{}}') FROM ({days}) AS d (day)"
    )
    assert weeks == [(0, 0), (0, 6), (1, 7), (52, 365)]
