"""Meals: kept as they are sent, by the rules, for their owner alone."""

from __future__ import annotations

import re
import threading
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
EGG = {"food": "Egg", "quantity": 2, "unit": "piece", "calories": 155}
BODY = {"name": "Breakfast", "eatenAt": "2026-01-15T06:30:00Z", "items": [EGG], "notes": "At home"}
OTHER = {**BODY, "name": "Dinner", "items": [{**EGG, "food": "Omelette"}, EGG]}

NewUser = Callable[..., Person]


@pytest.fixture
def client(client: Client, new_user: NewUser) -> Client:
    """Sends the token of a user who has nothing yet."""
    client.token = new_user().token
    return client


def stored(client: Client, **changes: Any) -> dict[str, Any]:
    """Store a meal and return it."""
    answer = client.post(PATH, json={**BODY, **changes})
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
    assert {key: found[key] for key in BODY} == BODY
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z", found["createdAt"])
    assert found["updatedAt"] == found["createdAt"]
    answer = client.get(path_of(found))
    assert (answer.status, answer.headers["content-type"], answer.json()) == (200, "application/json", found)


def test_the_example_of_the_documents_works(client: Client) -> None:
    found = client.post(PATH, json=EXAMPLE).json()
    assert found["eatenAt"] == "2026-01-15T06:30:00Z"
    assert [item["calories"] for item in found["items"]] == [177.5, None]


def test_a_meal_can_be_replaced_and_deleted(client: Client, rows: Any) -> None:
    found = stored(client)
    answer = client.put(path_of(found), json=OTHER)
    assert answer.status == 200
    replaced = answer.json()
    assert replaced == {**found, **OTHER, "updatedAt": replaced["updatedAt"]}
    assert datetime.fromisoformat(replaced["updatedAt"]) > datetime.fromisoformat(found["updatedAt"])
    assert client.get(path_of(found)).json() == replaced
    assert client.put(path_of(found), json=BODY).json()["items"] == [EGG]
    answer = client.delete(path_of(found))
    assert (answer.status, answer.body) == (204, b"")
    missing = [client.request(method, path_of(found), json=BODY) for method in ("GET", "PUT", "DELETE")]
    assert [answer.status for answer in missing] == [404] * 3
    assert rows("SELECT count(*) FROM meal_items WHERE meal_id = %s", found["mealId"]) == [(0,)]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("name", "x", id="name-shortest"),
        pytest.param("name", "ä" * 200, id="name-longest"),
        pytest.param("name", " \u2028'\"\\%s𝄞", id="name-any-character"),
        pytest.param("eatenAt", "2026-01-15T10:30:00.000001Z", id="eatenAt-microsecond"),
        pytest.param("eatenAt", "0001-01-01T00:00:00Z", id="eatenAt-first"),
        pytest.param("eatenAt", "9999-12-31T23:59:59Z", id="eatenAt-last"),
        pytest.param("notes", "", id="notes-empty"),
        pytest.param("notes", "ä" * 2000, id="notes-longest"),
        pytest.param("notes", " \u2028'\"\\%s𝄞", id="notes-any-character"),
        pytest.param("notes", None, id="notes-null"),
        pytest.param("items", [{**EGG, "food": f"Egg {number}"} for number in range(100)], id="items-most"),
        pytest.param("items", [EGG, EGG], id="items-twice-the-same"),
    ],
)
def test_what_the_rules_allow_is_kept(client: Client, key: str, value: Any) -> None:
    found = stored(client, **{key: value})
    assert found[key] == value
    assert client.put(path_of(found), json={**BODY, key: value}).json()[key] == value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("food", "x", id="food-shortest"),
        pytest.param("food", "ä" * 200, id="food-longest"),
        pytest.param("food", "{},\"'\\NULL%s", id="food-any-character"),
        pytest.param("food", "NULL", id="food-null-in-letters"),
        pytest.param("unit", "x", id="unit-shortest"),
        pytest.param("unit", "ä" * 50, id="unit-longest"),
        pytest.param("quantity", 0.000001, id="quantity-small"),
        pytest.param("quantity", 123456789012.5, id="quantity-large"),
        pytest.param("calories", 0, id="calories-none"),
        pytest.param("calories", 0.5, id="calories-fraction"),
        pytest.param("calories", None, id="calories-unknown"),
    ],
)
def test_what_the_rules_allow_of_an_item_is_kept(client: Client, key: str, value: Any) -> None:
    items = [EGG, {**EGG, key: value}]
    found = stored(client, items=items)
    assert found["items"] == items
    assert client.get(path_of(found)).json()["items"] == items


