"""Names, limits and keys: what is selected of a table, and in which order."""

from __future__ import annotations

import time
from datetime import date

import pytest

from service.errors import Invalid
from service.exports.lake.catalog import Column, Table
from service.exports.lake.types import Type
from service.exports.selection.names import near
from service.exports.selection.request import Request
from service.exports.selection.select import select
from service.exports.selection.statement import Statement
from tests.exports.selection.sample import TABLE

TODAY = date(2024, 1, 17)


def ask(request: Request, table: Table = TABLE) -> Statement:
    return select(request, table, TODAY, 1000)


def test_all_columns_of_all_rows_as_many_as_are_allowed() -> None:
    assert ask(Request(TABLE.name)) == Statement(TABLE.name, TABLE.columns, None, (), 1000)


def test_columns_come_in_the_order_in_which_they_are_asked_for_and_in_any_case() -> None:
    columns = ask(Request(TABLE.name, columns=("REGION", "id", "key"))).columns
    assert [column.name for column in columns] == ["region", "id", "Key"]


def test_every_unknown_column_is_named_with_those_that_are_near() -> None:
    with pytest.raises(Invalid) as refusal:
        ask(Request(TABLE.name, columns=("regoin", "id", "zzzzzz")))
    assert [violation["path"] for violation in refusal.value.violations] == ["columns[0]", "columns[2]"]
    assert refusal.value.violations[0]["message"].endswith("not 'regoin'; did you mean region?")
    assert refusal.value.violations[1]["message"].endswith("not 'zzzzzz'")


def test_a_column_stands_once() -> None:
    with pytest.raises(Invalid, match="Must not stand twice: 'id'") as refusal:
        ask(Request(TABLE.name, columns=("id", "region", "ID")))
    assert [violation["path"] for violation in refusal.value.violations] == ["columns[0]", "columns[2]"]


def test_a_thousand_unknown_columns_are_refused_soon() -> None:
    wide = Table("wide", tuple(Column(f"measured_value_{number:04}", Type("int")) for number in range(1000)))
    started = time.perf_counter()
    with pytest.raises(Invalid) as refusal:
        ask(Request("wide", columns=tuple(f"measured_valeu_{number:04}" for number in range(1000))), wide)
    assert time.perf_counter() - started < 1
    assert len(refusal.value.violations) == 1000
    assert "did you mean" in refusal.value.violations[0]["message"]


def test_a_limit_is_at_most_what_is_allowed() -> None:
    assert ask(Request(TABLE.name, limit=1000)).limit == 1000
    with pytest.raises(Invalid, match="limit: Must be at most 1000"):
        ask(Request(TABLE.name, limit=1001))


def test_changes_need_a_key() -> None:
    with pytest.raises(Invalid, match="mode: Must be full"):
        ask(Request(TABLE.name, mode="changed"), Table(TABLE.name, TABLE.columns))


def test_changes_need_the_key_among_the_columns() -> None:
    assert ask(Request(TABLE.name, columns=("region", "ID"), mode="changed"))
    assert ask(Request(TABLE.name, mode="changed"))
    with pytest.raises(Invalid, match="columns: Must hold the key of the table where mode is changed: id"):
        ask(Request(TABLE.name, columns=("region",), mode="changed"))


def test_parameters_stand_in_the_order_of_the_question_marks() -> None:
    request = Request(
        TABLE.name, date_filter="2024-01-01", where_clause="coalesce(region, 'a') IN ('b', 'c') AND value > 5"
    )
    statement = ask(request)
    assert statement.parameters == ("2024-01-01", "2024-01-02", "a", "b", "c", "5")
    assert statement.condition is not None
    assert statement.condition.sql("athena") == (
        '(("day" >= CAST(? AS DATE) AND "day" < CAST(? AS DATE))'
        ' AND ((COALESCE("region", CAST(? AS VARCHAR)) IN (CAST(? AS VARCHAR), CAST(? AS VARCHAR)))'
        ' AND ("value" > CAST(? AS DECIMAL(12, 2)))))'
    )


def test_a_table_that_nobody_knows_is_near_others() -> None:
    known = ("dev_customers_silver", "dev_orders_silver", "dev_products_silver")
    assert near("dev_costumers_silver", known).startswith("; did you mean dev_customers_silver")
    assert near("DEV_ORDERS_SILVER", known).startswith("; did you mean dev_orders_silver")
    assert near("x" * 1_000_000, known) == ""
    assert near("", ()) == ""
    assert near("orders", known) == "; did you mean dev_orders_silver?"
    many = [f"dev_table_{number:05}_silver" for number in range(20_000)]
    started = time.perf_counter()
    assert "dev_table_12345_silver" in near("dev_table_12345_slver", many)
    assert time.perf_counter() - started < 0.5
