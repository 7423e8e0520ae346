"""Filters: each value checked against its column's type and bound, each row judged as a filter in Python judges it."""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isfinite, isnan
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.errors import Invalid
from service.exports.selection.filters import MAX_FILTERS, Filter
from service.exports.selection.request import Request, request_of
from service.exports.selection.select import select
from service.exports.selection.statement import Statement
from tests.exports.selection.sample import ROWS, TABLE, selected

TODAY = date(2024, 1, 17)
OPERATORS: dict[str, Any] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "in": lambda a, b: a in b,
    "between": lambda a, b: b[0] <= a <= b[1],
    "like": lambda a, b: b.fullmatch(a) is not None,
}
PIECES = [("%", ".*"), ("_", "."), ("\\%", "%"), ("\\_", "_"), ("\\\\", r"\\"), *((each, each) for each in "aSé👍'")]
relaxed = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))


def statement_of(*filters: dict[str, Any]) -> Statement:
    return select(request_of({"table": TABLE.name, "filters": list(filters)}), TABLE, TODAY, 1000)


def values(name: str) -> list[Any]:
    """Return the values of a column as JSON would hold them, and as they are."""
    held = {row[name] for row in ROWS if row[name] is not None}
    found = {value for value in held if not isinstance(value, float) or isfinite(value)}
    return [(_sent(value), value) for value in sorted(found)]


def _sent(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (date, uuid.UUID)):
        return str(value)
    return value


@st.composite
def filters(draw: st.DrawFn) -> tuple[dict[str, Any], Any]:
    """Draw a filter, and what it is worth for a row: true, or anything else."""
    name = draw(st.sampled_from([column.name for column in TABLE.columns]))
    written = draw(st.sampled_from((name, name.upper())))
    ops = {"active": ["eq", "ne", "in"], "code": ["eq", "ne", "in"], "tags": [], "raw": []}
    op = draw(
        st.sampled_from(
            [*ops.get(name, [*OPERATORS][:8]), *(["like"] if name in ("region", "name") else []), "is_null"]
        )
    )
    if op == "is_null":
        is_null = draw(st.booleans())
        return {"column": written, "op": op, "value": is_null}, lambda row: (row[name] is None) is is_null
    if op == "like":
        pieces = draw(st.lists(st.sampled_from(PIECES), max_size=4))
        sent, value = (
            "".join(piece[0] for piece in pieces),
            re.compile("".join(piece[1] for piece in pieces), re.DOTALL),
        )
    else:
        pairs = [
            draw(st.sampled_from(values(name))) for _ in range({"in": draw(st.integers(1, 3)), "between": 2}.get(op, 1))
        ]
        sent, value = (
            ([pair[0] for pair in pairs], [pair[1] for pair in pairs]) if op in ("in", "between") else pairs[0]
        )

    def meets(row: dict[str, Any]) -> bool:
        held = row[name]
        if held is None or (isinstance(held, float) and isnan(held)):
            return False
        return bool(OPERATORS[op](held, value))

    return {"column": written, "op": op, "value": sent}, meets


@relaxed
@given(st.lists(filters(), min_size=1, max_size=3))
def test_filters_select_what_a_filter_in_python_selects(
    lake: duckdb.DuckDBPyConnection, drawn: list[tuple[dict[str, Any], Any]]
) -> None:
    statement = statement_of(*(one for one, _ in drawn))
    assert selected(lake, statement) == [row["id"] for row in ROWS if all(meets(row) for _, meets in drawn)]