def test_numbers_keep_every_digit(client: Client) -> None:
    digits = "0.3333333333333333333333333333333333333333"
    body = f'{{"food": "Flour", "quantity": {digits}, "unit": "cup", "calories": 1.50}}'
    meal = f'{{"name": "Bread", "eatenAt": "2026-01-15T06:30:00Z", "items": [{body}]}}'
    answer = client.post(PATH, body=meal, headers={"Content-Type": "application/json"})
    assert re.search(rf'"quantity" : {digits}\b.*"calories" : 1\.50\b', answer.body.decode())


def test_a_moment_is_kept_in_utc(client: Client) -> None:
    assert stored(client, eatenAt="2026-01-15t23:30:00.5-05:30")["eatenAt"] == "2026-01-16T05:00:00.500000Z"


def test_what_is_optional_may_be_left_out(client: Client) -> None:
    egg = {key: EGG[key] for key in ("food", "quantity", "unit")}
    needed = {"name": "Snack", "eatenAt": "2026-01-15T10:30:00Z", "items": [egg]}
    found = stored(client)
    for answer in (client.post(PATH, json=needed), client.put(path_of(found), json=needed)):
        meal = answer.json()
        assert (answer.status, meal["notes"], meal["items"]) in (
            (201, None, [{**egg, "calories": None}]),
            (200, None, [{**egg, "calories": None}]),
        )


def test_what_is_required_is_named_where_it_is_missing(client: Client) -> None:
    assert wrong(client.post(PATH, json={})) == ["name", "eatenAt", "items"]
    missing = wrong(client.post(PATH, json={**BODY, "items": [EGG, {}]}))
    assert missing == ["items[1].food", "items[1].quantity", "items[1].unit"]


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
        pytest.param("eatenAt", "2026-01-15T24:00:00Z", id="eatenAt-no-such-hour"),
        pytest.param("eatenAt", "0001-01-01T00:00:00+01:00", id="eatenAt-before-the-years"),
        pytest.param("eatenAt", "9999-12-31T23:59:59-01:00", id="eatenAt-after-the-years"),
        pytest.param("eatenAt", "2026-01-15", id="eatenAt-no-time"),
        pytest.param("eatenAt", 1768473000000, id="eatenAt-number"),
        pytest.param("eatenAt", None, id="eatenAt-null"),
        pytest.param("notes", "x" * 2001, id="notes-too-long"),
        pytest.param("notes", "a\0b", id="notes-nul"),
        pytest.param("notes", 7, id="notes-number"),
        pytest.param("items", [], id="items-none"),
        pytest.param("items", [EGG] * 101, id="items-too-many"),
        pytest.param("items", {"0": EGG}, id="items-object"),
        pytest.param("items", None, id="items-null"),
        pytest.param("mealId", str(uuid.uuid4()), id="unknown-key"),
    ],
)
def test_a_broken_rule_is_named_and_nothing_is_stored(client: Client, key: str, value: Any) -> None:
    found = stored(client)
    assert wrong(client.post(PATH, json={**BODY, key: value})) == [key]
    assert wrong(client.put(path_of(found), json={**OTHER, key: value})) == [key]
    assert client.get(PATH).json()["meals"] == [found]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("food", "", id="food-empty"),
        pytest.param("food", "x" * 201, id="food-too-long"),
        pytest.param("food", "a\0b", id="food-nul"),
        pytest.param("food", 7, id="food-number"),
        pytest.param("food", None, id="food-null"),
        pytest.param("quantity", 0, id="quantity-zero"),
        pytest.param("quantity", -0.5, id="quantity-negative"),
        pytest.param("quantity", 10**12 + 1, id="quantity-too-large"),
        pytest.param("quantity", "2", id="quantity-text"),
        pytest.param("quantity", True, id="quantity-flag"),
        pytest.param("quantity", None, id="quantity-null"),
        pytest.param("unit", "", id="unit-empty"),
        pytest.param("unit", "x" * 51, id="unit-too-long"),
        pytest.param("unit", "a\0b", id="unit-nul"),
        pytest.param("unit", None, id="unit-null"),
        pytest.param("calories", -0.1, id="calories-negative"),
        pytest.param("calories", 10**12 + 1, id="calories-too-large"),
        pytest.param("calories", "155", id="calories-text"),
        pytest.param("calories", False, id="calories-flag"),
        pytest.param("colour", "red", id="unknown-key"),
    ],
)
def test_a_broken_rule_of_an_item_is_named_with_its_place(client: Client, key: str, value: Any) -> None:
    broken = {**BODY, "items": [EGG, {**EGG, key: value}]}
    assert wrong(client.post(PATH, json=broken)) == [f"items[1].{key}"]
    assert client.get(PATH).json()["meals"] == []


