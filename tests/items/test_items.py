"""Items: kept as they are sent, by the rules, for who has the scope."""

from __future__ import annotations

import re
import uuid
from datetime import datetime
from typing import Any

import psycopg2
import pytest

from service.database import Database
from service.items import queries
from service.items.routes import EXAMPLE
from service.items.schemas import ItemInput, ItemList, ItemOutput
from service.security.issuer import OwnIssuer
from tests.transports import Client

PATH = "/api/items"


def an_item(**changes: Any) -> dict[str, Any]:
    return {**EXAMPLE, **changes}


def stored(client: Client, **changes: Any) -> dict[str, Any]:
    """Store an item and return it."""
    answer = client.post(PATH, json=an_item(**changes))
    assert answer.status == 201, answer.body
    return answer.json()


def wrong(answer: Any) -> list[str]:
    """Return the paths of the broken rules."""
    assert answer.status == 422, answer.body
    return [violation["path"] for violation in answer.json()["details"]["errors"]]


def test_an_item_is_kept_as_it_was_sent(client: Client) -> None:
    item = stored(client)
    assert ItemOutput().validate(item) == {}
    assert {key: item[key] for key in EXAMPLE} == EXAMPLE
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", item["createdAt"])
    assert item["updatedAt"] == item["createdAt"]
    answer = client.get(f"{PATH}/{item['item_id']}")
    assert (answer.status, answer.headers["content-type"], answer.json()) == (200, "application/json", item)


def test_an_item_can_be_replaced_and_deleted(client: Client) -> None:
    item = stored(client)
    target = f"{PATH}/{item['item_id']}"
    answer = client.put(target, json={"name": "New"})
    assert answer.status == 200
    replaced = answer.json()
    assert replaced == {**item, "name": "New", "description": None, "updatedAt": replaced["updatedAt"]}
    assert datetime.fromisoformat(replaced["updatedAt"]) > datetime.fromisoformat(item["updatedAt"])
    assert client.get(target).json() == replaced
    answer = client.delete(target)
    assert (answer.status, answer.body) == (204, b"")
    assert [client.request(method, target, json=EXAMPLE).status for method in ("GET", "PUT", "DELETE")] == [404] * 3


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"name": "x"}, id="name-shortest"),
        pytest.param({"name": "ä" * 200}, id="name-longest"),
        pytest.param({"name": " \u2028'\"\\%s"}, id="name-any-character"),
        pytest.param({"description": ""}, id="description-empty"),
        pytest.param({"description": "𝄞" * 2000}, id="description-longest"),
        pytest.param({"description": None}, id="description-null"),
    ],
)
def test_what_the_rules_allow_is_kept(client: Client, changes: dict[str, Any]) -> None:
    item = stored(client, **changes)
    assert {key: item[key] for key in changes} == changes
    replaced = client.put(f"{PATH}/{item['item_id']}", json=an_item(**changes)).json()
    assert {key: replaced[key] for key in changes} == changes


def test_a_description_may_be_left_out(client: Client) -> None:
    answer = client.post(PATH, json={"name": "Bolt"})
    assert (answer.status, answer.json()["description"]) == (201, None)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param("name", None, id="name-null"),
        pytest.param("name", "", id="name-empty"),
        pytest.param("name", "x" * 201, id="name-too-long"),
        pytest.param("name", "a\0b", id="name-nul"),
        pytest.param("name", 7, id="name-number"),
        pytest.param("description", "x" * 2001, id="description-too-long"),
        pytest.param("description", "a\0b", id="description-nul"),
        pytest.param("description", ["x"], id="description-list"),
        pytest.param("colour", "red", id="unknown-key"),
        pytest.param("item_id", str(uuid.uuid4()), id="id-of-the-clients"),
    ],
)
def test_a_broken_rule_is_named_and_nothing_is_stored(client: Client, path: str, value: Any) -> None:
    item = stored(client)
    broken = an_item(**{path: value})
    assert wrong(client.post(PATH, json=broken)) == [path]
    assert wrong(client.put(f"{PATH}/{item['item_id']}", json=broken)) == [path]
    assert client.get(f"{PATH}/{item['item_id']}").json() == item


def test_every_broken_rule_is_named(client: Client) -> None:
    assert wrong(client.post(PATH, json={"description": 1, "colour": "red"})) == ["name", "description", "colour"]


