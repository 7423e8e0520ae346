"""Many requests at once: what the rules allow, exactly once, and no 5xx."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from tests.conftest import Person
from tests.goals.samples import a_goal, create, store_goal
from tests.transports import Answer, HttpClient


def at_once(count: int, request: Callable[[int], Answer]) -> list[Answer]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(request, range(count)))


def statuses(answers: list[Answer]) -> dict[int, int]:
    return dict(Counter(answer.status for answer in answers))


def active(rows: Any, person: Person) -> int:
    ((count,),) = rows("SELECT count(*) FROM goals WHERE user_id = %s AND status = 'active'", person.id)
    return int(count)


@pytest.mark.parametrize("turn", range(3))
def test_sixty_creations_of_the_fiftieth_goal_leave_fifty(
    http: HttpClient, new_user: Any, rows: Any, turn: int
) -> None:
    person = new_user()
    for _ in range(49):
        store_goal(rows, person.id)
    goals = [a_goal() for _ in range(60)]
    answers = at_once(60, lambda n: http.post("/goals", json=goals[n], token=person.token))
    assert statuses(answers) == {201: 1, 409: 59}
    assert {answer.json()["message"].partition(":")[0] for answer in answers if answer.status == 409} == {"status"}
    assert active(rows, person) == 50


def test_sixty_goals_that_become_active_at_once_leave_fifty(http: HttpClient, new_user: Any, rows: Any) -> None:
    """By creation and by replacement, side by side."""
    person = new_user()
    for _ in range(45):
        store_goal(rows, person.id)
    drafts = [store_goal(rows, person.id, status="draft") for _ in range(30)]
    goals = [a_goal() for _ in range(60)]

    def request(n: int) -> Answer:
        if n < 30:
            return http.put(f"/goals/{drafts[n]}", json=goals[n], token=person.token)
        return http.post("/goals", json=goals[n], token=person.token)

    counts = statuses(at_once(60, request))
    assert (counts.pop(200, 0) + counts.pop(201, 0), counts) == (5, {409: 55})
    assert active(rows, person) == 50


@pytest.mark.parametrize("turn", range(3))
def test_forty_creations_of_one_title_leave_one(http: HttpClient, new_user: Any, rows: Any, turn: int) -> None:
    person = new_user()
    spellings = ["Été", "ÉTÉ", "été", "E\u0301te\u0301"]
    answers = at_once(40, lambda n: http.post("/goals", json=a_goal(title=spellings[n % 4]), token=person.token))
    assert statuses(answers) == {201: 1, 409: 39}
    assert {answer.json()["message"].partition(":")[0] for answer in answers if answer.status == 409} == {"title"}
    assert active(rows, person) == 1


def test_of_replacements_that_expect_one_version_exactly_one_wins(http: HttpClient, new_user: Any) -> None:
    person = new_user()
    target = f"/goals/{create(http, person)['goalId']}"
    for version in range(1, 6):
        goals = [a_goal() for _ in range(20)]
        answers = at_once(
            20,
            lambda n, v=version, g=goals: http.put(
                target, json=g[n], headers={"If-Match": f'"{v}"'}, token=person.token
            ),
        )
        assert statuses(answers) == {200: 1, 412: 19}
        (winner,) = (n for n, answer in enumerate(answers) if answer.status == 200)
        stored = http.get(target, token=person.token).json()
        assert (stored["version"], stored["title"]) == (version + 1, goals[winner]["title"])


def test_replacements_without_a_version_all_count(http: HttpClient, new_user: Any) -> None:
    person = new_user()
    target = f"/goals/{create(http, person)['goalId']}"
    answers = at_once(20, lambda _: http.put(target, json=a_goal(), token=person.token))
    assert sorted(answer.json()["version"] for answer in answers) == list(range(2, 22))


def test_a_goal_that_many_archive_is_archived_once(http: HttpClient, new_user: Any) -> None:
    person = new_user()
    target = f"/goals/{create(http, person)['goalId']}"
    answers = at_once(20, lambda _: http.delete(target, token=person.token))
    assert {(answer.status, answer.headers["etag"], answer.body) for answer in answers} == {
        (200, '"2"', answers[0].body)
    }
    assert answers[0].json()["status"] == "archived"


def test_activities_at_once_are_all_stored_and_all_count(http: HttpClient, new_user: Any) -> None:
    person = new_user()
    target = f"/goals/{create(http, person, a_goal('milestone', target={'value': 1000}))['goalId']}"
    answers = at_once(60, lambda n: http.post(f"{target}/activities", json={"value": n + 0.5}, token=person.token))
    assert statuses(answers) == {201: 60}
    stored = http.get(f"{target}/activities?limit=100", token=person.token).json()["activities"]
    assert {entry["activityId"] for entry in stored} == {answer.json()["activityId"] for answer in answers}
    progress = http.get(f"{target}/progress", token=person.token).json()
    assert (progress["activities"], Decimal(str(progress["total"]))) == (60, Decimal(60 * 59 // 2 + 30))


def test_nothing_is_added_to_a_goal_after_it_was_archived(http: HttpClient, new_user: Any, rows: Any) -> None:
    """Whoever is told that the goal is archived finds all its activities there, and no more come."""
    person = new_user()
    target = f"/goals/{create(http, person)['goalId']}"
    seen = []

    def request(n: int) -> Answer:
        if n != 15:
            return http.post(f"{target}/activities", json={"value": 1}, token=person.token)
        answer = http.delete(target, token=person.token)
        seen.extend(rows("SELECT count(*) FROM goal_activities WHERE goal_id = %s", target.rpartition("/")[2]))
        return answer

    counts = statuses(at_once(30, request))
    assert (counts.pop(200), set(counts) <= {201, 409}) == (1, True)
    assert seen == [(counts.get(201, 0),)]


def test_a_unit_does_not_change_under_activities(http: HttpClient, new_user: Any) -> None:
    person = new_user()
    for _ in range(5):
        target = f"/goals/{create(http, person, a_goal(status='draft'))['goalId']}"
        miles = a_goal(status="draft", target={"unit": "mi"})

        def request(n: int, target: str = target, miles: Any = miles) -> Answer:
            if n == 5:
                return http.put(target, json=miles, token=person.token)
            return http.post(f"{target}/activities", json={"value": 1, "unit": "km"}, token=person.token)

        answers = at_once(10, request)
        renamed = answers.pop(5).status
        assert set(statuses(answers)) <= ({409, 201} if renamed == 409 else {409})
        unit = http.get(target, token=person.token).json()["target"]["unit"]
        assert unit == ("mi" if renamed == 200 else "km")
        stored = http.get(f"{target}/activities", token=person.token).json()["activities"]
        assert {entry["unit"] for entry in stored} <= {unit}