@pytest.mark.parametrize("item", [None, "Egg", [], 2], ids=["null", "text", "list", "number"])
def test_an_item_that_is_no_object_is_named_with_its_place(client: Client, item: Any) -> None:
    assert wrong(client.post(PATH, json={**BODY, "items": [EGG, item]})) == ["items[1]"]


def test_pages_hold_each_once_the_last_eaten_first(client: Client) -> None:
    days = [3, 1, 5, 2, 4]
    made = {day: stored(client, eatenAt=f"2026-01-{day:02}T12:00:00Z")["mealId"] for day in days}
    pages = [client.get(f"{PATH}?page={page}&limit=2").json() for page in (1, 2, 3)]
    assert [MealList().validate(page) for page in pages] == [{}, {}, {}]
    found = [one["mealId"] for page in pages for one in page["meals"]]
    assert found == [made[day] for day in (5, 4, 3, 2, 1)]
    assert pages[0]["pagination"] == {"page": 1, "limit": 2, "total": 5, "pages": 3}


def test_meals_of_one_moment_stand_on_one_page_each(client: Client) -> None:
    made = {stored(client)["mealId"] for _ in range(5)}
    found = [client.get(f"{PATH}?page={page}&limit=1").json()["meals"][0]["mealId"] for page in range(1, 6)]
    assert found == sorted(made, reverse=True)


def test_a_page_behind_the_last_is_empty(client: Client) -> None:
    answer = client.get(f"{PATH}?page=1000000&limit=100")
    assert (answer.status, answer.json()["meals"], answer.json()["pagination"]["page"]) == (200, [], 1000000)


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ("", [4, 3, 2, 1]),
        ("from=2026-01-02", [4, 3, 2]),
        ("to=2026-01-03", [3, 2, 1]),
        ("from=2026-01-02&to=2026-01-03", [3, 2]),
        ("from=2026-01-02&to=2026-01-02", [2]),
        ("from=2026-01-05", []),
        ("from=0001-01-01&to=9999-12-31", [4, 3, 2, 1]),
    ],
    ids=["all", "from", "to", "both", "one-day", "none", "ever"],
)
def test_a_list_can_be_cut_to_days_of_the_users_time_zone(
    client: Client, new_user: NewUser, query: str, days: list[int]
) -> None:
    client.token = new_user(timezone="Asia/Tokyo").token
    for day in range(1, 5):  # each at the last moment of its day in Tokyo
        stored(client, name=str(day), eatenAt=f"2026-01-{day:02}T14:59:59.999999Z")
    answer = client.get(f"{PATH}?{query}").json()
    assert [int(meal["name"]) for meal in answer["meals"]] == days
    assert answer["pagination"]["total"] == len(days)


@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "page=1000001",
        "page=x",
        "limit=0",
        "limit=101",
        "other=1",
        "from=yesterday",
        "from=20260115",
        "from=2026-02-29",
        "to=2026-01-15T00:00:00Z",
        "to=",
        "to=2026-01-14&from=2026-01-15",
    ],
)
def test_a_wrong_query_is_refused_and_named(client: Client, query: str) -> None:
    assert wrong(client.get(f"{PATH}?{query}")) == [query.partition("=")[0]]


@pytest.mark.parametrize("name", [str(uuid.uuid4()), "1", "x", "%00"], ids=["uuid", "number", "word", "nul"])
def test_what_does_not_exist_is_not_found(client: Client, name: str) -> None:
    for method, body in (("GET", None), ("PUT", BODY), ("DELETE", None)):
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


