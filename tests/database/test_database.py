"""Statements and transactions on kept connections: bounded, repeatable, and never past the deadline."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest

from service import deadline
from service.config import Config
from service.database import ConnectionLost, Cursor, Database
from service.errors import ServiceUnavailable


@pytest.fixture
def database(settings: Config) -> Iterator[Database]:
    database = Database(dataclasses.replace(settings, database=dataclasses.replace(settings.database, pool_size=2)))
    yield database
    database.close()
    deadline.clear()


@pytest.fixture
def table(rows: Any) -> Iterator[str]:
    rows("CREATE TABLE notes (note text)")
    yield "notes"
    rows("DROP TABLE notes")


def backend_pid(cursor: Cursor) -> int:
    cursor.execute("SELECT pg_backend_pid()")
    return int(cursor.fetchone()[0])  # type: ignore[index]


def sleep(cursor: Cursor, seconds: float) -> None:
    cursor.execute("SELECT pg_sleep(%s)", (seconds,))


def test_one_connection_is_kept_between_statements(database: Database) -> None:
    assert len({database.statement(backend_pid) for _ in range(5)}) == 1


def test_a_transaction_is_committed_at_its_end(database: Database, table: str, rows: Any) -> None:
    with database.transaction() as cursor:
        cursor.execute("INSERT INTO notes VALUES ('kept')")
        assert rows("SELECT note FROM notes") == []
    assert rows("SELECT note FROM notes") == [("kept",)]


def test_a_transaction_that_fails_leaves_nothing_and_its_connection_is_used_again(
    database: Database, table: str, rows: Any
) -> None:
    pid = database.statement(backend_pid)
    with pytest.raises(RuntimeError, match="on purpose"), database.transaction() as cursor:  # noqa: PT012
        cursor.execute("INSERT INTO notes VALUES ('lost')")
        raise RuntimeError("on purpose")
    assert rows("SELECT note FROM notes") == []
    assert database.statement(backend_pid) == pid


def test_a_defect_in_a_statement_is_not_taken_for_an_outage(database: Database) -> None:
    with pytest.raises(psycopg2.errors.SyntaxError):
        database.statement(lambda cursor: cursor.execute("SELEKT"))
    assert database.statement(backend_pid)


def test_a_connection_that_was_dropped_while_idle_is_replaced_unnoticed(database: Database, rows: Any) -> None:
    pid = database.statement(backend_pid)
    rows("SELECT pg_terminate_backend(%s, 5000)", pid)
    with database.transaction() as cursor:
        assert backend_pid(cursor) != pid


def test_a_statement_whose_connection_is_dropped_under_it_runs_once_more(database: Database, rows: Any) -> None:
    pids = []

    def fragile(cursor: Cursor) -> int:
        pids.append(backend_pid(cursor))
        if len(pids) == 1:
            rows("SELECT pg_terminate_backend(%s, 5000)", pids[0])
        return backend_pid(cursor)

    assert database.statement(fragile) == pids[1] != pids[0]


def test_a_transaction_whose_connection_is_dropped_is_an_outage(database: Database, rows: Any) -> None:
    with pytest.raises(ConnectionLost), database.transaction() as cursor:  # noqa: PT012
        rows("SELECT pg_terminate_backend(%s, 5000)", backend_pid(cursor))
        cursor.execute("SELECT 1")


def test_a_statement_ends_at_the_deadline_and_the_next_one_works(database: Database) -> None:
    started = time.monotonic()
    deadline.start(0.3)
    with pytest.raises(ServiceUnavailable):
        database.statement(sleep, 10)
    assert time.monotonic() - started < 1
    deadline.start(5)
    assert database.statement(backend_pid)


def test_who_waits_for_a_connection_gets_it_when_it_comes_free(database: Database) -> None:
    threads = [threading.Thread(target=database.statement, args=(sleep, 0.3)) for _ in range(2)]
    for thread in threads:
        thread.start()
    started = time.monotonic()
    while database._pool._free._value and time.monotonic() - started < 5:  # type: ignore[attr-defined]
        pass
    deadline.start(5)
    assert database.statement(backend_pid)
    for thread in threads:
        thread.join()


def test_who_waits_for_a_connection_past_the_deadline_is_told_so(database: Database) -> None:
    with database.transaction(), database.transaction():
        deadline.start(0.2)
        with pytest.raises(ServiceUnavailable) as failure:
            database.statement(backend_pid)
    assert failure.value.reason == "every database connection was in use until the deadline"
    deadline.start(5)
    assert database.statement(backend_pid)


def test_the_reason_of_an_outage_names_no_values(database: Database) -> None:
    deadline.start(2)
    with pytest.raises(ServiceUnavailable) as failure:
        database.statement(lambda cursor: cursor.execute("SELECT * FROM no_such_table WHERE secret = 'hunter2'"))
    assert failure.value.reason == "UndefinedTable (SQLSTATE 42P01)"


def test_a_connection_that_is_left_in_a_transaction_is_not_kept(database: Database) -> None:
    pid = database.statement(backend_pid)
    database.statement(lambda cursor: cursor.execute("BEGIN"))
    assert database.statement(backend_pid) != pid