@relaxed
@given(
    st.sampled_from([column.name for column in TABLE.columns]),
    st.sampled_from([*OPERATORS, "is_null"]),
    st.recursive(
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(),
            st.text(max_size=10),
            st.decimals(),
            st.dates().map(str),
        ),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
        max_leaves=4,
    ),
)
def test_any_value_is_bound_or_refused(lake: duckdb.DuckDBPyConnection, column: str, op: str, value: Any) -> None:
    statement, violations = None, []
    try:
        statement = statement_of({"column": column, "op": op, "value": value})
    except Invalid as invalid:
        violations = invalid.violations
    assert all(violation["path"].startswith(("filters[0].value", "filters[0].op")) for violation in violations)
    if statement is not None:
        selected(lake, statement)


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("id", 2**63 - 1, "9223372036854775807"),
        ("id", "-5", "-5"),
        ("id", Decimal("5.00"), "5"),
        ("quantity", 5.0, "5"),
        ("tiny", -128, "-128"),
        ("value", 12.5, "12.5"),
        ("value", "0012.50", "12.5"),
        ("value", Decimal("-0.00"), "0"),
        ("big", "9" * 38, "9" * 38),
        ("big", Decimal("1E+37"), "1" + "0" * 37),
        ("ratio", "0.1", "0.1"),
        ("ratio", 10**300, "1e+300"),
        ("small", 0.1, "0.10000000149011612"),
        ("active", False, "false"),
        ("day", "2024-02-29", "2024-02-29"),
        ("at", "2024-01-01", "2024-01-01 00:00:00.000000"),
        ("at", "2024-01-01 10:30:00", "2024-01-01 10:30:00.000000"),
        ("at", "2024-01-01T10:30:00.5+02:00", "2024-01-01 08:30:00.500000"),
        ("at", "2024-01-01 10:30:00 UTC", "2024-01-01 10:30:00.000000"),
        ("seen", "2024-01-01T10:30:00.123456z", "2024-01-01 10:30:00.123456+00:00"),
        ("seen", "2024-01-01 10:30:00", "2024-01-01 10:30:00.000000+00:00"),
        ("code", "FFFFFFFF-FFFF-4FFF-BFFF-FFFFFFFFFFFF", "ffffffff-ffff-4fff-bfff-ffffffffffff"),
        ("region", "", ""),
        ("region", "it's", "it's"),
        ("region", "\n\u202e👍", "\n\u202e👍"),
        ("name", "longer than the column's twenty", "longer than the column's twenty"),
    ],
)
def test_a_value_is_bound_as(column: str, value: Any, text: str, lake: duckdb.DuckDBPyConnection) -> None:
    statement = statement_of({"column": column, "op": "eq", "value": value})
    assert statement.parameters == (text,)
    selected(lake, statement)


REFUSED: dict[str, tuple[str, str, Any, str]] = {
    "a-bigint-too-large": ("id", "eq", 2**63, "value"),
    "a-tinyint-too-large": ("tiny", "eq", 128, "value"),
    "a-fraction-of-an-integer": ("quantity", "eq", 1.5, "value"),
    "a-text-for-an-integer": ("quantity", "eq", "five", "value"),
    "a-text-with-a-space": ("quantity", "eq", " 5", "value"),
    "arabic-digits": ("quantity", "eq", "\u0665", "value"),
    "hexadecimal": ("quantity", "eq", "0x5", "value"),
    "a-boolean-for-an-integer": ("quantity", "eq", True, "value"),
    "an-endless-integer": ("quantity", "eq", 10**500, "value"),
    "an-endless-exponent": ("value", "eq", Decimal("1E+999999"), "value"),
    "a-tiny-exponent": ("value", "eq", Decimal("1E-999999"), "value"),
    "too-many-digits-before": ("value", "eq", "10000000000", "value"),
    "too-many-digits-behind": ("value", "eq", "0.001", "value"),
    "39-digits": ("big", "eq", "9" * 39, "value"),
    "nan-of-json": ("ratio", "eq", float("nan"), "value"),
    "nan-as-text": ("ratio", "eq", "NaN", "value"),
    "infinity": ("ratio", "gt", float("inf"), "value"),
    "infinity-as-text": ("ratio", "gt", "Infinity", "value"),
    "a-double-too-large": ("ratio", "eq", 10**309, "value"),
    "a-float-too-large": ("small", "eq", 10**39, "value"),
    "a-word-for-a-boolean": ("active", "eq", "true", "value"),
    "one-for-a-boolean": ("active", "eq", 1, "value"),
    "a-number-for-a-text": ("region", "eq", 5, "value"),
    "nul": ("region", "eq", "U\x00S", "value"),
    "a-surrogate": ("region", "eq", "\ud800", "value"),
    "a-long-text": ("region", "eq", "x" * 1001, "value"),
    "a-text-long-in-utf-16": ("region", "eq", "👍" * 501, "value"),
    "a-text-long-with-its-quotes": ("region", "eq", "'" * 501, "value"),
    "no-such-day": ("day", "eq", "2023-02-29", "value"),
    "a-moment-for-a-day": ("day", "eq", "2024-01-01T00:00:00Z", "value"),
    "a-number-for-a-day": ("day", "eq", 20240101, "value"),
    "no-such-hour": ("at", "eq", "2024-01-01 24:00:00", "value"),
    "nanoseconds": ("at", "eq", "2024-01-01 00:00:00.123456789", "value"),
    "a-named-zone": ("seen", "eq", "2024-01-01 00:00:00 Europe/Berlin", "value"),
    "before-all-years": ("seen", "eq", "0001-01-01T00:00:00+01:00", "value"),
    "a-short-uuid": ("code", "eq", "ffffffff", "value"),
    "an-array": ("tags", "eq", "x", "op"),
    "an-array-in-a-list": ("tags", "in", ["x"], "op"),
    "binary": ("raw", "like", "x", "op"),
    "the-order-of-booleans": ("active", "lt", True, "op"),
    "the-order-of-uuids": ("code", "between", ["x", "y"], "op"),
    "a-pattern-for-a-number": ("quantity", "like", "5%", "op"),
    "a-pattern-that-ends-with-an-escape": ("region", "like", "x\\", "value"),
    "a-pattern-that-escapes-nothing": ("region", "like", "\\x", "value"),
    "a-dear-pattern": ("region", "like", "%x" * 30, "value"),
    "one-of-a-list": ("quantity", "in", [1, "x"], "value[1]"),
    "null-in-a-list": ("quantity", "in", [1, None], "value[1]"),
    "a-list-in-a-list": ("quantity", "in", [[1]], "value[0]"),
    "one-of-two-ends": ("quantity", "between", ["x", 1], "value[0]"),
    "an-empty-list": ("quantity", "in", [], "value"),
    "a-long-list": ("quantity", "in", list(range(201)), "value"),
    "no-list": ("quantity", "in", 5, "value"),
    "three-ends": ("quantity", "between", [1, 2, 3], "value"),
    "a-list-for-one": ("quantity", "eq", [1], "value"),
    "an-object": ("quantity", "eq", {"a": 1}, "value"),
    "null": ("quantity", "eq", None, "value"),
    "no-boolean-for-null": ("quantity", "is_null", "yes", "value"),
    "an-unknown-operator": ("quantity", "=", 5, "op"),
}


