"""Meals: kept as they are sent, by the rules, for their owner alone."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

import psycopg2
import pytest

from service.database import Database
from service.meals import queries
from service.meals.routes import EXAMPLE
from service.meals.schemas import MealInput, MealList, MealOutput
from tests.conftest import Person
from tests.transports import Client

PATH = "/meals"
OTHER = {**EXAMPLE, "name": "Another name"}

NewUser = Callable[..., Person]


@pytest.fixture
def client(client: Client, new_user: NewUser) -> Client:
    """Sends the token of a user who has nothing yet."""
    client.token = new_user().token
    return client


def stored(client: Client, **changes: Any) -> dict[str, Any]:
    """Store a meal and return it."""
    answer = client.post(PATH, json={**EXAMPLE, **changes})
    assert answer.status == 201, answer.body
    return answer.json()


def path_of(found: dict[str, Any]) -> str:
    return f"{PATH}/{found['mealId']}"


def wrong(answer: Any) -> list[str]:
    """Return the paths of the broken rules."""
    assert answer.status == 422, answer.body
    return [violation["path"] for violation in answer.json()["details"]["errors"]]


def test_a_meal_is_kept_as_it_was_sent(client: Client) -> None:
    found = stored(client)
    assert MealOutput().validate(found) == {}
    assert {key: found[key] for key in EXAMPLE} == EXAMPLE
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", found["createdAt"])
    assert found["updatedAt"] == found["createdAt"]
    answer = client.get(path_of(found))
    assert (answer.status, answer.headers["content-type"], answer.json()) == (200, "application/json", found)


def test_a_meal_can_be_replaced_and_deleted(client: Client) -> None:
    found = stored(client)
    answer = client.put(path_of(found), json=OTHER)
    assert answer.status == 200
    replaced = answer.json()
    assert replaced == {**found, **OTHER, "updatedAt": replaced["updatedAt"]}
    assert datetime.fromisoformat(replaced["updatedAt"]) > datetime.fromisoformat(found["updatedAt"])
    assert client.get(path_of(found)).json() == replaced
    answer = client.delete(path_of(found))
    assert (answer.status, answer.body) == (204, b"")
    missing = [client.request(method, path_of(found), json=EXAMPLE) for method in ("GET", "PUT", "DELETE")]
    assert [answer.status for answer in missing] == [404] * 3


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("name", "x", id="name-shortest"),
        pytest.param("name", "ä" * 200, id="name-longest"),
        pytest.param("name", " \u2028'\"\\%s𝄞", id="name-any-character"),
        pytest.param("eatenAt", "2026-01-15T10:30:00.000001Z", id="eatenAt-microsecond"),
        pytest.param("eatenAt", "0001-01-01T00:00:00Z", id="eatenAt-first"),
        pytest.param("eatenAt", "9999-12-31T23:59:59Z", id="eatenAt-last"),
        pytest.param("notes", "x", id="notes-shortest"),
        pytest.param("notes", "ä" * 200, id="notes-longest"),
        pytest.param("notes", " \u2028'\"\\%s𝄞", id="notes-any-character"),
        pytest.param("notes", None, id="notes-null"),
    ],
)
def test_what_the_rules_allow_is_kept(client: Client, key: str, value: Any) -> None:
    found = stored(client, **{key: value})
    assert found[key] == value
    assert client.put(path_of(found), json={**EXAMPLE, key: value}).json()[key] == value


def test_what_is_optional_may_be_left_out(client: Client) -> None:
    needed = {key: EXAMPLE[key] for key in EXAMPLE if key not in {"notes"}}
    answer = client.post(PATH, json=needed)
    assert answer.status == 201
    assert {key: answer.json()[key] for key in EXAMPLE} == dict.fromkeys(EXAMPLE) | needed


def test_what_is_required_is_named_where_it_is_missing(client: Client) -> None:
    assert wrong(client.post(PATH, json={})) == ["name", "eatenAt"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("name", "", id="name-empty"),
        pytest.param("name", "x" * 201, id="name-too-long"),
        pytest.param("name", "a\0b", id="name-nul"),
        pytest.param("name", 7, id="name-number"),
        pytest.param("name", None, id="name-null"),
        pytest.param("eatenAt", "2026-01-15T10:30:00", id="eatenAt-no-offset"),
        pytest.param("eatenAt", "2026-02-29T10:30:00Z", id="eatenAt-no-such-day"),
        pytest.param("eatenAt", "2026-01-15", id="eatenAt-no-time"),
        pytest.param("eatenAt", 1768473000000, id="eatenAt-number"),
        pytest.param("eatenAt", None, id="eatenAt-null"),
        pytest.param("notes", "", id="notes-empty"),
        pytest.param("notes", "x" * 201, id="notes-too-long"),
        pytest.param("notes", "a\0b", id="notes-nul"),
        pytest.param("notes", 7, id="notes-number"),
        pytest.param("mealId", str(uuid.uuid4()), id="unknown-key"),
    ],
)
def test_a_broken_rule_is_named_and_nothing_is_stored(client: Client, key: str, value: Any) -> None:
    found = stored(client)
    assert wrong(client.post(PATH, json={**EXAMPLE, key: value})) == [key]
    assert wrong(client.put(path_of(found), json={**EXAMPLE, key: value})) == [key]
    assert client.get(path_of(found)).json() == found


def test_pages_hold_each_once_the_newest_first(client: Client) -> None:
    made = [stored(client)["mealId"] for _ in range(5)]
    pages = [client.get(f"{PATH}?page={page}&limit=2").json() for page in (1, 2, 3)]
    assert [MealList().validate(page) for page in pages] == [{}, {}, {}]
    found = [one["mealId"] for page in pages for one in page["meals"]]
    assert found == made[::-1]
    assert pages[0]["pagination"] == {"page": 1, "limit": 2, "total": 5, "pages": 3}


def test_a_page_behind_the_last_is_empty(client: Client) -> None:
    answer = client.get(f"{PATH}?page=1000000&limit=100")
    assert (answer.status, answer.json()["meals"], answer.json()["pagination"]["page"]) == (200, [], 1000000)


@pytest.mark.parametrize("query", ["page=0", "page=1000001", "page=x", "limit=0", "limit=101", "other=1"])
def test_a_wrong_query_is_refused_and_named(client: Client, query: str) -> None:
    assert wrong(client.get(f"{PATH}?{query}")) == [query.partition("=")[0]]


@pytest.mark.parametrize("name", [str(uuid.uuid4()), "1", "x", "%00"], ids=["uuid", "number", "word", "nul"])
def test_what_does_not_exist_is_not_found(client: Client, name: str) -> None:
    for method, body in (("GET", None), ("PUT", EXAMPLE), ("DELETE", None)):
        answer = client.request(method, f"{PATH}/{name}", json=body)
        assert (answer.status, answer.json()["error"]) == (404, "Not Found")


def test_what_is_another_users_is_not_found_and_left_as_it_is(client: Client, new_user: NewUser) -> None:
    found = stored(client)
    stranger = new_user().token
    for method, body in (("GET", None), ("PUT", OTHER), ("DELETE", None)):
        assert client.request(method, path_of(found), json=body, token=stranger).status == 404
    assert client.get(PATH, token=stranger).json()["meals"] == []
    assert client.get(PATH, token=stranger).json()["pagination"]["total"] == 0
    assert client.get(path_of(found)).json() == found


def test_a_repetition_after_a_lost_connection_stores_nothing_twice(settings: Any, new_user: NewUser) -> None:
    database = Database(settings)
    key = (new_user().id, str(uuid.uuid4()))
    answers = [database.statement(queries.insert, *key, MealInput().load(EXAMPLE)) for _ in range(2)]
    assert answers == [database.statement(queries.one, *key)] * 2
    database.close()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        pytest.param("user_id", None, id="user_id-null"),
        pytest.param("user_id", str(uuid.uuid4()), id="user_id-nobody"),
        pytest.param("name", "", id="name-empty"),
        pytest.param("name", "x" * 201, id="name-too-long"),
        pytest.param("name", None, id="name-null"),
        pytest.param("eaten_at", None, id="eaten_at-null"),
        pytest.param("notes", "", id="notes-empty"),
        pytest.param("notes", "x" * 201, id="notes-too-long"),
    ],
)
def test_the_database_keeps_the_rules_too(rows: Any, new_user: NewUser, column: str, value: Any) -> None:
    row = {
        "id": str(uuid.uuid4()),
        "user_id": new_user().id,
        "name": EXAMPLE["name"],
        "eaten_at": EXAMPLE["eatenAt"],
        "notes": EXAMPLE["notes"],
        column: value,
    }
    with pytest.raises(psycopg2.IntegrityError):
        rows(
            """
            INSERT INTO meals (id, user_id, name, eaten_at, notes)
            VALUES (%s, %s, %s, %s, %s)
            """,
            *row.values(),
        )
