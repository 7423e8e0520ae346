"""Whatever is sent that is no condition over the table's own columns is refused, and soon."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import date

import duckdb
import pytest

from service.errors import Invalid
from service.exports.selection.request import Request, request_of
from service.exports.selection.select import select
from tests.exports.selection import hostile
from tests.exports.selection.sample import ROWS, TABLE, selected

TODAY = date(2024, 1, 17)
MOST_SECONDS = 0.05


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    select(Request(TABLE.name, where_clause="region = 'US'"), TABLE, TODAY, 100)


def refused(ask: Callable[[], object], field: str) -> str:
    """Ask in vain, three times; return why. No refusal takes long, nor repeats much of what was sent."""
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        with pytest.raises(Invalid) as refusal:
            ask()
        seconds.append(time.perf_counter() - started)
    assert statistics.median(seconds) < MOST_SECONDS
    (violation,) = refusal.value.violations
    assert violation["path"] == field
    assert 10 < len(violation["message"]) < 250
    assert violation["message"].isprintable()
    return violation["message"]


def test_there_are_enough_of_them() -> None:
    assert len(set(hostile.CLAUSES.values())) == len(hostile.CLAUSES) >= 220


@pytest.mark.parametrize("clause", hostile.CLAUSES.values(), ids=hostile.CLAUSES)
def test_a_hostile_clause_is_refused(
    clause: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    refused(lambda: select(Request(TABLE.name, where_clause=clause), TABLE, TODAY, 100), "where_clause")
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


@pytest.mark.parametrize("clause", hostile.HARMLESS.values(), ids=hostile.HARMLESS)
def test_what_looks_hostile_and_is_not_does_no_harm(clause: str, lake: duckdb.DuckDBPyConnection) -> None:
    request = Request(TABLE.name, date_filter="2024-01-01", where_clause=clause)
    started = time.perf_counter()
    found = selected(lake, select(request, TABLE, TODAY, 100))
    assert time.perf_counter() - started < 2
    assert set(found) <= {row["id"] for row in ROWS if row["day"] == date(2024, 1, 1)}
    assert lake.execute(f"SELECT count(*) FROM {TABLE.name}").fetchone() == (len(ROWS),)


@pytest.mark.parametrize("column", hostile.COLUMNS.values(), ids=hostile.COLUMNS)
def test_a_hostile_column_is_refused(column: str) -> None:
    def ask() -> None:
        select(request_of({"table": TABLE.name, "columns": ["id", column]}), TABLE, TODAY, 100)

    refused(ask, "columns[1]")


@pytest.mark.parametrize("column", hostile.COLUMNS.values(), ids=hostile.COLUMNS)
def test_a_filter_on_a_hostile_column_is_refused(column: str) -> None:
    def ask() -> None:
        filters = [{"column": column, "op": "is_null"}]
        select(request_of({"table": TABLE.name, "filters": filters}), TABLE, TODAY, 100)

    refused(ask, "filters[0].column")


@pytest.mark.parametrize("days", hostile.DATES.values(), ids=hostile.DATES)
def test_a_hostile_date_filter_is_refused(days: str) -> None:
    refused(lambda: request_of({"table": TABLE.name, "date_filter": days}), "date_filter")


@pytest.mark.parametrize(
    "days", [days for days in hostile.DATES.values() if days], ids=[k for k, v in hostile.DATES.items() if v]
)
def test_a_hostile_date_filter_that_nobody_has_looked_at_is_refused(days: str) -> None:
    refused(lambda: select(Request(TABLE.name, date_filter=days), TABLE, TODAY, 100), "date_filter")
