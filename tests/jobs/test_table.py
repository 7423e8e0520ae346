"""What the table of jobs does, statement by statement."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from service import jobs, metrics
from service.database import Database
from service.jobs import NotQueued, queries, table_queue
from service.jobs.queries import Taken
from service.jobs.queues import MAX_BYTES

Sql = Callable[..., list[tuple[Any, ...]]]
Put = Callable[..., None]


@pytest.fixture
def database(app: Flask) -> Database:
    found: Database = app.extensions["database"]
    return found


def take(database: Database, seconds: float = 60) -> tuple[Taken, str]:
    lease = str(uuid.uuid4())
    taken = database.statement(queries.take, lease, seconds)
    assert taken is not None
    return taken, lease


def is_empty(database: Database) -> bool:
    return database.statement(queries.take, str(uuid.uuid4()), 60) is None


def test_a_job_that_was_put_is_taken_once_with_its_arguments(put: Put, database: Database) -> None:
    put("count", text="ä\u2028", number=1.5, deep={"a": [1, None]}, source="aws.events", name="n")
    taken, _ = take(database)
    assert (taken.name, taken.attempt, taken.last_reason) == ("count", 1, None)
    assert taken.arguments == {
        "text": "ä\u2028",
        "number": 1.5,
        "deep": {"a": [1, None]},
        "source": "aws.events",
        "name": "n",
    }
    assert 0 <= taken.age < 5
    assert is_empty(database)


def test_jobs_are_taken_in_the_order_in_which_they_are_due(put: Put, database: Database) -> None:
    for delay, key in ((-5, 1), (0.3, 3), (0, 2), (3600, 4)):
        put("note", key=key, delay_seconds=delay)
    assert [take(database)[0].arguments["key"] for _ in range(2)] == [1, 2]
    assert is_empty(database)
    threading.Event().wait(0.35)
    assert take(database)[0].arguments["key"] == 3
    assert is_empty(database)


def test_a_job_that_was_put_twice_under_one_id_is_there_once(database: Database, sql: Sql) -> None:
    job_id = str(uuid.uuid4())
    for _ in range(2):
        database.statement(queries.put, job_id, "note", "{}", 0)
    assert sql("SELECT count(*) FROM jobs") == [(1,)]


def test_a_job_is_due_again_when_its_lease_ends(put: Put, database: Database) -> None:
    put("note")
    first, _ = take(database, 0.2)
    assert is_empty(database)
    threading.Event().wait(0.25)
    second, _ = take(database)
    assert (second.id, second.attempt) == (first.id, 2)


STALE: dict[str, Callable[[Database, str], bool]] = {
    "extend": lambda database, lease: database.statement(queries.extend, lease, 60),
    "finish": lambda database, lease: database.statement(queries.finish, lease),
    "fail": lambda database, lease: database.statement(queries.fail, lease, "late", 0),
    "bury": lambda database, lease: database.statement(queries.fail, lease, "late", None),
    "hand back": lambda database, lease: database.statement(queries.hand_back, lease, 0),
}


@pytest.mark.parametrize("say", STALE.values(), ids=STALE)
def test_who_has_lost_a_lease_changes_nothing(
    put: Put, database: Database, sql: Sql, say: Callable[[Database, str], bool]
) -> None:
    put("note")
    _, old = take(database, 0)
    _, new = take(database)
    before = sql("SELECT * FROM jobs")
    assert say(database, old) is False
    assert sql("SELECT * FROM jobs") == before
    assert say(database, new) is True
    assert say(database, new) is (say is STALE["extend"])  # said again, after a lost connection


def test_twenty_at_once_take_forty_jobs_once_each(put: Put, database: Database) -> None:
    for key in range(40):
        put("note", key=key)
    taken: list[int] = []

    def take_all() -> None:
        while found := database.statement(queries.take, str(uuid.uuid4()), 60):
            taken.append(found.arguments["key"])

    threads = [threading.Thread(target=take_all) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(40))


def test_a_job_that_another_is_just_taking_is_no_obstacle(put: Put, database: Database, postgres: Any) -> None:
    put("note", key=1)
    put("note", key=2)
    with database.transaction() as cursor:
        first = queries.take(cursor, str(uuid.uuid4()), 60)
        second, _ = take(database)
    assert first is not None
    assert [first.arguments["key"], second.arguments["key"]] == [1, 2]


@pytest.mark.parametrize("name", ["a\x00", "\ud800"], ids=["NUL", "half a character"])
def test_what_the_table_cannot_hold_is_refused_aloud(put: Put, sql: Sql, name: str) -> None:
    with pytest.raises(NotQueued) as refusal:
        put("note", text=name)
    assert refusal.value.reason.startswith("the table cannot hold the arguments of the job note: ")
    assert sql("SELECT count(*) FROM jobs") == [(0,)]


def test_a_job_that_is_too_large_is_refused_aloud(put: Put, sql: Sql) -> None:
    put("note", text="x" * (MAX_BYTES - 50))
    with pytest.raises(NotQueued) as refusal:
        put("note", text="x" * MAX_BYTES)
    assert "the job note is too large: " in refusal.value.reason
    assert sql("SELECT count(*) FROM jobs") == [(1,)]


UNWRITABLE = {"its own name": {"job": "other"}, "an object": {"a": object()}, "no number": {"a": float("nan")}}


@pytest.mark.parametrize("arguments", UNWRITABLE.values(), ids=UNWRITABLE)
def test_arguments_that_are_no_json_are_a_mistake_of_the_caller(
    app: Flask, sql: Sql, arguments: dict[str, Any]
) -> None:
    with app.app_context(), pytest.raises((TypeError, ValueError)):
        jobs.get_queue().put("note", arguments)
    assert sql("SELECT count(*) FROM jobs") == [(0,)]


def test_a_dead_letter_is_not_taken_until_it_is_retried(put: Put, database: Database, sql: Sql) -> None:
    put("note")
    taken, lease = take(database)
    database.statement(queries.fail, lease, "RuntimeError", None)
    assert is_empty(database)
    assert sql("SELECT last_reason, dead_at IS NOT NULL FROM jobs") == [("RuntimeError", True)]
    assert database.statement(queries.retry, [str(uuid.uuid4())]) == []
    assert database.statement(queries.retry, [taken.id]) == [taken.id]
    assert database.statement(queries.retry, None) == []
    again, _ = take(database)
    assert (again.id, again.attempt, again.last_reason) == (taken.id, 1, "RuntimeError")


def test_a_running_job_is_not_dropped(put: Put, database: Database) -> None:
    put("note")
    taken, lease = take(database)
    assert database.statement(queries.drop, taken.id) is False
    database.statement(queries.hand_back, lease, 0)
    assert database.statement(queries.drop, taken.id) is True
    assert database.statement(queries.drop, taken.id) is False


def test_the_age_is_that_of_the_oldest_job_that_is_due(put: Put, database: Database, sql: Sql) -> None:
    assert database.statement(queries.oldest) == 0
    put("note", delay_seconds=60)
    assert database.statement(queries.oldest) == 0
    put("note", key="old")
    put("note")
    sql("UPDATE jobs SET run_at = now() - interval '90 s' WHERE arguments->>'key' = 'old'")
    assert 90 <= database.statement(queries.oldest) < 100
    taken, _ = take(database)
    assert 90 <= taken.age < 100
    assert database.statement(queries.oldest) < 10


def test_the_age_is_measured_whenever_somebody_asks(put: Put, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(metrics, "record_metric", lambda name, value, **_: told.append((name, value > 0)))
    put("note")
    assert table_queue.record_age in metrics.scraped
    with app.app_context():
        table_queue.record_age()
    assert [each for each in told if each[0] == "QueueAge"] == [("QueueAge", True)]
