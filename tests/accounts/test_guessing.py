"""Guessing passwords: ten failures in 15 minutes are the end of it, and an unknown address looks like a known one."""

from __future__ import annotations

import statistics
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg2
import pytest

from service import deadline
from service.accounts import queries
from service.accounts.passwords import AT_ONCE, NOBODYS, Passwords
from service.config import Config
from service.database import Database
from service.errors import ServiceUnavailable
from tests.accounts.people import PASSWORD, Service, address
from tests.test_errors import expect_shape
from tests.transports import Answer, Client

WRONG = "Zebra-crossing-8"
Connect = Callable[..., Client]


def at_once(send: Callable[[Any], Answer], values: list[Any]) -> list[Answer]:
    with ThreadPoolExecutor(len(values)) as pool:
        return list(pool.map(send, values))


def expect_closed(answer: Answer) -> int:
    """Check that nothing was tried; return after how many seconds it will be again."""
    body = expect_shape(answer, 429, "retry_after")
    assert body["message"] == "Too many attempts to sign in have failed. Try again later"
    seconds = int(answer.headers["retry-after"])
    assert body["retry_after"] == seconds
    return seconds


def let_time_pass(rows: Any, time: str) -> None:
    rows("UPDATE sign_in_attempts SET attempted_at = attempted_at - %s::interval", time)


def test_the_eleventh_attempt_on_an_account_is_not_made_even_with_the_right_password(service: Service) -> None:
    member = service.join()
    assert [service.login(member.email, WRONG).status for _ in range(10)] == [401] * 10
    assert 800 < expect_closed(service.login(member.email)) <= 900
    expect_closed(service.login(member.email.upper()))


@pytest.fixture
def houses(environment: dict[str, str], on_lambda: Connect) -> Callable[[str], Service]:
    """Makes a service as a client with an address of its own sees it."""
    client = on_lambda(environment)
    send = client.invoke  # type: ignore[attr-defined]

    def provide(ip: str) -> Service:
        def invoke(event: dict[str, Any]) -> Any:
            event["requestContext"]["http"]["sourceIp"] = ip
            return send(event)

        return Service("local", type(client)(invoke), lambda email: None)  # type: ignore[call-arg]

    return provide


Houses = Callable[[str], Service]


def test_failures_on_an_account_count_from_wherever_they_come(houses: Houses) -> None:
    member = houses("198.51.100.1").join()
    for number in range(10):
        expect_shape(houses(f"198.51.100.{number + 2}").login(member.email, WRONG), 401)
    for email in (member.email, member.email.upper()):
        expect_closed(houses("198.51.100.99").login(email))


def test_failures_from_an_address_count_on_whatever_account(houses: Houses) -> None:
    here, there = houses("198.51.100.1"), houses("198.51.100.2")
    member = here.join()
    for _ in range(10):
        expect_shape(here.login(address(), WRONG), 401)
    expect_closed(here.login(member.email))
    assert there.login(member.email).status == 200


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:198.51.100.1", "198.51.100.1", True),
        ("::ffff:198.51.100.1", "::ffff:198.51.100.2", False),
        ("not an address", "not an address", True),
    ],
)
def test_an_address_is_what_a_client_can_hardly_change(houses: Houses, first: str, second: str, is_one: bool) -> None:
    for _ in range(10):
        expect_shape(houses(first).login(address(), WRONG), 401)
    assert houses(second).login(address(), WRONG).status == (429 if is_one else 401)


def test_without_a_known_address_only_the_account_counts(houses: Houses) -> None:
    for _ in range(11):
        expect_shape(houses("").login(address(), WRONG), 401)


def test_an_unknown_account_is_closed_like_a_known_one(local_lambda: Service) -> None:
    email = address()
    assert [local_lambda.login(email, WRONG).status for _ in range(11)] == [401] * 10 + [429]


def test_each_failure_counts_for_15_minutes(houses: Houses, rows: Any) -> None:
    member = houses("198.51.100.1").join()
    for number in range(10):
        houses(f"198.51.100.{number + 2}").login(member.email, WRONG)
        let_time_pass(rows, "1 minute")
    service = houses("203.0.113.1")
    assert 240 < expect_closed(service.login(member.email)) <= 300  # the oldest is ten minutes old
    let_time_pass(rows, "5 minutes")
    expect_shape(service.login(member.email, WRONG), 401)
    expect_closed(service.login(member.email))
    let_time_pass(rows, "1 minute")
    assert service.login(member.email).status == 200


