"""`date_filter`: days of UTC in words, on the table's date column.

today, yesterday
last_week                   the last whole week, Monday to Sunday
last_7_days                 seven days, the last of them today; any number from 1 to 3660
2026-01-15                  one day
2026-01-15/2026-01-31       from a day to a day, both included
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, NamedTuple

from service.exports.lake.catalog import Column
from service.exports.lake.types import MOMENTS, TEXTS
from service.exports.selection.nodes import bound, named
from service.exports.selection.values import Misfit, day_of, moment_text, text_of

if TYPE_CHECKING:
    from sqlglot import exp

MAX_DAYS = 3660
DATE_FILTER = rf"today|yesterday|last_week|last_[1-9][0-9]{{0,3}}_days|{(day := '[0-9]{4}-[0-9]{2}-[0-9]{2}')}(/{day})?"
_LAST_DAYS = re.compile(r"last_([1-9][0-9]{0,3})_days")
_DAY = timedelta(days=1)


class Days(NamedTuple):
    """Days from `first` on, and before `end`."""

    first: date
    end: date


def days_of(date_filter: str, today: date) -> Days:
    """Return the days that are meant. Raises `Misfit`."""
    if date_filter == "today":
        return Days(today, today + _DAY)
    if date_filter == "yesterday":
        return Days(today - _DAY, today)
    if date_filter == "last_week":
        monday = today - today.weekday() * _DAY
        return Days(monday - 7 * _DAY, monday)
    if match := _LAST_DAYS.fullmatch(date_filter):
        count = int(match[1])
        if count > MAX_DAYS:
            raise Misfit(f"Must be about at most {MAX_DAYS} days")
        return Days(today - (count - 1) * _DAY, today + _DAY)
    return _written(date_filter)


def _written(date_filter: str) -> Days:
    first, slash, last = date_filter.partition("/")
    try:
        days = day_of(first), day_of(last if slash else first)
    except Misfit:
        raise Misfit(
            "Must be today, yesterday, last_week, last_7_days (or any number of them), a day such as 2026-01-15, or"
            " two with / between them"
        ) from None
    if days[0] > days[1]:
        raise Misfit("Must not end before it begins")
    if days[1] == date.max:
        raise Misfit("Must end before 9999-12-31")
    return Days(days[0], days[1] + _DAY)


def condition_of(days: Days, column: Column) -> exp.Expression:
    """Return that a column is of some days: from the first midnight on, and before the last. Raises `Misfit`."""
    from sqlglot import exp

    first, end = (bound(_text(day, column), column.type) for day in days)
    return exp.Paren(
        this=exp.And(
            this=exp.GTE(this=named(column), expression=first), expression=exp.LT(this=named(column), expression=end)
        )
    )


def _text(day: date, column: Column) -> str:
    if column.type.kind in MOMENTS:
        return moment_text(datetime.combine(day, time.min, UTC), column.type)
    if column.type.kind == "date" or column.type.kind in TEXTS:
        return text_of(day.isoformat(), column.type)
    raise Misfit(f"Must not be given for this table: its date column {column.name} is of type {column.type.kind}")
