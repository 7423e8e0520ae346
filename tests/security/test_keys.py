"""The keys of a configured issuer: a real HTTP server, which is slow, wrong, gone or changes its mind."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from service import config, deadline
from service.errors import ServiceUnavailable, Unauthorized
from service.security import keys
from service.security.tokens import Verifier
from tests.postgres import free_port
from tests.security.issuers import Issuer, jwk, sign
from tests.transports import Gunicorn, HttpClient


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.close()


def settings_for(url: str, jwks_url: str | None = None) -> dict[str, str]:
    return {"TOKEN_ISSUER": url, **({"TOKEN_JWKS_URL": jwks_url} if jwks_url else {})}


def verifier_for(url: str, jwks_url: str | None = None) -> Verifier:
    return Verifier(config.load(settings_for(url, jwks_url)))


@pytest.fixture
def verifier(issuer: Issuer) -> Verifier:
    return verifier_for(issuer.url)


@pytest.fixture
def pace(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the hours and minutes of the key set shorter."""

    def change(**seconds: float) -> None:
        for name, value in seconds.items():
            monkeypatch.setattr(keys, name, value)

    return change


def seconds_of(work: Callable[[], Any]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def until(condition: Callable[[], bool]) -> bool:
    """Wait up to five seconds for something that another thread does; return whether it came."""
    expires_at = time.monotonic() + 5
    while not condition() and time.monotonic() < expires_at:
        time.sleep(0.01)
    return condition()


def test_the_keys_are_asked_for_once(issuer: Issuer, verifier: Verifier) -> None:
    assert issuer.requests == 0
    for _ in range(20):
        assert verifier.verify(issuer.token())["sub"] == "somebody"
    assert issuer.requests == 1


def test_a_token_that_cannot_be_read_asks_nobody(issuer: Issuer, verifier: Verifier) -> None:
    with pytest.raises(Unauthorized):
        verifier.verify("garbage")
    assert issuer.requests == 0


def test_the_address_of_the_keys_can_be_told_apart_from_the_issuer(issuer: Issuer) -> None:
    verifier = verifier_for("https://issuer.example.com/pool", f"{issuer.url}/keys")
    token = issuer.token(iss="https://issuer.example.com/pool")
    assert verifier.verify(token)["sub"] == "somebody"
    with pytest.raises(Unauthorized, match="another issuer"):
        verifier.verify(issuer.token())


def test_an_unknown_key_id_asks_the_issuer_at_most_once_a_minute(
    issuer: Issuer, verifier: Verifier, pace: Callable[..., None]
) -> None:
    assert keys.ASK_SECONDS == 60
    verifier.verify(issuer.token())
    for index in range(10):
        with pytest.raises(Unauthorized, match="unknown key"):
            verifier.verify(issuer.token(kid=f"unknown-{index}"))
    assert issuer.requests == 1
    pace(ASK_SECONDS=0.2)
    time.sleep(0.25)
    for index in range(10):
        with pytest.raises(Unauthorized, match="unknown key"):
            verifier.verify(issuer.token(kid=f"unknown-{index}"))
    assert issuer.requests == 2


def test_a_new_key_is_found_and_the_old_one_stays_good(
    issuer: Issuer, verifier: Verifier, pace: Callable[..., None]
) -> None:
    pace(ASK_SECONDS=0.05)
    verifier.verify(issuer.token())
    issuer.keys.append(jwk("key-1", 1))
    time.sleep(0.1)
    assert verifier.verify(issuer.token(1, "key-1"))["sub"] == "somebody"
    assert verifier.verify(issuer.token())["sub"] == "somebody"
    assert issuer.requests == 2


def test_a_withdrawn_key_is_refused_after_the_time_that_keys_are_kept(
    issuer: Issuer, verifier: Verifier, pace: Callable[..., None]
) -> None:
    token = issuer.token()
    verifier.verify(token)
    issuer.keys = [jwk("key-1", 1)]
    assert verifier.verify(token)
    pace(ASK_SECONDS=0.05, RENEW_SECONDS=0.1, KEEP_SECONDS=0.2)
    time.sleep(0.25)
    for withdrawn in (token, issuer.token()):  # a remembered one and a new one, at the first try
        with pytest.raises(Unauthorized, match="unknown key"):
            verifier.verify(withdrawn)


def test_a_key_that_changes_under_its_id_ends_the_tokens_of_the_old_one(
    issuer: Issuer, verifier: Verifier, pace: Callable[..., None]
) -> None:
    token = issuer.token()
    verifier.verify(token)
    issuer.keys = [jwk("key-0", 1)]
    pace(ASK_SECONDS=0.05, RENEW_SECONDS=0.1, KEEP_SECONDS=0.2)
    time.sleep(0.25)
    with pytest.raises(Unauthorized, match="not valid"):
        verifier.verify(token)
    assert verifier.verify(issuer.token(1))


def test_keys_are_renewed_behind_the_scenes_while_a_slow_issuer_thinks(
    issuer: Issuer, verifier: Verifier, pace: Callable[..., None]
) -> None:
    token = issuer.token()
    verifier.verify(token)
    pace(ASK_SECONDS=0.05, RENEW_SECONDS=0.1)
    issuer.delay = 0.6
    time.sleep(0.15)
    assert seconds_of(lambda: verifier.verify(token)) < 0.3
    assert seconds_of(lambda: verifier.verify(issuer.token())) < 0.3
    assert until(lambda: issuer.requests == 2)
    assert until(lambda: verifier._keys._known.verified == {})  # the answer is here


def test_known_keys_do_not_wait_for_a_slow_issuer(
    issuer: Issuer, verifier: Verifier, pace: Callable[..., None]
) -> None:
    verifier.verify(issuer.token())
    pace(ASK_SECONDS=0.05)
    issuer.delay = 1.0
    time.sleep(0.1)
    with ThreadPoolExecutor(4) as pool:
        unknown = [pool.submit(verifier.verify, issuer.token(kid="unknown")) for _ in range(4)]
        assert until(lambda: issuer.requests == 2)
        assert seconds_of(lambda: [verifier.verify(issuer.token()) for _ in range(10)]) < 0.5
        assert not any(attempt.done() for attempt in unknown)
        assert all(isinstance(attempt.exception(), Unauthorized) for attempt in unknown)


def test_many_threads_at_once_ask_once(issuer: Issuer, verifier: Verifier) -> None:
    issuer.delay = 0.3
    tokens = [issuer.token() for _ in range(20)]
    start = threading.Barrier(20)

    def verify(token: str) -> Any:
        start.wait()
        return verifier.verify(token)["sub"]

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(verify, tokens)) == ["somebody"] * 20
    assert issuer.requests == 1


