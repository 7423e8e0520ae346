"""Lists of goals: filtered, sorted and cut as a model in Python does it."""

from __future__ import annotations

import random
from operator import itemgetter
from typing import Any
from urllib.parse import quote

import pytest

from service.goals.answers import GoalList
from service.goals.schemas import PATTERNS, SORTS, STATUSES
from tests.conftest import Person
from tests.goals.samples import a_goal, create, store_goal
from tests.transports import Client, HttpClient

CATEGORIES = ("fitness", "Fitness", "food & drink", "ärzte", "100% \\_'\"")
WORDS = ("alpha", "Beta", "béta", "BETA", "gamma ray", "Émile", "émile", "zoo", "Zoo", "_x", "10", "9")


@pytest.fixture(scope="module")
def goals(cursor: Any, anybody: Person) -> list[dict[str, Any]]:
    """Goals of one user, many of them of one moment; and what sorts and filters look at."""

    def rows(sql: str, *values: Any) -> list[tuple[Any, ...]]:
        cursor.execute(sql, values)
        return list(cursor.fetchall())

    chance = random.Random(3)
    found = []
    for number in range(70):
        pattern = chance.choice(PATTERNS)
        status = chance.choice(STATUSES)
        goal = {
            "title": chance.choice(WORDS) + (f" {number}" if status == "active" else ""),
            "category": chance.choice(CATEGORIES),
            "status": status,
            "created_at": f"2026-01-0{chance.randint(1, 4)}T00:00:00Z",
            "updated_at": f"2026-02-0{chance.randint(1, 4)}T00:00:00.000001Z",
        }
        found.append({**goal, "id": store_goal(rows, anybody.id, pattern, **goal), "pattern": pattern})
    return found


def expected(goals: list[dict[str, Any]], query: dict[str, str]) -> list[str]:
    """Return the ids of all pages, by the definition of the list."""
    statuses = query.get("status", "draft,active,paused,completed").split(",")
    chosen = [
        goal
        for goal in goals
        if goal["status"] in statuses
        and ("goalPattern" not in query or goal["pattern"] in query["goalPattern"].split(","))
        and ("category" not in query or goal["category"] in query["category"].split(","))
    ]
    key, _, direction = query.get("sort", "created_desc").partition("_")
    name = {"created": "created_at", "updated": "updated_at", "title": "title"}[key]
    chosen.sort(key=itemgetter("id"))
    chosen.sort(key=lambda goal: goal[name].lower(), reverse=direction == "desc")
    return [goal["id"] for goal in chosen]


def draw(chance: random.Random) -> dict[str, str]:
    """Return a query at random."""
    query = {}
    for name, choices in (("status", STATUSES), ("goalPattern", PATTERNS), ("category", (*CATEGORIES, "none"))):
        if chance.random() < 0.5:
            query[name] = ",".join(chance.choices(choices, k=chance.randint(1, 4)))
    if chance.random() < 0.8:
        query["sort"] = chance.choice(SORTS)
    return query


def target_of(query: dict[str, Any]) -> str:
    return "/goals?" + "&".join(f"{name}={quote(str(value))}" for name, value in query.items())


@pytest.mark.parametrize("seed", range(40))
def test_pages_hold_what_the_model_says(http: HttpClient, anybody: Person, goals: Any, seed: int) -> None:
    chance = random.Random(seed)
    query = draw(chance)
    ids = expected(goals, query)
    limit = chance.choice((1, 3, 7, 20, 100)) if len(ids) < 30 else chance.choice((7, 20, 100))
    pages = -(-len(ids) // limit)
    seen = []
    for page in range(1, pages + 2):
        answer = http.get(target_of(query | {"page": page, "limit": limit}), token=anybody.token)
        assert answer.status == 200, answer.body
        GoalList().load(answer.json())
        assert answer.json()["pagination"] == {"page": page, "limit": limit, "total": len(ids), "pages": pages}
        part = [goal["goalId"] for goal in answer.json()["goals"]]
        assert len(part) == (min(limit, len(ids) - limit * (page - 1)) if page <= pages else 0)
        seen += part
    assert seen == ids


@pytest.mark.parametrize("sort", SORTS)
def test_every_order_is_the_models(http: HttpClient, anybody: Person, goals: Any, sort: str) -> None:
    answer = http.get(f"/goals?limit=100&sort={sort}", token=anybody.token)
    assert [goal["goalId"] for goal in answer.json()["goals"]] == expected(goals, {"sort": sort})


def test_the_newest_twenty_that_are_not_archived_come_first(client: Client, new_user: Any) -> None:
    person = new_user()
    made = [create(client, person) for _ in range(22)]
    client.delete(f"/goals/{made[20]['goalId']}", token=person.token)
    answer = client.get("/goals", token=person.token)
    assert answer.json()["pagination"] == {"page": 1, "limit": 20, "total": 21, "pages": 2}
    assert answer.json()["goals"] == [made[21], *made[19:0:-1]]
    last = client.get("/goals?page=2", token=person.token).json()["goals"]
    assert last == [made[0]]
    archived = client.get("/goals?status=archived", token=person.token).json()["goals"]
    assert [goal["goalId"] for goal in archived] == [made[20]["goalId"]]


def test_a_page_behind_the_last_is_empty(client: Client, new_user: Any) -> None:
    person = new_user()
    nothing = client.get("/goals?page=1000000&limit=100", token=person.token)
    pagination = {"page": 1000000, "limit": 100, "total": 0, "pages": 0}
    assert (nothing.status, nothing.json()) == (200, {"goals": [], "pagination": pagination})


def test_a_list_holds_goals_of_its_owner_alone(client: Client, new_user: Any) -> None:
    owner, other = new_user(), new_user()
    mine, theirs = create(client, owner, a_goal(title="mine")), create(client, other, a_goal(title="theirs"))
    assert client.get("/goals", token=owner.token).json()["goals"] == [mine]
    assert client.get("/goals?category=fitness", token=other.token).json()["goals"] == [theirs]