def test_an_attempt_that_is_not_made_counts_for_nothing(local_lambda: Service, rows: Any) -> None:
    email = address()
    for _ in range(30):
        local_lambda.login(email, WRONG)
    assert rows("SELECT count(*), count(*) FILTER (WHERE has_failed) FROM sign_in_attempts") == [(10, 10)]


def test_signing_in_leaves_nothing_and_takes_no_failure_back(service: Service, rows: Any) -> None:
    member = service.join()
    assert rows("SELECT count(*) FROM sign_in_attempts") == [(0,)]
    for _ in range(5):
        service.login(member.email, WRONG)
    assert service.login(member.email).status == 200
    assert rows("SELECT count(*) FROM sign_in_attempts") == [(5,)]


def test_neither_address_nor_account_can_be_read_in_the_table(local: Service, rows: Any) -> None:
    email = address()
    local.login(email, WRONG)
    ((row,),) = rows("SELECT to_jsonb(sign_in_attempts)::text FROM sign_in_attempts")
    for secret in (email[:8], "127.0.0.1", "203.0.113.7"):
        assert secret not in row
        assert secret.encode().hex() not in row


@pytest.mark.parametrize("name", ["local_gunicorn", "cognito_gunicorn"])
def test_40_wrong_guesses_at_once_are_ten(request: pytest.FixtureRequest, name: str) -> None:
    service: Service = request.getfixturevalue(name)
    member = service.join()
    answers = at_once(lambda number: service.login(member.email, f"{WRONG}{number}"), list(range(40)))
    assert Counter(answer.status for answer in answers) == {401: 10, 429: 30}
    assert all(answer.status == 401 or expect_closed(answer) for answer in answers)


def test_40_wrong_guesses_at_once_on_40_accounts_are_ten(local_gunicorn: Service) -> None:
    answers = at_once(lambda email: local_gunicorn.login(email, WRONG), [address() for _ in range(40)])
    assert Counter(answer.status for answer in answers) == {401: 10, 429: 30}


def test_30_right_passwords_at_once_are_all_right(local_gunicorn: Service, rows: Any) -> None:
    """One household, or one company behind one address, that comes to work at nine."""
    member = local_gunicorn.join()
    answers = at_once(lambda _: local_gunicorn.login(member.email), list(range(30)))
    assert Counter(answer.status for answer in answers) == {200: 30}
    assert rows("SELECT count(*) FROM sign_in_attempts") == [(0,)]


def test_the_right_password_among_39_wrong_ones_may_be_late_but_breaks_nothing(local_gunicorn: Service) -> None:
    member = local_gunicorn.join()
    passwords = [WRONG] * 20 + [PASSWORD] + [WRONG] * 19
    answers = at_once(lambda password: local_gunicorn.login(member.email, password), passwords)
    found = Counter(answer.status for answer in answers)
    assert found[401] == 10
    assert found[200] + found[429] == 30
    assert found[200] <= 1


@pytest.fixture
def database(settings: Config) -> Any:
    found = Database(settings)
    yield found
    found.close()


KEY = b"k" * 32


def test_an_attempt_of_a_process_that_was_killed_has_failed_after_a_minute(database: Database, rows: Any) -> None:
    def reserve() -> int | None:
        return database.statement(queries.reserve_sign_in, str(uuid.uuid4()), KEY, None)

    assert [reserve() for _ in range(11)] == [0] * 10 + [None]  # undecided: ask again
    let_time_pass(rows, "1 minute")
    assert 830 < (reserve() or 0) <= 840


def test_a_place_is_taken_once_however_often_the_statement_is_sent(database: Database, rows: Any) -> None:
    attempts = [str(uuid.uuid4()) for _ in range(10)]
    for attempt in (*attempts, *attempts):
        assert database.statement(queries.reserve_sign_in, attempt, KEY, KEY[::-1]) == 0
    assert rows("SELECT count(*) FROM sign_in_attempts") == [(10,)]


def test_who_counts_waits_for_who_is_about_to_count(environment: dict[str, str]) -> None:
    """An account's places are given one after the other, and so are an address's."""
    account, address, others = b"a" * 32, b"b" * 32, (b"c" * 32, b"d" * 32)
    first, second = (psycopg2.connect(environment["DATABASE_URL"]) for _ in range(2))
    second.autocommit = True
    with first.cursor() as early, second.cursor() as late:
        late.execute("SET lock_timeout = '100ms'")
        assert queries.reserve_sign_in(early, str(uuid.uuid4()), account, address) == 0
        for pair in ((account, others[1]), (others[0], address), (account, None)):
            with pytest.raises(psycopg2.errors.LockNotAvailable):
                queries.reserve_sign_in(late, str(uuid.uuid4()), *pair)
        for pair in (others, (others[0], None)):
            assert queries.reserve_sign_in(late, str(uuid.uuid4()), *pair) == 0
    for connection in (first, second):
        connection.close()


