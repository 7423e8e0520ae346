"""The public keys that tokens are verified with (RFC 7517): asked for seldom, by one thread at a time, and kept.

A thread of its own asks the issuer. A request waits for the answer only where it cannot do without: its key is unknown,
or the keys at hand are older than `KEEP_SECONDS` and nobody has tried to renew them since. An issuer that is slow or
gone costs the others nothing.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from service import deadline
from service.errors import ServiceUnavailable, Unauthorized

if TYPE_CHECKING:
    from jwt import PyJWK

RENEW_SECONDS = 1800  # keys older than this are renewed behind the scenes
KEEP_SECONDS = 3600  # a key that the issuer has withdrawn is refused after this time
ASK_SECONDS = 60  # the issuer is asked at most this often, whatever key ids arrive
RETRY_SECONDS = 1  # while there is no key at all
FETCH_SECONDS = 2.0
GIVE_UP_SECONDS = 30  # an issuer that sends a byte now and then is left to itself
MAX_BYTES = 1024 * 1024

log = logging.getLogger(__name__)


class Known(NamedTuple):
    """The keys that the issuer named, and the claims of the tokens they have verified: both end together."""

    keys: dict[str, PyJWK]
    verified: dict[str, dict[str, Any]]
    fetched_at: float


class Keys:
    """The keys of one issuer. `fetch` returns its key set, or raises. Safe to share between threads."""

    def __init__(self, fetch: Callable[[], Any]) -> None:
        self._fetch = fetch
        self._known = Known({}, {}, float("-inf"))
        self._asked_at = float("-inf")
        self._answered_at = float("-inf")
        self._answered = threading.Event()
        self._answered.set()
        self._lock = threading.Lock()

    def known(self) -> Known:
        """Return the keys at hand, none before the first `find`; have them renewed when they are old."""
        known = self._known
        age = time.monotonic() - known.fetched_at
        if age > RENEW_SECONDS and known.keys:
            answered = self._ask()
            if age > KEEP_SECONDS and self._answered_at - known.fetched_at <= KEEP_SECONDS:
                _wait(answered)
        return self._known

    def find(self, key_id: str) -> PyJWK:
        """Return a key. Raises `Unauthorized` for an unknown one, `ServiceUnavailable` where no key can be had."""
        if key_id not in self._known.keys:
            _wait(self._ask())
        keys = self._known.keys
        if not keys:
            raise ServiceUnavailable(reason="the keys of the token issuer cannot be read")
        if key_id not in keys:
            raise Unauthorized("The token is signed with an unknown key")
        return keys[key_id]

    def _ask(self) -> threading.Event:
        """Ask the issuer unless it was asked just now; return what is set when its newest answer is here."""
        with self._lock:
            now = time.monotonic()
            since = now - self._asked_at
            is_free = self._answered.is_set() or since > GIVE_UP_SECONDS
            if is_free and since > (ASK_SECONDS if self._known.keys else RETRY_SECONDS):
                self._asked_at = now
                self._answered = threading.Event()
                threading.Thread(target=self._renew, args=(now, self._answered), daemon=True).start()
            return self._answered

    def _renew(self, asked_at: float, answered: threading.Event) -> None:
        try:
            keys = _read(self._fetch())
            if asked_at > self._known.fetched_at:
                self._known = Known(keys, {}, asked_at)
        except Exception as error:  # whatever it is, the keys at hand stay
            reason = f"{type(error).__name__}: {error}"
            log.error("the keys of the token issuer cannot be read", extra={"reason": reason})
        finally:
            self._answered_at = time.monotonic()
            answered.set()


def _wait(answered: threading.Event) -> None:
    answered.wait(min(FETCH_SECONDS + 0.5, deadline.remaining()))


def fetch(url: str) -> Any:
    """Return the key set at a URL. Follows no redirect: where the keys are is for the configuration to say."""
    import requests

    with requests.get(url, timeout=FETCH_SECONDS, allow_redirects=False, stream=True) as answer:
        if answer.status_code != 200:
            raise OSError(f"the answer has the status {answer.status_code}")
        content = answer.raw.read(MAX_BYTES + 1, decode_content=True)
    if len(content) > MAX_BYTES:
        raise OSError(f"the answer is larger than {MAX_BYTES} bytes")
    return json.loads(content)


def _read(document: Any) -> dict[str, PyJWK]:
    """Return the keys of a key set that verify RS256, by their ids. Skips all others, as RFC 7517 wants it."""
    import jwt

    listed = document.get("keys") if isinstance(document, dict) else None
    found = {}
    for jwk in listed if isinstance(listed, list) else ():
        if not (isinstance(jwk, dict) and isinstance(jwk.get("kid"), str) and jwk.get("kty") == "RSA"):
            continue
        if jwk.get("use", "sig") != "sig" or jwk.get("alg", "RS256") != "RS256":
            continue
        try:
            public = {name: str(jwk[name]) for name in ("n", "e")}
            found[jwk["kid"]] = jwt.PyJWK(public | {"kty": "RSA", "alg": "RS256"})
        except (jwt.PyJWTError, ValueError, KeyError) as error:
            log.warning("a key of the token issuer is skipped", extra={"reason": type(error).__name__})
    if not found:
        raise ValueError("the answer names no RSA key with an id")
    return found
