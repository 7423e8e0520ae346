from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests

from tests.fullbay import Fullbay
from tests.fullbay.conftest import ask, read_all


def truth(fullbay: Fullbay, resource: str = "work-orders") -> list[dict[str, Any]]:
    return sorted(fullbay.records(resource), key=lambda record: (record["updated_at"], record["id"]))


def raws(records: list[dict[str, Any]]) -> list[Any]:
    return [record["raw"] for record in records]


@pytest.mark.parametrize("resource", ["work-orders", "customers", "parts"])
@pytest.mark.parametrize("is_cached", [False, True], ids=["made", "cached"])
def test_a_page_holds_the_records_by_time_and_id(start: Callable[..., Fullbay], resource: str, is_cached: bool) -> None:
    fullbay = start(is_cached=is_cached)
    expected = raws(truth(fullbay, resource))
    for _ in range(2):
        answer = ask(fullbay, f"/v1/{resource}", limit=3, offset=1).json()
        assert answer == {"total": len(expected), "data": expected[1:4]}


def test_a_page_has_a_hundred_records_unless_it_is_told_otherwise(start: Callable[..., Fullbay]) -> None:
    assert len(ask(start(work_orders=150)).json()["data"]) == 100


def test_a_page_is_no_longer_than_the_cap(start: Callable[..., Fullbay]) -> None:
    fullbay = start(page_size_cap=10)
    assert len(ask(fullbay, limit=500).json()["data"]) == 10
    assert len(read_all(fullbay, limit=500)) == 60


def test_a_page_behind_the_end_is_empty(fullbay: Fullbay) -> None:
    assert ask(fullbay, offset=60).json() == {"total": 60, "data": []}


def test_the_answer_may_be_a_bare_list(start: Callable[..., Fullbay]) -> None:
    fullbay = start(answers_bare_lists=True)
    assert ask(fullbay, limit=2).json() == raws(truth(fullbay))[:2]


@pytest.mark.parametrize("name", ["updated_since", "start_date"])
@pytest.mark.parametrize("order", ["updated_at", "id", "newest", "none"])
@pytest.mark.parametrize("is_inclusive", [True, False], ids=["from", "after"])
def test_only_what_has_changed_since_is_sent(
    start: Callable[..., Fullbay], name: str, order: str, is_inclusive: bool
) -> None:
    fullbay = start(order=order, since_is_inclusive=is_inclusive, sharing=4)
    for record in truth(fullbay)[10:14]:
        fullbay.update("work-orders", record["id"])
    records = truth(fullbay)
    since = records[30]["updated_at"]
    expected = [one for one in records if (one["updated_at"] >= since if is_inclusive else one["updated_at"] > since)]
    for spelling in (since.isoformat(), since.isoformat().replace("+00:00", "Z"), since.isoformat()[:-6]):
        answer = ask(fullbay, limit=500, **{name: spelling}).json()
        assert sorted(str(one["id"]) for one in answer["data"]) == sorted(one["id"] for one in expected)
        assert answer["total"] == len(expected)


def test_records_may_come_by_id(start: Callable[..., Fullbay]) -> None:
    fullbay = start(order="id")
    fullbay.update("work-orders", "1000005")
    assert [str(one["id"]) for one in read_all(fullbay)] == sorted(one["id"] for one in truth(fullbay))


def test_records_may_come_newest_first(start: Callable[..., Fullbay]) -> None:
    fullbay = start(order="newest")
    fullbay.update("work-orders", "1000005")
    assert read_all(fullbay) == raws(truth(fullbay))[::-1]


def test_records_may_come_in_no_order(start: Callable[..., Fullbay]) -> None:
    fullbay = start(order="none")
    once, again = (ask(fullbay, limit=60).json()["data"] for _ in range(2))
    assert once != again
    assert sorted(str(one["id"]) for one in once) == sorted(str(one["id"]) for one in again)


@pytest.mark.parametrize(
    "query",
    [{"limit": "x"}, {"limit": 0}, {"offset": -1}, {"updated_since": "yesterday"}],
    ids=lambda query: str(query),
)
def test_a_bad_question_is_refused(fullbay: Fullbay, query: dict[str, Any]) -> None:
    assert ask(fullbay, **query).status_code == 400


@pytest.mark.parametrize("key", ["", "wrong", "key-of-defaul"])
def test_a_wrong_key_is_refused(fullbay: Fullbay, key: str) -> None:
    assert ask(fullbay, key=key).status_code == 401


@pytest.mark.parametrize("authorization", ["Basic key-of-default", "key-of-default", ""])
def test_a_key_without_its_scheme_is_refused(fullbay: Fullbay, authorization: str) -> None:
    answer = requests.get(fullbay.url + "/v1/work-orders", headers={"Authorization": authorization}, timeout=5)
    assert answer.status_code == 401


def test_each_shop_has_its_key_and_a_rotated_one_is_refused(start: Callable[..., Fullbay]) -> None:
    fullbay = start(shops={"default": "one", "denver": "two"})
    assert [ask(fullbay, key=key).status_code for key in ("one", "two", "three")] == [200, 200, 401]
    fullbay.rotate("denver", "three")
    assert [ask(fullbay, key=key).status_code for key in ("one", "two", "three")] == [200, 401, 200]


def test_a_cached_page_knows_of_changes_and_of_keys(start: Callable[..., Fullbay]) -> None:
    fullbay = start(is_cached=True)
    before = ask(fullbay, limit=500).json()
    fullbay.delete("work-orders", "1000007")
    after = ask(fullbay, limit=500).json()
    assert len(after["data"]) == len(before["data"]) - 1
    assert ask(fullbay, limit=500, key="wrong").status_code == 401
    fullbay.rotate("default", "new")
    assert ask(fullbay, limit=500).status_code == 401


@pytest.mark.parametrize("path", ["/v1/nothing", "/v2/work-orders", "/", "/services/getNothing.php"])
def test_there_is_nothing_else(fullbay: Fullbay, path: str) -> None:
    assert ask(fullbay, path).status_code == 404


def test_inserts_updates_and_deletes_are_seen_at_once(fullbay: Fullbay) -> None:
    now = fullbay.clock()
    new = fullbay.insert("work-orders", status="brand new")
    changed = fullbay.update("work-orders", "1000004", customer_name="Somebody else")
    fullbay.delete("work-orders", "1000005")
    found = read_all(fullbay)
    assert found == raws(truth(fullbay))
    assert [found[-2], found[-1]] == [new["raw"], changed["raw"]]
    assert (found[-2]["status"], found[-1]["customer_name"]) == ("brand new", "Somebody else")
    assert "1000005" not in {str(one["id"]) for one in found}
    assert now - timedelta(seconds=1) < new["updated_at"] < changed["updated_at"]


def test_what_was_asked_is_remembered_with_its_secrets(fullbay: Fullbay) -> None:
    ask(fullbay, limit=5, offset=10)
    (request,) = fullbay.requests
    assert (request.method, request.path, request.number) == ("GET", "/v1/work-orders", 1)
    assert request.query == {"limit": "5", "offset": "10"}
    assert request.user_agent == "Headgate/0 (test)"
    assert request.headers["authorization"] == "Bearer key-of-default"


def test_the_truth_does_not_change_while_it_is_read(fullbay: Fullbay) -> None:
    records = fullbay.records("work-orders")
    fullbay.delete("work-orders", "1000030")
    fullbay.insert("work-orders")
    assert "1000030" in {record["id"] for record in records}
