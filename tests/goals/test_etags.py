"""Versions of goals: a stale replacement does not overwrite a newer goal, and what is known is not sent again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.goals.samples import a_goal, create
from tests.transports import Client

MATCHING = ['"1"', "*", '"7", "1"', '"1","7"', 'W/"1", "1"', '"x", "1"']
STALE = [
    '"2"',
    '"0"',
    '"01"',
    '"1 "',
    'W/"1"',
    '"7", "8"',
    "nonsense",
    "",
    '""',
    '"',
    '"-1"',
    '"' + "9" * 30 + '"',
    '"٣"',
]


def header(text: str) -> str:
    """Return a header's text as it travels: what is no Latin-1 as UTF-8."""
    return text.encode().decode("latin-1")


@pytest.mark.parametrize("tags", MATCHING)
def test_a_goal_is_replaced_where_its_version_is_expected(client: Client, new_user: Any, tags: str) -> None:
    person = new_user()
    target = f"/goals/{create(client, person)['goalId']}"
    answer = client.put(target, json=a_goal(), headers={"If-Match": tags}, token=person.token)
    assert (answer.status, answer.headers["etag"]) == (200, '"2"')


@pytest.mark.parametrize("tags", STALE)
def test_a_goal_of_another_version_is_left_as_it_is(client: Client, new_user: Any, tags: str) -> None:
    person = new_user()
    created = create(client, person)
    target = f"/goals/{created['goalId']}"
    answer = client.put(target, json=a_goal(), headers={"If-Match": header(tags)}, token=person.token)
    assert (answer.status, answer.json()["error"]) == (412, "Precondition Failed")
    assert client.get(target, token=person.token).json() == created


def test_without_a_version_the_last_write_wins(client: Client, new_user: Any) -> None:
    person = new_user()
    target = f"/goals/{create(client, person)['goalId']}"
    for version in (2, 3, 4):
        answer = client.put(target, json=a_goal(), token=person.token)
        assert (answer.status, answer.json()["version"]) == (200, version)
    archived = client.delete(target, token=person.token)
    assert archived.headers["etag"] == '"5"'
    stale = client.put(target, json=a_goal(), headers={"If-Match": '"4"'}, token=person.token)
    assert stale.status == 412


def test_the_version_is_asked_before_what_the_goal_contradicts(client: Client, new_user: Any) -> None:
    person = new_user()
    target = f"/goals/{create(client, person)['goalId']}"
    stale = client.put(target, json=a_goal("limit"), headers={"If-Match": '"9"'}, token=person.token)
    assert stale.status == 412


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("tags", "status"),
    [('"1"', 304), ('W/"1"', 304), ('"7", W/"1"', 304), ("*", 304), ('"2"', 200), ("", 200), ('"', 200), ('"01"', 200)],
)
def test_a_goal_that_is_known_is_not_sent_again(
    client: Client, new_user: Any, method: str, tags: str, status: int
) -> None:
    person = new_user()
    target = f"/goals/{create(client, person)['goalId']}"
    answer = client.request(method, target, headers={"If-None-Match": tags}, token=person.token)
    assert (answer.status, answer.headers["etag"]) == (status, '"1"')
    assert bool(answer.body) == (status == 200 and method == "GET")
    client.put(target, json=a_goal(), token=person.token)
    assert client.get(target, headers={"If-None-Match": '"1"'}, token=person.token).json()["version"] == 2


def test_only_reading_asks_what_is_known(client: Client, new_user: Any) -> None:
    person = new_user()
    target = f"/goals/{create(client, person)['goalId']}"
    for answer in (
        client.put(target, json=a_goal(), headers={"If-None-Match": "*"}, token=person.token),
        client.delete(target, headers={"If-None-Match": "*"}, token=person.token),
    ):
        assert (answer.status, bool(answer.body)) == (200, True)