def test_of_replacements_at_once_one_is_kept_whole(client: Client) -> None:
    found = stored(client)
    bodies = [
        {**BODY, "name": str(number), "items": [{**EGG, "food": f"{number}/{place}"} for place in range(number)]}
        for number in range(1, 13)
    ]
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda body=body: answers.append(client.put(path_of(found), json=body)))
        for body in bodies
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status for answer in answers] == [200] * len(bodies)
    for meal in [client.get(path_of(found)).json(), *(answer.json() for answer in answers)]:
        assert [item["food"] for item in meal["items"]] == [
            f"{meal['name']}/{place}" for place in range(len(meal["items"]))
        ]
        assert len(meal["items"]) == int(meal["name"])


def test_a_lost_connection_is_not_noticed(client: Client, rows: Any) -> None:
    found = stored(client)
    ours = "application_name = 'headgate' AND datname = current_database()"
    for method, target, status in (("POST", PATH, 201), ("PUT", path_of(found), 200), ("GET", PATH, 200)):
        rows(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}")
        assert client.request(method, target, json=OTHER).status == status
    assert [meal["name"] for meal in client.get(PATH).json()["meals"]] == ["Dinner", "Dinner"]


def test_a_repetition_after_a_lost_connection_stores_nothing_twice(settings: Any, new_user: NewUser, rows: Any) -> None:
    database = Database(settings)
    meal = MealInput().load(OTHER)
    meal_id, owner = str(uuid.uuid4()), new_user().id
    answers = set()
    for _ in range(2):
        with database.transaction() as cursor:
            answers.add(queries.insert(cursor, owner, meal_id, meal))
    database.close()
    assert len(answers) == 1
    assert rows("SELECT count(*) FROM meal_items WHERE meal_id = %s", meal_id) == [(2,)]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        pytest.param("user_id", None, id="user_id-null"),
        pytest.param("user_id", str(uuid.uuid4()), id="user_id-nobody"),
        pytest.param("name", "", id="name-empty"),
        pytest.param("name", "x" * 201, id="name-too-long"),
        pytest.param("name", None, id="name-null"),
        pytest.param("eaten_at", None, id="eaten_at-null"),
        pytest.param("notes", "x" * 2001, id="notes-too-long"),
    ],
)
def test_the_database_keeps_the_rules_too(rows: Any, new_user: NewUser, column: str, value: Any) -> None:
    row = {
        "id": str(uuid.uuid4()),
        "user_id": new_user().id,
        "name": BODY["name"],
        "eaten_at": BODY["eatenAt"],
        "notes": BODY["notes"],
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


@pytest.mark.parametrize(
    ("column", "value"),
    [
        pytest.param("meal_id", None, id="meal_id-null"),
        pytest.param("meal_id", str(uuid.uuid4()), id="meal_id-no-meal"),
        pytest.param("position", 1, id="position-twice"),
        pytest.param("position", 0, id="position-too-low"),
        pytest.param("position", 101, id="position-too-high"),
        pytest.param("food", "", id="food-empty"),
        pytest.param("food", "x" * 201, id="food-too-long"),
        pytest.param("food", None, id="food-null"),
        pytest.param("quantity", 0, id="quantity-zero"),
        pytest.param("quantity", "NaN", id="quantity-nan"),
        pytest.param("quantity", "1000000000000.1", id="quantity-too-large"),
        pytest.param("quantity", "infinity", id="quantity-infinite"),
        pytest.param("quantity", None, id="quantity-null"),
        pytest.param("unit", "", id="unit-empty"),
        pytest.param("unit", "x" * 51, id="unit-too-long"),
        pytest.param("unit", None, id="unit-null"),
        pytest.param("calories", -1, id="calories-negative"),
        pytest.param("calories", "NaN", id="calories-nan"),
        pytest.param("calories", "1000000000000.1", id="calories-too-large"),
        pytest.param("calories", "infinity", id="calories-infinite"),
    ],
)
def test_the_database_keeps_the_rules_of_items_too(rows: Any, new_user: NewUser, column: str, value: Any) -> None:
    meal_id = str(uuid.uuid4())
    meal = (meal_id, new_user().id, BODY["name"], BODY["eatenAt"])
    rows("INSERT INTO meals (id, user_id, name, eaten_at) VALUES (%s, %s, %s, %s)", *meal)
    insert = """
        INSERT INTO meal_items (meal_id, position, food, quantity, unit, calories)
        VALUES (%s, %s, %s, %s, %s, %s)
        """
    row = {"meal_id": meal_id, "position": 1, **EGG}
    rows(insert, *row.values())
    with pytest.raises(psycopg2.IntegrityError):
        rows(insert, *{**row, "position": 2, column: value}.values())
