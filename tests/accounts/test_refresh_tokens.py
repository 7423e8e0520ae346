"""Refresh tokens in PostgreSQL: one winner at a time, whatever happens to the connection."""

from __future__ import annotations

import hashlib
import itertools
import secrets
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import psycopg2
import pytest

from service.accounts import queries
from service.config import Config
from service.database import Cursor, Database
from tests.accounts.people import Service
from tests.postgres import Postgres
from tests.test_errors import expect_shape


def let_time_pass(rows: Any, user_id: str, time: str) -> None:
    """Make the families of a user, and what happened to their tokens, older."""
    rows("UPDATE refresh_families SET expires_at = expires_at - %s::interval WHERE user_id = %s", time, user_id)
    rows(
        """
        UPDATE refresh_tokens SET rotated_at = rotated_at - %s::interval
        WHERE family_id IN (SELECT id FROM refresh_families WHERE user_id = %s)
        """,
        time,
        user_id,
    )


@pytest.fixture
def database(settings: Config) -> Any:
    found = Database(settings)
    yield found
    found.close()


@pytest.fixture
def family(database: Database, new_user: Any) -> Callable[..., tuple[str, bytes]]:
    """Begins a family, of a new user unless one is named; returns the user's id and the hash of the first token."""

    def begin(user_id: str | None = None) -> tuple[str, bytes]:
        user_id = user_id or str(new_user().id)
        token = secrets.token_bytes(32)
        database.statement(queries.begin_family, str(uuid.uuid4()), user_id, token)
        return user_id, token

    return begin


def current(rows: Any, user_id: str) -> list[tuple[Any, ...]]:
    """Return the token of each family of a user that is good, and whether the family still is."""
    return rows(  # type: ignore[no-any-return]
        """
        SELECT hash, revoked_at IS NULL
        FROM refresh_families JOIN refresh_tokens ON family_id = id
        WHERE user_id = %s AND successor IS NULL
        """,
        user_id,
    )


def test_tokens_are_kept_as_hashes_only(local: Service, rows: Any) -> None:
    member = local.join()
    given = local.refresh(member.refresh).json()["refreshToken"]
    kept = {bytes(row[0]) for row in rows("SELECT hash FROM refresh_tokens")}
    assert {hashlib.sha256(token.encode()).digest() for token in (member.refresh, given)} <= kept
    tables = ("users", "refresh_families", "refresh_tokens", "sign_in_attempts")
    dump = " ".join(str(row) for table in tables for row in rows(f"SELECT to_jsonb({table})::text FROM {table}"))
    for secret in (member.refresh, given, member.refresh.encode().hex(), member.password, member.access):
        assert secret not in dump


@pytest.mark.parametrize("contenders", [2, 3, 8])
def test_of_refreshes_at_once_one_wins_and_nothing_is_revoked(
    local_gunicorn: Service, rows: Any, contenders: int
) -> None:
    member = local_gunicorn.join()
    token, barrier = member.refresh, Barrier(contenders)

    def refresh(_: int) -> Any:
        barrier.wait()
        return local_gunicorn.refresh(token)

    with ThreadPoolExecutor(contenders) as pool:
        for _ in range(15):
            answers = list(pool.map(refresh, range(contenders)))
            assert Counter(answer.status for answer in answers) == {200: 1, 409: contenders - 1}
            (token,) = [answer.json()["refreshToken"] for answer in answers if answer.status == 200]
            for answer in answers:
                assert answer.status == 200 or expect_shape(answer, 409)
    assert [is_good for _, is_good in current(rows, member.id)] == [True]


def test_of_rotations_at_once_one_wins_and_nothing_is_revoked(
    database: Database, family: Callable[..., tuple[str, bytes]], rows: Any
) -> None:
    user_id, token = family()
    barrier = Barrier(6)

    def rotate(_: int) -> tuple[str, bytes]:
        new = secrets.token_bytes(32)
        barrier.wait()
        return database.statement(queries.rotate, token, new)[0], new

    with ThreadPoolExecutor(6) as pool:
        for _ in range(100):
            outcomes = list(pool.map(rotate, range(6)))
            assert Counter(outcome for outcome, _ in outcomes) == {"rotated": 1, "repeated": 5}
            (token,) = [new for outcome, new in outcomes if outcome == "rotated"]
    assert [(bytes(kept), is_good) for kept, is_good in current(rows, user_id)] == [(token, True)]