@pytest.mark.parametrize(("column", "op", "value", "place"), REFUSED.values(), ids=REFUSED)
def test_a_filter_is_refused_and_its_place_named(column: str, op: str, value: Any, place: str) -> None:
    fine = {"column": "quantity", "op": "is_null"}
    with pytest.raises(Invalid) as refusal:
        statement_of(fine, fine, {"column": column, "op": op, "value": value})
    assert [violation["path"] for violation in refusal.value.violations] == [f"filters[2].{place}"]


def test_every_filter_that_is_wrong_is_named() -> None:
    with pytest.raises(Invalid) as refusal:
        statement_of(
            {"column": "quantty", "op": "eq", "value": 1},
            {"column": "quantity", "op": "eq", "value": 1},
            {"column": "quantity", "op": "eq", "value": "x"},
        )
    assert refusal.value.violations[0]["path"] == "filters[0].column"
    assert "did you mean quantity?" in refusal.value.violations[0]["message"]
    assert refusal.value.violations[1]["path"] == "filters[2].value"


def test_there_may_be_fifty_filters_and_no_more() -> None:
    one = {"column": "quantity", "op": "is_null", "value": False}
    assert statement_of(*[one] * MAX_FILTERS)
    with pytest.raises(Invalid, match="filters: Must be a list of 1 to 50"):
        statement_of(*[one] * (MAX_FILTERS + 1))


def test_values_are_never_part_of_the_query() -> None:
    statement = statement_of({"column": "region", "op": "in", "value": ["'; DROP TABLE x; --", "a"]})
    assert statement.condition is not None
    assert statement.condition.sql("athena") == '("region" IN (CAST(? AS VARCHAR), CAST(? AS VARCHAR)))'


def test_a_filter_without_json_means_the_same() -> None:
    filters = [{"column": "value", "op": "between", "value": [0.5, 12.5]}, {"column": "region", "op": "is_null"}]
    request = request_of({"table": TABLE.name, "filters": json.dumps(filters)})
    assert request == request_of({"table": TABLE.name, "filters": filters})
    assert request == Request(
        TABLE.name,
        filters=(Filter("value", "between", [Decimal("0.5"), Decimal("12.5")]), Filter("region", "is_null", True)),
    )
    moment = Filter("seen", "ge", datetime(2024, 1, 1, tzinfo=UTC).isoformat())
    assert select(Request(TABLE.name, filters=(moment,)), TABLE, TODAY, 10).parameters == (
        "2024-01-01 00:00:00.000000+00:00",
    )
