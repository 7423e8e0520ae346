"""`date_filter`: which days are meant, on columns of every type that holds days."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import Invalid
from service.exports.lake.catalog import Table
from service.exports.selection.dates import Days, days_of
from service.exports.selection.request import Request
from service.exports.selection.select import select
from tests.exports.selection.sample import ROWS, TABLE, selected

WEDNESDAY = date(2024, 1, 17)


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("today", date(2024, 1, 17), date(2024, 1, 17)),
        ("yesterday", date(2024, 1, 16), date(2024, 1, 16)),
        ("last_week", date(2024, 1, 8), date(2024, 1, 14)),
        ("last_1_days", date(2024, 1, 17), date(2024, 1, 17)),
        ("last_7_days", date(2024, 1, 11), date(2024, 1, 17)),
        ("last_3660_days", date(2014, 1, 10), date(2024, 1, 17)),
        ("2024-02-29", date(2024, 2, 29), date(2024, 2, 29)),
        ("2023-12-31/2024-01-01", date(2023, 12, 31), date(2024, 1, 1)),
        ("0001-01-01/9999-12-30", date(1, 1, 1), date(9999, 12, 30)),
    ],
)
def test_the_days_that_are_meant(asked: str, first: date, last: date) -> None:
    assert days_of(asked, WEDNESDAY) == Days(first, last + timedelta(days=1))


@pytest.mark.parametrize(
    ("today", "monday"),
    [
        (date(2024, 1, 15), date(2024, 1, 8)),  # a Monday
        (date(2024, 1, 21), date(2024, 1, 8)),  # a Sunday
        (date(2024, 1, 1), date(2023, 12, 25)),  # a year ends in between
    ],
)
def test_last_week_is_the_last_that_is_over(today: date, monday: date) -> None:
    assert days_of("last_week", today) == Days(monday, monday + timedelta(days=7))


@given(st.dates(date(1990, 1, 1), date(2100, 1, 1)), st.integers(1, 3660))
def test_the_last_days_are_as_many_and_end_with_today(today: date, count: int) -> None:
    days = days_of(f"last_{count}_days", today)
    assert (days.end - days.first).days == count
    assert days.end == today + timedelta(days=1)


def day_of(value: Any) -> date | None:
    if isinstance(value, str):
        return date.fromisoformat(value)
    return value.date() if isinstance(value, datetime) else value


@pytest.mark.parametrize("column", ["day", "at", "seen", "iso"])
@pytest.mark.parametrize("asked", ["today", "yesterday", "last_7_days", "1969-12-31", "2023-12-31/2024-02-29"])
def test_rows_of_those_days_are_selected(column: str, asked: str, lake: duckdb.DuckDBPyConnection) -> None:
    today = date(2024, 1, 1)
    table = Table(TABLE.name, TABLE.columns, date_column=column)
    first, end = days_of(asked, today)
    expected = [row["id"] for row in ROWS if (day := day_of(row[column])) and first <= day < end]
    assert selected(lake, select(Request(TABLE.name, date_filter=asked), table, today, 1000)) == expected
    assert expected or asked == "last_7_days"


@pytest.mark.parametrize("column", [None, "quantity", "active", "tags", "nowhere"])
def test_a_table_without_days_takes_no_date_filter(column: str | None) -> None:
    table = Table(TABLE.name, TABLE.columns, date_column=column)
    with pytest.raises(Invalid, match="date_filter: Must not be given for this table"):
        select(Request(TABLE.name, date_filter="today"), table, WEDNESDAY, 1000)