def test_who_waited_long_for_the_winner_has_not_reused_anything(
    environment: dict[str, str], family: Callable[..., tuple[str, bytes]], rows: Any
) -> None:
    """What counts is when the second request began, not when it got its turn."""
    user_id, token = family()
    winner, loser = (psycopg2.connect(environment["DATABASE_URL"]) for _ in range(2))
    with loser.cursor() as late, winner.cursor() as early:
        late.execute("SELECT now() - interval '9.8 seconds'")  # it begins
        (moment,) = late.fetchone()
        assert queries.rotate(early, token, b"1" * 32)[0] == "rotated"
        early.execute("UPDATE refresh_tokens SET rotated_at = %s WHERE hash = %s", (moment, token))
        winner.commit()
        time.sleep(0.3)
        assert queries.rotate(late, token, b"2" * 32)[0] == "repeated"
    for connection in (winner, loser):
        connection.close()
    assert current(rows, user_id)[0][1]


@pytest.mark.parametrize("times", [2, 5])
def test_the_same_rotation_again_has_the_same_outcome(
    database: Database, family: Callable[..., tuple[str, bytes]], rows: Any, times: int
) -> None:
    user_id, token = family()
    new = secrets.token_bytes(32)
    for _ in range(times):
        assert database.statement(queries.rotate, token, new) == ("rotated", user_id)
    let_time_pass(rows, user_id, "1 hour")
    assert database.statement(queries.rotate, token, new) == ("rotated", user_id)
    assert [(bytes(kept), is_good) for kept, is_good in current(rows, user_id)] == [(new, True)]


def test_a_rotation_whose_connection_breaks_before_the_answer_is_repeated(
    database: Database, family: Callable[..., tuple[str, bytes]], rows: Any
) -> None:
    user_id, token = family()
    new = secrets.token_bytes(32)
    tries = []

    def rotate(cursor: Cursor) -> tuple[str, str | None]:
        found = queries.rotate(cursor, token, new)
        tries.append(found[0])
        if len(tries) == 1:
            rows("SELECT pg_terminate_backend(%s)", cursor.connection.info.backend_pid)
            cursor.execute("SELECT 1")
        return found

    assert database.statement(rotate) == ("rotated", user_id)
    assert tries == ["rotated", "rotated"]
    assert [(bytes(kept), is_good) for kept, is_good in current(rows, user_id)] == [(new, True)]


def test_a_server_that_is_killed_keeps_a_rotation_whole_or_not_at_all(settings: Config) -> None:
    from service import config
    from service.database.schema import migrate

    server = Postgres()
    try:
        own = config.load({"DATABASE_URL": server.create("killed")})
        migrate(own)
        database = Database(own)
        user_id = str(uuid.uuid4())
        database.statement(queries.register, user_id, "a@example.com", "x", "Ada", "Lovelace")
        tokens = [secrets.token_bytes(32) for _ in range(2000)]
        database.statement(queries.begin_family, str(uuid.uuid4()), user_id, tokens[0])
        reached = []

        def rotate_on() -> None:
            for old, new in itertools.pairwise(tokens):
                if database.statement(queries.rotate, old, new)[0] != "rotated":
                    raise AssertionError(old)
                reached.append(new)

        with ThreadPoolExecutor(1) as pool:
            work = pool.submit(rotate_on)
            while len(reached) < 20:
                assert not work.done()
            server.kill()
            assert work.exception() is not None
        server.start()
        last = reached[-1]  # what was answered is kept; what was not may be, and is answered the same again
        following = tokens[tokens.index(last) + 1]
        assert database.statement(queries.rotate, last, following) == ("rotated", user_id)
        assert database.statement(queries.rotate, following, b"n" * 32) == ("rotated", user_id)
        database.close()
    finally:
        server.remove()


def test_a_reused_token_says_so_each_time(
    database: Database, family: Callable[..., tuple[str, bytes]], rows: Any
) -> None:
    """So that after a lost connection the provider hears of it too."""
    user_id, token = family()
    new = secrets.token_bytes(32)
    database.statement(queries.rotate, token, new)
    let_time_pass(rows, user_id, "10 seconds")
    for _ in range(3):
        assert database.statement(queries.rotate, token, secrets.token_bytes(32)) == ("reused", user_id)
    assert database.statement(queries.rotate, new, secrets.token_bytes(32)) == ("unknown", user_id)


