"""Tokens: one for all, in time, and nothing to anybody else."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from service.exports.delivery import oauth
from service.exports.delivery.credentials import Credentials
from service.exports.delivery.failures import DeliveryError, Denied, Refused, Unavailable
from service.exports.delivery.oauth import LONGEST_SECONDS, UNKNOWN_SECONDS, lifetime
from service.exports.delivery.pace import Pace
from service.exports.delivery.partner import Partner as Sender
from service.exports.settings import ExportsConfig
from tests.exports.delivery.conftest import batch
from tests.exports.delivery.test_partner import refused
from tests.fullbay.messages import Answer, Request
from tests.partner import Fault, Partner
from tests.secret_stores import REGION, Moto, lead_to

Open = Callable[..., Any]
GOOD = {"access_token": "t", "token_type": "Bearer", "expires_in": 60}


class OddTokens(Partner):
    """A partner whose token endpoint gives one answer, whatever it is asked."""

    def __init__(self, answer: Answer, **options: Any) -> None:
        super().__init__(**options)
        self.answer = answer

    def process(self, request: Request) -> Answer:
        """Answer."""
        return self.answer if request.path == self.token_path else super().process(request)


def send_many(sender: Any, count: int, threads: int = 4) -> list[Any]:
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda number: sender.send(batch(number), f"run-{number}", 1), range(count)))


@pytest.mark.parametrize("method", [None, "client_secret_basic", "client_secret_post"])
@pytest.mark.parametrize("scope", [None, "records:write more"])
def test_a_token_is_asked_for_as_the_credentials_say(
    start: Open, open_sender: Open, method: str | None, scope: str | None
) -> None:
    stand_in = start(auth_method=method, scope=scope, client_id="a:b c+~")
    open_sender(stand_in).send(batch(1), "run-1", 1)
    asked = stand_in.requests[0]
    assert ("authorization" in asked.headers) == (method != "client_secret_post")
    assert (b"client_secret" in asked.body) == (method == "client_secret_post")
    assert len(stand_in.rows) == 1


def test_one_token_serves_all_threads(start: Open, open_sender: Open) -> None:
    stand_in = start(latency=0.02)
    assert all(one.attempts == 1 for one in send_many(open_sender(stand_in), 20))
    assert len(stand_in.tokens) == 1


def test_a_token_is_replaced_before_it_expires(start: Open, open_sender: Open) -> None:
    stand_in = start(token_seconds=1)
    sender = open_sender(stand_in)
    ends_at = time.monotonic() + 2.1
    while time.monotonic() < ends_at:
        assert sender.send(batch(1), f"run-{time.monotonic()}", 1).attempts == 1
        time.sleep(0.02)
    assert len(stand_in.tokens) == 3


def test_a_token_that_is_revoked_is_renewed_once_for_all(start: Open, open_sender: Open) -> None:
    stand_in = start(latency=0.03)
    sender = open_sender(stand_in)
    send_many(sender, 4)
    stand_in.revoke()
    found = send_many(sender, 4)
    assert len(stand_in.tokens) == 2
    assert [one.attempts for one in found] == [2] * 4


def test_a_token_may_be_good_for_a_few_requests_only(start: Open, open_sender: Open) -> None:
    stand_in = start(token_uses=3)
    send_many(open_sender(stand_in), 12, threads=1)
    assert len(stand_in.tokens) == 4
    assert len(stand_in.rows) == 12


def test_a_token_may_be_good_for_few_requests_of_many_threads(start: Open, open_sender: Open) -> None:
    for uses in (5, 8):
        stand_in = start(token_uses=uses)
        send_many(open_sender(stand_in), 40)
        assert len(stand_in.rows) == 40
        assert 40 / uses <= len(stand_in.tokens) <= 40


def test_a_new_token_that_is_refused_is_a_denial(start: Open, open_sender: Open) -> None:
    stand_in = start(faults=[Fault("unauthorized", path="records")])
    failure = refused(open_sender(stand_in))
    assert type(failure) is Denied
    assert failure.reason.startswith("the partner answered 401: The access token is expired")
    assert (len(stand_in.tokens), len(stand_in.requests)) == (2, 4)


def test_a_wrong_secret_is_told_and_asked_for_once_by_all_threads(start: Open) -> None:
    stand_in = start(latency=0.05)
    text = json.dumps(stand_in.credentials | {"client_secret": "wrong"})
    config = ExportsConfig(api_credentials=text)
    with Sender(Credentials(config), config, Pace()) as sender, ThreadPoolExecutor(4) as threads:
        failures = list(threads.map(lambda number: refused(sender, f"run-{number}"), range(4)))
    assert {type(failure) for failure in failures} == {Denied}
    assert {failure.reason for failure in failures} == {
        "the token endpoint answered 401: invalid_client; it does not accept the client's id and secret"
    }
    assert len(stand_in.requests) == 1


def test_a_secret_that_was_rotated_is_read_again(start: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = start()
    moto = Moto()
    try:
        lead_to(moto.url, monkeypatch)
        name = moto.create(**stand_in.credentials)
        config = ExportsConfig(api_secret_name=name, region=REGION)
        with Sender(Credentials(config), config, Pace()) as sender:
            sender.send(batch(1), "run-1", 1)
            stand_in.grants.client_secret = "another"
            stand_in.revoke()
            assert type(refused(sender)) is Denied
            moto.put(name, **stand_in.credentials)
            monkeypatch.setattr("service.secrets_manager.REFRESH_SECONDS", 0)
            assert sender.send(batch(1), "run-1", 1).status == 200
    finally:
        moto.close()


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [
        (None, UNKNOWN_SECONDS),
        ("3600", 3600),
        ("soon", UNKNOWN_SECONDS),
        ("nan", UNKNOWN_SECONDS),
        (0, UNKNOWN_SECONDS),
        (-5, UNKNOWN_SECONDS),
        (True, UNKNOWN_SECONDS),
        ([60], UNKNOWN_SECONDS),
        (1e300, LONGEST_SECONDS),
        (10**400, LONGEST_SECONDS),
        (-(10**400), UNKNOWN_SECONDS),
        (float("inf"), LONGEST_SECONDS),
        (59.5, 59.5),
    ],
)
def test_a_lifetime_may_be_anything(expires_in: Any, seconds: float) -> None:
    assert lifetime(expires_in) == seconds


@pytest.mark.parametrize("value", [1, 60, 3600])
def test_the_margin_is_a_tenth_and_at_most_half_a_minute(start: Open, open_sender: Open, value: int) -> None:
    sender = open_sender(start(token_seconds=value))
    left = sender._tokens.get().due_at - time.monotonic()
    assert left == pytest.approx(value - min(30, value / 10), abs=0.3)


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        (Answer(200, b""), Unavailable, "the answer of the token endpoint is not JSON, 3 times in a row"),
        (Answer(200, b"<html>", "text/html"), Unavailable, "the answer of the token endpoint is not JSON, 3 times .*"),
        (Answer(200, b'{"access_token": "x"', cut=9), Unavailable, "the answer of the token endpoint broke off, .*"),
        (Answer(200, b"[" * 60_000), Unavailable, ".* is not JSON, 3 times in a row"),
        (Answer(200, b"[]"), Refused, ".* holds no access_token"),
        (Answer(200, b'{"error": "invalid_client"}'), Refused, ".* holds no access_token"),
        (Answer(200, b'{"access_token": 7}'), Refused, ".* holds no access_token"),
        (Answer(200, b'{"access_token": ""}'), Refused, ".* holds no access_token"),
        (Answer(200, b'{"access_token": "se\\r\\ncret"}'), Refused, "the access_token .* printable ASCII without .*"),
        (Answer(200, '{"access_token": "sécret"}'.encode()), Refused, "the access_token .* printable ASCII .*"),
        (Answer(200, b'{"access_token": "secret", "token_type": "mac"}'), Refused, "the token_type .* not Bearer"),
        (Answer(200, b'{"access_token": "secret", "token_type": 1}'), Refused, "the token_type .* not Bearer"),
        (Answer(200, b" " * 1_000_000), Refused, ".* is larger than 65536 bytes"),
        (Answer(400, b'{"error": "invalid_client"}'), Denied, ".* 400: invalid_client; it does not accept the .*"),
        (Answer(400, b'{"error": "invalid_scope"}'), Refused, "the token endpoint answered 400: invalid_scope"),
        (Answer(400, b'{"error": ["x"]}'), Refused, "the token endpoint answered 400: x"),
        (Answer(403, b""), Denied, "the token endpoint answered 403; .*"),
        (Answer(404, b"no such page"), Refused, "the token endpoint answered 404: no such page"),
        (Answer(302, headers={"Location": "http://127.0.0.1:9/"}), Refused, ".* 302, a redirect, which is not .*"),
        (Answer(500, b"oops"), Unavailable, "the token endpoint answered 500: oops, 6 times in a row"),
        (Answer(429, headers={"Retry-After": "0"}), Unavailable, "the token endpoint answered 429, 6 times in a row"),
        (Answer(cut=-1), Unavailable, r"the connection to the partner failed \(ProtocolError\), 6 times in a row"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_an_answer_without_a_token_is_told(open_sender: Open, answer: Answer, kind: type, reason: str) -> None:

    with OddTokens(answer) as stand_in:
        failure = refused(open_sender(stand_in))
    assert type(failure) is kind
    assert re.fullmatch(reason, failure.reason)
    assert "secret" not in failure.reason.replace("id and secret", "")
    assert {request.path for request in stand_in.requests} == {"/oauth/token"}


@pytest.mark.parametrize("kind", ["bearer", "BEARER", None])
def test_the_type_of_a_token_may_be_written_in_any_case(open_sender: Open, kind: str | None) -> None:
    with OddTokens(Answer(200, json.dumps(GOOD | {"token_type": kind}).encode())) as stand_in:
        stand_in.grants._good["t"] = (time.monotonic() + 60, None)
        assert open_sender(stand_in).send(batch(1), "run-1", 1).status == 200


def test_what_may_pass_at_the_token_endpoint_is_asked_again(start: Open, open_sender: Open) -> None:
    stand_in = start(faults=[Fault("status", status=503, requests=[1, 2]), Fault("lost", requests=[3])])
    assert open_sender(stand_in).send(batch(1), "run-1", 1).attempts == 1
    assert len(stand_in.tokens) == 2


def test_a_failure_is_not_kept(start: Open, open_sender: Open) -> None:
    stand_in = start(faults=[Fault("status", status=400, requests=[1])])
    sender = open_sender(stand_in)
    assert isinstance(refused(sender), DeliveryError)
    assert sender.send(batch(1), "run-1", 1).status == 200


def test_the_token_endpoint_may_be_another_host(start: Open) -> None:
    stand_in, gate = start(), start()
    gate.grants = stand_in.grants
    text = json.dumps(stand_in.credentials | {"token_endpoint": f"{gate.url}/oauth/token"})
    config = ExportsConfig(api_credentials=text)
    with Sender(Credentials(config), config, Pace()) as sender:
        sender.send(batch(1), "run-1", 1)
    assert [request.path for request in gate.requests] == ["/oauth/token"]
    assert [request.path for request in stand_in.requests] == ["/records"]


def test_a_token_shows_nothing_of_itself(start: Open, open_sender: Open) -> None:
    stand_in = start()
    token = open_sender(stand_in)._tokens.get()
    assert isinstance(token, oauth.Token)
    assert stand_in.tokens[0] not in repr(token)
    assert stand_in.grants.client_secret not in repr(token)