def test_old_failures_go_a_few_with_each_attempt(database: Database, rows: Any) -> None:
    rows(
        """
        INSERT INTO sign_in_attempts (id, account, address, attempted_at, has_failed)
        SELECT gen_random_uuid(), sha256(n::text::bytea), sha256(n::text::bytea), now() - interval '15 minutes', true
        FROM generate_series(1, 50) AS n
        """
    )
    left = []
    for _ in range(4):
        attempt = str(uuid.uuid4())
        database.statement(queries.reserve_sign_in, attempt, KEY, None)
        database.statement(queries.release_sign_in, attempt)
        left += rows("SELECT count(*) FROM sign_in_attempts")
    assert left == [(30,), (10,), (0,), (0,)]


def test_attempts_whose_keys_are_the_same_the_other_way_round_do_not_deadlock(database: Database) -> None:
    one, other = b"1" * 32, b"2" * 32

    def reserve(number: int) -> int | None:
        pair = (one, other) if number % 2 else (other, one)
        attempt = str(uuid.uuid4())
        found = database.statement(queries.reserve_sign_in, attempt, *pair)
        database.statement(queries.release_sign_in, attempt)
        return found

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(reserve, range(200))) == {0}


def test_the_hash_of_nobodys_password_is_like_every_other() -> None:
    passwords = Passwords()
    made = passwords.hash(PASSWORD)
    assert made.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert not passwords.is_outdated(made)
    assert not passwords.is_outdated(NOBODYS)
    assert len(made) == len(NOBODYS)
    assert passwords.verify(PASSWORD, made)
    assert not passwords.verify(PASSWORD, None)
    assert made != passwords.hash(PASSWORD)


def test_a_password_can_be_typed_on_any_keyboard() -> None:
    passwords = Passwords()
    assert passwords.verify("Cafe\u0301-1789", passwords.hash("Caf\u00e9-1789"))


def test_who_gets_no_turn_to_be_verified_hears_so_in_time() -> None:
    passwords = Passwords()
    for _ in range(AT_ONCE):
        passwords._places.acquire()
    deadline.start(0.2)
    started = time.monotonic()
    try:
        with pytest.raises(ServiceUnavailable):
            passwords.verify(PASSWORD, None)
    finally:
        deadline.clear()
    assert 0.1 < time.monotonic() - started < 2
    for _ in range(AT_ONCE):
        passwords._places.release()
    assert not passwords.verify(PASSWORD, None)


def test_no_more_passwords_are_verified_at_once_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = Passwords()
    running, most, lock = 0, 0, threading.Lock()
    verify = passwords._hasher.verify

    def watched(*args: Any) -> bool:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        try:
            return verify(*args)
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr(type(passwords._hasher), "verify", lambda _self, *args: watched(*args))
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda _: passwords.verify(PASSWORD, None), range(12)))
    assert most == AT_ONCE


def seconds(work: Callable[[], Answer], status: int) -> float:
    started = time.perf_counter()
    answer = work()
    taken = time.perf_counter() - started
    assert answer.status == status
    return taken


def test_an_unknown_address_takes_as_long_as_a_known_one(houses: Houses, rows: Any) -> None:
    """Medians of attempts in turn. A difference must show three times, so that a noisy machine shows none."""
    known = houses("198.51.100.1").join().email
    ratios = []
    for turn in range(3):
        times: dict[str, list[float]] = {"known": [], "unknown": [], "closed": []}
        for number in range(25):
            service = houses(f"10.{turn}.0.{number}")
            rows("DELETE FROM sign_in_attempts")
            times["known"].append(seconds(lambda s=service: s.login(known, WRONG), 401))
            times["unknown"].append(seconds(lambda s=service: s.login(address(), WRONG), 401))
        for _ in range(9):
            houses("198.51.100.2").login(known, WRONG)
        for _ in range(15):
            times["closed"].append(seconds(lambda: houses("198.51.100.2").login(known), 429))
        medians = {name: statistics.median(taken) for name, taken in times.items()}
        assert medians["closed"] < medians["known"] / 2  # no password was looked at
        ratios.append(medians["unknown"] / medians["known"])
        if 0.8 < ratios[-1] < 1.25:
            return
    raise AssertionError(ratios)