def test_requests_that_come_while_the_issuer_thinks_do_not_ask_again(
    issuer: Issuer, verifier: Verifier, pace: Callable[..., None]
) -> None:
    pace(RETRY_SECONDS=0.02)
    issuer.delay = 0.5
    with ThreadPoolExecutor(4) as pool:
        attempts = []
        for _ in range(4):
            attempts.append(pool.submit(verifier.verify, issuer.token()))
            time.sleep(0.08)
        assert all(attempt.result()["sub"] == "somebody" for attempt in attempts)
    assert issuer.requests == 1


def test_keys_at_hand_stay_good_when_the_issuer_is_gone(
    issuer: Issuer, verifier: Verifier, pace: Callable[..., None]
) -> None:
    verifier.verify(issuer.token())
    pace(ASK_SECONDS=0.05, RENEW_SECONDS=0.1, KEEP_SECONDS=0.2, FETCH_SECONDS=0.4)
    issuer.delay = 1.5
    time.sleep(0.25)
    assert seconds_of(lambda: verifier.verify(issuer.token())) < 1.2  # the one who waits, as long as a fetch may take
    assert seconds_of(lambda: [verifier.verify(issuer.token()) for _ in range(5)]) < 0.3
    issuer.delay, issuer.keys = 0, [jwk("key-1", 1)]
    expires_at = time.monotonic() + 5
    while time.monotonic() < expires_at:  # it is back, and its word counts
        try:
            verifier.verify(issuer.token())
        except Unauthorized:
            return
        time.sleep(0.05)
    pytest.fail("the withdrawn key was never refused")


def test_without_any_key_the_service_is_unavailable_until_the_issuer_is_back(
    issuer: Issuer, verifier: Verifier, pace: Callable[..., None]
) -> None:
    pace(RETRY_SECONDS=0.2)
    issuer.status = 500
    for _ in range(5):
        with pytest.raises(ServiceUnavailable):
            verifier.verify(issuer.token())
    assert issuer.requests == 1  # it is not asked by each request that it fails
    issuer.status = 200
    time.sleep(0.25)
    assert verifier.verify(issuer.token())


def test_waiting_for_keys_ends_at_the_deadline_of_the_request(issuer: Issuer, verifier: Verifier) -> None:
    issuer.delay = 1.5
    deadline.start(0.3)
    try:
        with pytest.raises(ServiceUnavailable):
            assert seconds_of(lambda: verifier.verify(issuer.token())) < 0.6
    finally:
        deadline.clear()


