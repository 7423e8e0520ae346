"""What is asked for, in the words of jobs, commands, bodies and queries."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import Invalid
from service.exports.selection.filters import Filter
from service.exports.selection.request import Request, as_json, request_of
from service.exports.selection.schemas import ExportInput, ExportQuery
from tests.exports.selection.test_filters import filters


def test_what_is_not_said_is_everything() -> None:
    assert request_of({"table": "orders"}) == Request("orders", None, None, None, (), None, "full")


def test_a_schedule_asks_as_the_seed_does() -> None:
    detail = {"table": "dev_customers_silver", "date_filter": "yesterday", "where_clause": "region = 'US'"}
    assert request_of(detail) == Request("dev_customers_silver", date_filter="yesterday", where_clause="region = 'US'")


def test_a_query_asks_for_the_same_as_a_body() -> None:
    wanted = Request("orders", ("a", "b"), filters=(Filter("a", "eq", 1),), limit=100, mode="changed")
    body = {"columns": ["a", "b"], "filters": [{"column": "a", "op": "eq", "value": 1}], "limit": 100}
    query = {"columns": "a,b", "filters": json.dumps(body["filters"]), "limit": "100"}
    assert request_of({"table": "orders", "mode": "changed", **body}) == wanted
    assert request_of({"table": "orders", "mode": "changed", **query}) == wanted
    assert request_of(ExportQuery().load({"table": "orders", "mode": "changed", **query})) == wanted
    assert request_of(ExportInput().load({"table": "orders", "mode": "changed", **body})) == wanted


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no-table": ({"table": ""}, "table"),
    "a-number-for-a-table": ({"table": 5}, "table"),
    "a-long-table": ({"table": "x" * 256}, "table"),
    "no-columns": ({"columns": []}, "columns"),
    "an-empty-column": ({"columns": "a,,b"}, "columns"),
    "a-number-for-a-column": ({"columns": ["a", 5]}, "columns[1]"),
    "an-object-for-columns": ({"columns": {"a": 1}}, "columns"),
    "limit-0": ({"limit": 0}, "limit"),
    "limit-minus-1": ({"limit": "-1"}, "limit"),
    "limit-true": ({"limit": True}, "limit"),
    "limit-half": ({"limit": 1.5}, "limit"),
    "limit-in-arabic-digits": ({"limit": "\u0661"}, "limit"),
    "limit-in-words": ({"limit": "all"}, "limit"),
    "limit-beyond-all": ({"limit": 10**9}, "limit"),
    "limit-endless": ({"limit": "9" * 10_000}, "limit"),
    "another-mode": ({"mode": "delta"}, "mode"),
    "a-long-clause": ({"where_clause": "x" * 4001}, "where_clause"),
    "an-empty-clause": ({"where_clause": ""}, "where_clause"),
    "an-object-for-a-clause": ({"where_clause": {}}, "where_clause"),
    "no-filters": ({"filters": []}, "filters"),
    "one-filter-without-a-list": ({"filters": {"column": "a", "op": "is_null"}}, "filters"),
    "half-json": ({"filters": '[{"column":'}, "filters"),
    "json-of-something-else": ({"filters": '"x"'}, "filters"),
    "deep-json": ({"filters": "[" * 50_000}, "filters"),
    "long-json": ({"filters": "[" + " " * 100_000 + "]"}, "filters"),
    "nan-in-json": ({"filters": '[{"column": "a", "op": "eq", "value": NaN}]'}, "filters"),
    "a-key-twice": ({"filters": '[{"column": "a", "column": "b", "op": "is_null"}]'}, "filters"),
    "a-filter-that-is-none": ({"filters": [5]}, "filters[0]"),
    "a-filter-with-another-key": ({"filters": [{"column": "a", "op": "is_null", "not": 1}]}, "filters[0].not"),
    "a-filter-without-a-column": ({"filters": '[{"op": "is_null"}]'}, "filters[0].column"),
    "null": ({"columns": None}, "columns"),
}


@pytest.mark.parametrize(("arguments", "path"), REFUSED.values(), ids=REFUSED)
def test_what_has_the_wrong_shape_is_refused(arguments: dict[str, Any], path: str) -> None:
    with pytest.raises(Invalid) as refusal:
        request_of({"table": "orders", **arguments})
    assert [violation["path"] for violation in refusal.value.violations] == [path]


def test_an_unknown_key_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(Invalid) as refusal:
        request_of({"table": "orders", "where": "1=1"})
    (violation,) = refusal.value.violations
    assert violation["path"] == "where"
    assert violation["message"].endswith("table, columns, date_filter, where_clause, filters, limit, mode")


@given(st.lists(filters().map(lambda drawn: drawn[0]), max_size=3), st.none() | st.integers(1, 10**8), st.booleans())
def test_a_request_survives_storage_as_json(asked: list[dict[str, Any]], limit: int | None, is_changed: bool) -> None:
    arguments: dict[str, Any] = {"table": "orders", "mode": "changed" if is_changed else "full", "columns": ["a"]}
    arguments |= {"limit": limit} if limit else {}
    arguments |= {"filters": asked} if asked else {}
    request = request_of(arguments)
    assert request_of(json.loads(json.dumps(as_json(request)))) == request


def test_a_number_that_json_cannot_hold_is_stored_as_its_digits() -> None:
    digits = "0.12345678901234567890123456789"
    request = request_of({"table": "orders", "filters": f'[{{"column": "a", "op": "eq", "value": {digits}}}]'})
    assert request.filters[0].value == Decimal(digits)
    assert as_json(request)["filters"][0]["value"] == digits