@pytest.mark.parametrize("body", ["[]", "null", '"item"', "1"])
def test_a_body_that_is_no_object_is_refused(client: Client, body: str) -> None:
    assert wrong(client.post(PATH, body=body, headers={"Content-Type": "application/json"})) == [""]


def test_pages_hold_every_item_once_the_newest_first(client: Client) -> None:
    made = [stored(client, name=f"Item {number}")["item_id"] for number in range(5)]
    pages = [client.get(f"{PATH}?page={page}&limit=2").json() for page in (1, 2, 3)]
    assert [ItemList().validate(page) for page in pages] == [{}, {}, {}]
    found = [item["item_id"] for page in pages for item in page["items"]]
    assert found[:5] == made[::-1]
    total = pages[0]["pagination"]["total"]
    assert pages[0]["pagination"] == {"page": 1, "limit": 2, "total": total, "pages": (total + 1) // 2}
    assert total >= 5


def test_a_page_behind_the_last_is_empty(client: Client) -> None:
    answer = client.get(f"{PATH}?page=1000000&limit=100")
    assert (answer.status, answer.json()["items"], answer.json()["pagination"]["page"]) == (200, [], 1000000)


def test_a_list_has_pages_of_twenty(client: Client) -> None:
    assert client.get(PATH).json()["pagination"]["limit"] == 20


@pytest.mark.parametrize("query", ["page=0", "page=1000001", "page=x", "limit=0", "limit=101", "limit=", "colour=red"])
def test_a_wrong_query_is_refused_and_named(client: Client, query: str) -> None:
    assert wrong(client.get(f"{PATH}?{query}")) == [query.partition("=")[0]]


def test_the_collection_answers_with_and_without_a_slash(client: Client) -> None:
    for target in (PATH, f"{PATH}/"):
        answer = client.post(target, json=EXAMPLE)
        assert (answer.status, answer.headers.get("location")) == (201, None)
        newest = client.get(f"{target}?limit=1").json()["items"]
        assert newest == [answer.json()]
        assert client.put(target, json=EXAMPLE).status == 405


@pytest.mark.parametrize(
    "item_id", ["7f9c24e8-3b12-4a5f-9d0c-1c2d3e4f5a6b", "1", "x", "%00", "7f9c24e8-3b12-4a5f-9d0c-1c2d3e4f5a6bx"]
)
def test_an_item_that_does_not_exist_is_not_found(client: Client, item_id: str) -> None:
    for method, body in (("GET", None), ("PUT", EXAMPLE), ("DELETE", None)):
        answer = client.request(method, f"{PATH}/{item_id}", json=body)
        assert (answer.status, answer.json()["error"]) == (404, "Not Found")


def test_reading_and_writing_need_a_scope_each(client: Client, settings: Any) -> None:
    target = f"{PATH}/{stored(client)['item_id']}"
    reads, writes = [("GET", PATH), ("GET", target)], [("POST", PATH), ("PUT", target), ("DELETE", target)]
    for scope, refused in (("items:read", writes), ("items:write", reads)):
        token = OwnIssuer(settings).issue("test", [scope], 60)
        for method, path in refused:
            assert client.request(method, path, json=EXAMPLE, token=token).status == 403
    assert client.get(target, token=OwnIssuer(settings).issue("test", ["items:read"], 60)).status == 200
    assert client.delete(target, token=OwnIssuer(settings).issue("test", ["items:write"], 60)).status == 204


def test_a_repetition_after_a_lost_connection_stores_nothing_twice(settings: Any) -> None:
    database = Database(settings)
    item_id = str(uuid.uuid4())
    answers = [database.statement(queries.insert, item_id, ItemInput().load(EXAMPLE)) for _ in range(2)]
    assert answers == [database.statement(queries.one, item_id)] * 2
    database.close()


@pytest.mark.parametrize(
    ("column", "value"),
    [("name", ""), ("name", "x" * 201), ("name", None), ("description", "x" * 2001)],
    ids=["name-empty", "name-too-long", "name-null", "description-too-long"],
)
def test_the_database_keeps_the_rules_too(rows: Any, column: str, value: Any) -> None:
    columns = {"id": str(uuid.uuid4()), "name": "Bolt", "description": None, column: value}
    with pytest.raises((psycopg2.errors.CheckViolation, psycopg2.errors.NotNullViolation)):
        rows("INSERT INTO items (id, name, description) VALUES (%s, %s, %s)", *columns.values())
