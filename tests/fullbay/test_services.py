from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import requests

from tests.fullbay import Fullbay
from tests.fullbay.conftest import FIRST, KEY, LAST, ask_invoices

WEEK = date(2026, 6, 8), date(2026, 6, 14)


def test_a_week_is_read_page_by_page_and_short_pages_prove_nothing(fullbay: Fullbay) -> None:
    found: list[Any] = []
    sizes = []
    pages = 1
    while len(sizes) < pages:
        answer = ask_invoices(fullbay, page=len(sizes) + 1).json()
        pages = answer["totalPages"]
        found += answer["resultSet"]
        sizes.append(answer["resultCount"])
        assert answer["status"] == "SUCCESS"
        assert (answer["currentPage"], answer["endRecordNumber"]) == (len(sizes), len(found))
    assert found == [one["raw"] for one in fullbay.invoices("default", *WEEK)]
    assert answer["totalCount"] == len(found)
    assert len(sizes) > 2
    assert sizes[1] < sizes[0] == 25


def test_both_ends_of_a_window_belong_to_it(fullbay: Fullbay) -> None:
    days = {
        one["invoiceDate"]
        for one in ask_invoices(fullbay, startDate="2026-06-08", endDate="2026-06-09").json()["resultSet"]
    }
    assert days == {"2026-06-08", "2026-06-09"}


def test_the_weeks_of_a_month_hold_all_invoices(fullbay: Fullbay) -> None:
    counts = [
        ask_invoices(fullbay, startDate=first, endDate=first + timedelta(days=6)).json()["totalCount"]
        for first in (FIRST + timedelta(days=days) for days in range(0, 35, 7))
    ]
    assert sum(counts) == len(fullbay.invoices()) == 400


def test_a_window_without_invoices_has_one_empty_page(fullbay: Fullbay) -> None:
    answer = ask_invoices(fullbay, startDate="2020-01-01", endDate="2020-01-07").json()
    assert (answer["totalCount"], answer["totalPages"], answer["resultSet"]) == (0, 1, [])


@pytest.mark.parametrize("page", [99, 10**6])
def test_a_page_behind_the_last_is_empty(fullbay: Fullbay, page: int) -> None:
    assert ask_invoices(fullbay, page=page).json()["resultSet"] == []


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"token": "0" * 40}, "Invalid token"),
        ({"token": None}, "Invalid token"),
        ({"key": "wrong"}, "Invalid API key"),
        ({"key": None}, "Invalid API key"),
        ({"endDate": "2026-06-15"}, "Date range cannot exceed 7 days"),
        ({"endDate": "2026-06-07"}, "before"),
        ({"startDate": None}, "startDate"),
        ({"startDate": "06/08/2026"}, "startDate"),
        ({"page": 0}, "page"),
    ],
    ids=lambda value: str(value),
)
def test_a_failure_says_200(fullbay: Fullbay, query: dict[str, Any], message: str) -> None:
    answer = ask_invoices(fullbay, **query)
    assert answer.status_code == 200
    assert answer.json()["status"] == "FAIL"
    assert message in answer.json()["message"]


def test_a_token_is_that_of_the_day_the_key_and_the_address(start: Callable[..., Fullbay]) -> None:
    now = datetime(2026, 6, 30, 23, 59, 59, tzinfo=UTC)
    fullbay = start(egress_ip="203.0.113.7", clock=lambda: now)
    token = hashlib.sha1(f"{KEY}2026-06-30203.0.113.7".encode()).hexdigest()
    assert ask_invoices(fullbay).json()["status"] == "FAIL"  # that of 127.0.0.1
    assert ask_invoices(fullbay, token=token).json()["status"] == "SUCCESS"
    now = datetime(2026, 7, 1, tzinfo=UTC)
    assert ask_invoices(fullbay, token=token).json()["status"] == "FAIL"


@pytest.mark.parametrize(("egress_ip", "told"), [(None, "127.0.0.1"), ("203.0.113.7", "203.0.113.7")])
def test_the_address_of_the_caller_is_told(start: Callable[..., Fullbay], egress_ip: str | None, told: str) -> None:
    answer = requests.get(start(egress_ip=egress_ip).url + "/ip", timeout=5)
    assert (answer.text, answer.headers["Content-Type"]) == (told, "text/plain; charset=utf-8")


def test_each_shop_has_invoices_of_its_own(start: Callable[..., Fullbay]) -> None:
    fullbay = start(shops={"default": "one", "denver": "two"})
    one, two = (ask_invoices(fullbay, key=key).json()["resultSet"] for key in ("one", "two"))
    assert one[0]["shopTitle"] == "Shop default"
    assert two[0]["shopTitle"] == "Shop denver"
    assert one[0]["primaryKey"] == two[0]["primaryKey"]  # an id is the shop's alone


def test_inserts_updates_and_deletes_are_seen_at_once(fullbay: Fullbay) -> None:
    first, second, *_ = fullbay.invoices("default", *WEEK)
    new = fullbay.insert("invoices", day=WEEK[0], customerTitle="Brand new")
    fullbay.update("invoices", first["id"], balance="0.07")
    fullbay.delete("invoices", second["id"])
    expected = [one["raw"] for one in fullbay.invoices("default", *WEEK)]
    answer = ask_invoices(fullbay).json()
    assert answer["resultSet"] == expected[:25]
    assert answer["totalCount"] == len(expected)
    assert new["raw"] in expected
    assert second["raw"] not in expected
    assert expected[0] == first["raw"] | {"balance": "0.07"}
    fullbay.update("invoices", first["id"], invoiceDate=LAST.isoformat())
    assert fullbay.invoices("default", *WEEK)[0]["id"] != first["id"]
    assert first["id"] in {one["id"] for one in fullbay.invoices("default", LAST, LAST)}
