"""Which tokens are accepted, over HTTP and on Lambda, where the service is its own issuer."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from service.config import Config
from service.security.issuer import OwnIssuer
from tests.security.issuers import claims_of, sign
from tests.transports import Answer, Client, HttpClient

ROUTE = "/api/v1/events?limit=1"


class Mint:
    """Makes tokens with the key of the service under test: anything at all."""

    def __init__(self, settings: Config) -> None:
        own = OwnIssuer(settings)
        self.key = own._key()
        self.kid = own.public_keys()["keys"][0]["kid"]

    def __call__(self, headers: dict[str, Any] | None = None, **changes: Any) -> str:
        sent = {"kid": self.kid} | (headers or {})
        return jwt.encode(claims_of("headgate", **changes), self.key, "RS256", headers=sent)

    def public_pem(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(scope="module")
def mint(settings: Config) -> Mint:
    return Mint(settings)


def encoded(*parts: Any) -> str:
    texts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in parts]
    return ".".join(urlsafe_b64encode(text).decode().rstrip("=") for text in texts)


def hs256_with_the_public_key(mint: Mint) -> str:
    import hashlib
    import hmac

    signed = encoded({"alg": "HS256", "typ": "JWT", "kid": mint.kid}, claims_of("headgate"))
    return f"{signed}.{encoded(hmac.digest(mint.public_pem(), signed.encode(), hashlib.sha256))}"


def altered(mint: Mint) -> str:
    header, _, signature = mint().split(".")
    return f"{header}.{encoded(claims_of('headgate', scope='platform:read'))}.{signature}"


def now(seconds: float = 0) -> int:
    return int(time.time() + seconds)


def expect_unauthorized(answer: Answer) -> dict[str, Any]:
    """Check the one error shape of a 401; return the body."""
    assert answer.status == 401, answer.body
    body: dict[str, Any] = answer.json()
    assert set(body) == {"error", "message", "status", "timestamp", "requestId"}
    assert (body["error"], body["status"], body["requestId"]) == ("Unauthorized", 401, answer.headers["x-request-id"])
    assert body["timestamp"].endswith("Z")
    assert datetime.fromisoformat(body["timestamp"])
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith('Bearer error="')
    assert challenge.endswith(f'error_description="{body["message"]}"')
    return body


ACCEPTED: dict[str, Callable[[Mint], str]] = {
    "as it should be": lambda mint: mint(),
    "expired within the leeway": lambda mint: mint(exp=now(-20)),
    "from a clock that is ahead within the leeway": lambda mint: mint(iat=now(20), nbf=now(20)),
    "one audience of several": lambda mint: mint(aud=["other", "headgate"]),
    "client id in place of the audience (Cognito)": lambda mint: mint(aud=None, client_id="headgate"),
    "a fractional expiry": lambda mint: mint(exp=time.time() + 60.5),
    "no time of issue": lambda mint: mint(iat=None),
}

REFUSED: dict[str, tuple[Callable[[Mint], str], str]] = {
    "garbage": (lambda mint: "garbage", "not valid"),
    "three dots": (lambda mint: "...", "not valid"),
    "no signature": (lambda mint: mint().rpartition(".")[0] + ".", "not valid"),
    "no ASCII": (lambda mint: "\xe4\xf6.\xfc.\xdf", "not valid"),
    "a header that is no object": (lambda mint: encoded([], {}, b"x"), "not valid"),
    "a header nested for ever": (lambda mint: encoded(b"[" * 3000, {}, b"x"), "not valid"),
    "a body that is no object": (lambda mint: jwt.api_jws.encode(b"[1]", mint.key, "RS256", {"kid": mint.kid}), "not"),
    "huge": (lambda mint: mint(padding="x" * 5000) + "x", "not valid"),
    "altered": (altered, "not valid"),
    "unsigned": (lambda mint: jwt.encode(claims_of("headgate"), "", "none", {"kid": mint.kid}), "RS256"),
    "signed with the public key as a secret": (hs256_with_the_public_key, "RS256"),
    "signed with RS512": (
        lambda mint: jwt.encode(claims_of("headgate"), mint.key, "RS512", {"kid": mint.kid}),
        "RS256",
    ),
    "of a foreign issuer": (lambda mint: mint(iss="https://elsewhere.example.com"), "another issuer"),
    "of an issuer with a longer name": (lambda mint: mint(iss="headgates"), "another issuer"),
    "without an issuer": (lambda mint: mint(iss=None), "no claim iss"),
    "for another audience": (lambda mint: mint(aud="other"), "another audience"),
    "for no audience": (lambda mint: mint(aud=None), "another audience"),
    "for an empty list of audiences": (lambda mint: mint(aud=[]), "another audience"),
    "for an audience that is a number": (lambda mint: mint(aud=5), "another audience"),
    "for a nested audience": (lambda mint: mint(aud=[["headgate"], {"a": 1}]), "another audience"),
    "of another client": (lambda mint: mint(aud=None, client_id="other"), "another audience"),
    "with the right client but another audience": (lambda mint: mint(aud="other", client_id="headgate"), "audience"),
    "expired beyond the leeway": (lambda mint: mint(exp=now(-35)), "expired"),
    "without expiry": (lambda mint: mint(exp=None), "no claim exp"),
    "with an expiry that is a text": (lambda mint: mint(exp=str(now(600))), "exp"),
    "with an expiry that is a truth": (lambda mint: mint(exp=True), "expired"),
    "with an expiry that is a word": (lambda mint: mint(exp="never"), "not valid"),
    "with an endless expiry": (lambda mint: mint(exp=float("inf")), "not valid"),
    "not yet valid": (lambda mint: mint(nbf=now(60)), "not valid yet"),
    "issued in the future": (lambda mint: mint(iat=now(60)), "not valid yet"),
    "without a subject": (lambda mint: mint(sub=None), "no claim sub"),
    "with a subject that is a number": (lambda mint: mint(sub=7), "not valid"),
    "with an unknown key id": (lambda mint: mint({"kid": "unknown"}), "unknown key"),
    "with a key id that is a list": (lambda mint: encoded({"alg": "RS256", "kid": [1]}, {}, b"x"), "not valid"),
    "without a key id": (lambda mint: encoded({"alg": "RS256"}, claims_of("headgate"), b"x"), "unknown key"),
    "with a critical extension": (lambda mint: mint({"crit": ["exp"], "exp": now(600)}), "not valid"),
    "signed with another key under our key id": (lambda mint: sign(claims_of("headgate"), mint.kid), "not valid"),
}


@pytest.mark.parametrize("make", ACCEPTED.values(), ids=ACCEPTED)
def test_a_valid_token_is_accepted(client: Client, mint: Mint, make: Callable[[Mint], str]) -> None:
    answer = client.get(ROUTE, token=make(mint))
    assert answer.status == 200, answer.body


@pytest.mark.parametrize(("make", "words"), REFUSED.values(), ids=REFUSED)
def test_any_other_token_is_refused(client: Client, mint: Mint, make: Callable[[Mint], str], words: str) -> None:
    answer = client.get(ROUTE, token=make(mint))
    assert words in expect_unauthorized(answer)["message"]
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "{token}", "Token {token}", "Bearer{token}", "Negotiate ="],
)
def test_a_request_without_a_bearer_token_is_refused(client: Client, mint: Mint, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization.format(token=mint())}
    answer = client.get(ROUTE, headers=headers, token=None)
    assert "Bearer token" in expect_unauthorized(answer)["message"]
    assert 'error="invalid_request"' in answer.headers["www-authenticate"]


def test_the_scheme_is_read_without_regard_to_case(client: Client, mint: Mint) -> None:
    assert client.get(ROUTE, headers={"Authorization": f"bEARER  {mint()} "}, token=None).status == 200


def test_a_token_in_the_query_or_a_cookie_is_not_read(client: Client, mint: Mint) -> None:
    answer = client.get(f"{ROUTE}&access_token={mint()}", headers={"Cookie": f"token={mint()}"}, token=None)
    expect_unauthorized(answer)


def test_a_token_longer_than_the_limit_is_refused_unread(handler: Any, client: Client, mint: Mint) -> None:
    answer = client.get(ROUTE, token=mint(padding="x" * 20_000))
    assert 400 <= answer.status < 500  # gunicorn refuses headers of that length by itself
    if not isinstance(client, HttpClient):
        assert "too long" in expect_unauthorized(answer)["message"]


@pytest.mark.parametrize(
    "scope",
    [
        None,
        "",
        "events:write",
        "events:reader",
        "xevents:read",
        "events",
        "EVENTS:READ",
        "events:read,events:write",
        ["events:read"],
        ["x events:read y"],
        {" events:read ": 1},
        7,
    ],
    ids=repr,
)
def test_a_token_without_the_scope_is_forbidden(client: Client, mint: Mint, scope: Any) -> None:
    answer = client.get(ROUTE, token=mint(scope=scope))
    assert answer.status == 403, answer.body
    assert answer.json()["error"] == "Forbidden"
    assert answer.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="events:read"'


@pytest.mark.parametrize("scope", ["events:read", "a events:read b", " events:read\t"])
def test_a_token_with_the_scope_among_others_is_accepted(client: Client, mint: Mint, scope: str) -> None:
    assert client.get(ROUTE, token=mint(scope=scope)).status == 200


def test_a_token_that_expires_while_it_is_remembered_is_refused(client: Client, mint: Mint) -> None:
    expires_at = now(-28)
    token = mint(exp=expires_at)
    assert [client.get(ROUTE, token=token).status for _ in range(6)] == [200] * 6  # every worker has seen it
    time.sleep(max(0.0, expires_at + 30 - time.time()) + 0.05)
    assert {client.get(ROUTE, token=token).status for _ in range(6)} == {401}
    assert "expired" in expect_unauthorized(client.get(ROUTE, token=token))["message"]