def test_within_ten_seconds_even_the_grandparent_is_a_conflict(
    database: Database, family: Callable[..., tuple[str, bytes]], rows: Any
) -> None:
    user_id, token = family()
    first, second = secrets.token_bytes(32), secrets.token_bytes(32)
    database.statement(queries.rotate, token, first)
    let_time_pass(rows, user_id, "5 seconds")
    database.statement(queries.rotate, first, second)
    assert database.statement(queries.rotate, token, secrets.token_bytes(32))[0] == "repeated"
    assert [(bytes(kept), is_good) for kept, is_good in current(rows, user_id)] == [(second, True)]


def test_a_family_has_one_good_token(family: Callable[..., tuple[str, bytes]], rows: Any) -> None:
    _, token = family()
    with pytest.raises(psycopg2.errors.UniqueViolation, match="refresh_tokens_current"):
        rows(
            "INSERT INTO refresh_tokens (hash, family_id) SELECT sha256(hash), family_id FROM refresh_tokens"
            " WHERE hash = %s",
            token,
        )


def test_beginning_a_family_twice_begins_one(database: Database, new_user: Any, rows: Any) -> None:
    user_id, family_id, token = str(new_user().id), str(uuid.uuid4()), secrets.token_bytes(32)
    for _ in range(2):
        database.statement(queries.begin_family, family_id, user_id, token)
    assert len(current(rows, user_id)) == 1


def test_signing_in_takes_away_what_has_ended(
    database: Database, family: Callable[..., tuple[str, bytes]], rows: Any
) -> None:
    user_id, expired = family()
    let_time_pass(rows, user_id, "30 days")
    _, revoked = family(user_id)
    database.statement(queries.revoke_family, user_id, revoked)
    _, good = family(user_id)
    stranger, _ = family()
    let_time_pass(rows, stranger, "30 days")
    _, newest = family(user_id)
    assert {bytes(kept) for kept, _ in current(rows, user_id)} == {good, newest}
    assert database.statement(queries.owner, expired) is None
    assert len(current(rows, stranger)) == 1  # theirs go when they sign in


def test_signing_in_waits_for_nobody_who_is_refreshing(
    environment: dict[str, str], family: Callable[..., tuple[str, bytes]], rows: Any
) -> None:
    """Nor does it deadlock with another, which takes away the same."""
    user_id, expired = family()
    let_time_pass(rows, user_id, "30 days")
    busy, other = (psycopg2.connect(environment["DATABASE_URL"]) for _ in range(2))
    with busy.cursor() as first, other.cursor() as second:
        assert queries.rotate(first, expired, b"1" * 32)[0] == "unknown"  # it holds the family
        second.execute("SET lock_timeout = '100ms'")
        queries.begin_family(second, str(uuid.uuid4()), user_id, b"2" * 32)
    for connection in (busy, other):
        connection.close()


def test_a_user_has_a_hundred_families_at_most(
    database: Database, family: Callable[..., tuple[str, bytes]], rows: Any
) -> None:
    user_id, oldest = family()
    rows(
        """
        INSERT INTO refresh_families (id, user_id, expires_at)
        SELECT gen_random_uuid(), %s, now() + interval '40 days' FROM generate_series(1, 98)
        """,
        user_id,
    )
    _, newest = family(user_id)
    assert rows("SELECT count(*) FROM refresh_families WHERE user_id = %s", user_id) == [(100,)]
    assert {bytes(kept) for kept, _ in current(rows, user_id)} == {oldest, newest}
    family(user_id)
    assert rows("SELECT count(*) FROM refresh_families WHERE user_id = %s", user_id) == [(100,)]
    assert database.statement(queries.owner, oldest) is None


def test_revoking_at_once_from_everywhere_deadlocks_nobody(
    database: Database, family: Callable[..., tuple[str, bytes]], rows: Any
) -> None:
    user_id, _ = family()
    tokens = [family(user_id)[1] for _ in range(20)]

    def work(number: int) -> None:
        if number % 3 == 0:
            database.statement(queries.revoke_families, user_id)
        elif number % 3 == 1:
            database.statement(queries.rotate, tokens[number % 20], secrets.token_bytes(32))
        else:
            family(user_id)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(120)))
    database.statement(queries.revoke_families, user_id)
    assert [is_good for _, is_good in current(rows, user_id) if is_good] == []