GARBAGE: dict[str, dict[str, Any]] = {
    "an error with the right body": {"status": 500},
    "a page": {"body": b"<html>Sign in</html>"},
    "nothing": {"body": b""},
    "no UTF-8": {"body": b"\xff\xfe"},
    "a list": {"body": b"[]"},
    "null": {"body": b"null"},
    "a list nested for ever": {"body": b"[" * 100_000},
    "no list of keys": {"body": b'{"keys": {"kid": "key-0"}}'},
    "keys that are no objects": {"keys": [1, None, "x", []]},
    "no keys": {"keys": []},
    "keys of another kind": {"keys": [{"kty": "EC", "kid": "key-0", "crv": "P-256", "x": "eA", "y": "eQ"}]},
    "a secret": {"keys": [{"kty": "oct", "kid": "key-0", "k": "c2VjcmV0"}]},
    "keys to encrypt with": {"keys": [jwk(use="enc")]},
    "keys for another algorithm": {"keys": [jwk(alg="RS512")]},
    "keys without an id": {"keys": [jwk(None)]},
    "keys that are broken": {"keys": [jwk(n="!!!"), jwk(n=None), jwk(e=5)]},
    "the right keys, somewhere else": {"location": "/elsewhere"},
    "more than anybody needs": {"body": json.dumps({"keys": [jwk()], "x": "x" * keys.MAX_BYTES}).encode()},
}


@pytest.mark.parametrize("behaviour", GARBAGE.values(), ids=GARBAGE)
def test_an_answer_that_is_no_key_set_is_no_key_set(
    issuer: Issuer, verifier: Verifier, behaviour: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in behaviour.items():
        setattr(issuer, name, value)
    with pytest.raises(ServiceUnavailable) as refusal:
        verifier.verify(issuer.token())
    assert refusal.value.reason == "the keys of the token issuer cannot be read"
    assert "the keys of the token issuer cannot be read" in caplog.messages
    assert issuer.requests == 1  # a redirect is not followed


@pytest.mark.parametrize("behaviour", GARBAGE.values(), ids=GARBAGE)
def test_garbage_does_not_take_the_place_of_good_keys(
    issuer: Issuer, verifier: Verifier, behaviour: dict[str, Any], pace: Callable[..., None]
) -> None:
    verifier.verify(issuer.token())
    for name, value in behaviour.items():
        setattr(issuer, name, value)
    pace(ASK_SECONDS=0)
    with pytest.raises(Unauthorized, match="unknown key"):
        verifier.verify(issuer.token(kid="unknown"))
    assert verifier.verify(issuer.token())
    assert issuer.requests == 2


def test_one_bad_key_does_not_spoil_the_others(issuer: Issuer, verifier: Verifier) -> None:
    issuer.keys = [{"kty": "EC", "kid": "ec"}, jwk("broken", n="!!!"), jwk(alg=None, use=None, x5c=["x"])]
    assert verifier.verify(issuer.token())


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_a_weak_key_verifies_nothing(issuer: Issuer, verifier: Verifier) -> None:
    issuer.keys = [jwk(bits=1024)]
    with pytest.raises(Unauthorized, match="not valid"):
        verifier.verify(sign({"iss": issuer.url, "sub": "x", "aud": "headgate", "exp": 9e9}, bits=1024))


def test_remembered_tokens_do_not_grow_without_bound(
    issuer: Issuer, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.security.tokens.MAX_REMEMBERED", 5)
    for _ in range(12):
        verifier.verify(issuer.token())
    assert 0 < len(verifier._keys.known().verified) <= 5


def test_the_service_accepts_the_tokens_of_its_issuer_and_no_longer_its_own(
    issuer: Issuer, environment: dict[str, str], token: str, tmp_path: Path
) -> None:
    with_issuer = environment | settings_for(issuer.url) | {"WEB_WORKERS": "1"}
    server = Gunicorn(tmp_path / "log", **with_issuer)
    try:
        client = HttpClient(server.port)
        assert issuer.requests == 0
        assert client.get("/api/v1/events", token=issuer.token()).status == 200
        assert client.get("/api/v1/events", token=issuer.token(scope="x")).status == 403
        assert client.get("/api/v1/events", token=token).status == 401
        assert issuer.requests == 1
    finally:
        assert server.stop() == 0


def test_an_issuer_that_cannot_be_reached_is_an_outage_with_its_end_in_sight(
    environment: dict[str, str], tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    server = Gunicorn(tmp_path / "log", **environment | settings_for(url) | {"WEB_WORKERS": "1"})
    try:
        client = HttpClient(server.port)
        started = time.monotonic()
        answer = client.get("/api/v1/events", token=sign({"iss": url}))
        assert time.monotonic() - started < 4.5
        assert answer.status == 503
        assert answer.headers["retry-after"] == "60"
        assert answer.json()["error"] == "Service Temporarily Unavailable"
        assert answer.json()["retry_after"] == 60
        assert url.encode() not in answer.body
        assert client.get("/health").status == 200
    finally:
        server.stop()
