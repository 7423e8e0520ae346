"""Tokens of the partner: OAuth 2.0 client credentials (RFC 6749, 4.4).

One token serves all threads until shortly before it expires, or until one of them sees it refused; one thread asks for
the next, and the others wait for what it gets.
"""

from __future__ import annotations

import copy
import math
import re
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from service import deadline
from service.errors import ServiceUnavailable
from service.exports.delivery import words
from service.exports.delivery.calls import Calls, Reply
from service.exports.delivery.credentials import POST, Account, Credentials
from service.exports.delivery.failures import Again, DeliveryError, Denied, OutOfTime, Refused, Unavailable
from service.exports.delivery.quotes import Quotes, basic_pair
from service.outgoing.retries import may_pass, retry_after

MAX_BODY_BYTES = 64 * 1024
UNKNOWN_SECONDS = 300.0  # how long a token is used whose answer does not say; a 401 ends it earlier
LONGEST_SECONDS = 86_400.0
MARGIN_SECONDS, MARGIN_SHARE = 30.0, 0.1  # before it expires, the smaller of both
STRANGE_ATTEMPTS = 3  # at an answer that is not JSON: a page for people, perhaps, until somebody has repaired something

_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")
_NOT_US = ("invalid_client", "unauthorized_client", "access_denied", "invalid_grant")


@dataclass
class Token:
    """A token, the account that it is of, when it is to be replaced, and whether the partner has ever taken it."""

    account: Account
    authorization: str = field(repr=False)
    due_at: float
    is_proven: bool = False


class Tokens:
    """The token at hand. Safe to share between threads; asks for nothing before it is needed."""

    def __init__(self, credentials: Credentials, calls: Calls, quotes: Quotes, user_agent: str) -> None:
        self._credentials = credentials
        self._calls = calls
        self._quotes = quotes
        self._user_agent = user_agent
        self._token: Token | None = None
        self._failure: DeliveryError | None = None
        self._failed_at = -math.inf
        self._lock = threading.Lock()

    def get(self) -> Token:
        """Return a token. Raises `ConfigError` for credentials that cannot be used, or a `DeliveryError`."""
        token = self._token
        return token if token is not None and time.monotonic() < token.due_at else self.renew(token)

    def renew(self, stale: Token | None) -> Token:
        """Return another token than one that was refused or is due."""
        asked_at = time.monotonic()
        with self._asking():
            if self._token is not None and self._token is not stale and asked_at < self._token.due_at:
                return self._token
            if self._failure is not None and self._failed_at >= asked_at:  # somebody has tried it meanwhile
                raise copy.copy(self._failure)
            try:
                self._token = self._fetch()
            except DeliveryError as error:
                self._failure, self._failed_at = error, time.monotonic()
                raise
            return self._token

    @contextmanager
    def _asking(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=deadline.remaining()):
            raise OutOfTime("there was no token of the partner before the deadline")
        try:
            yield
        finally:
            self._lock.release()

    def _fetch(self) -> Token:
        account = self._account()
        try:
            return self._calls.patiently(lambda: self._ask(account))
        except Denied:
            self._refresh()
            changed = self._account()
            if changed == account:
                raise
        return self._calls.patiently(lambda: self._ask(changed))

    def _account(self) -> Account:
        try:
            account = self._credentials.account()
        except ServiceUnavailable as error:
            raise Unavailable(error.reason) from None
        self._quotes.add_account(account)
        return account

    def _refresh(self) -> None:
        try:
            self._credentials.refresh()
        except ServiceUnavailable as error:
            raise Unavailable(error.reason) from None

    def _ask(self, account: Account) -> Token:
        form = {"grant_type": "client_credentials"} | ({"scope": account.scope} if account.scope else {})
        headers = {
            "User-Agent": self._user_agent,
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        if account.auth_method == POST:
            form |= {"client_id": account.client_id, "client_secret": account.client_secret}
        else:
            headers["Authorization"] = f"Basic {b64encode(basic_pair(account).encode()).decode()}"
        reply = self._calls.post(account.token_url, headers, urlencode(form).encode(), MAX_BODY_BYTES)
        self._check(reply)
        return self._read(account, reply)

    def _check(self, reply: Reply) -> None:
        """Raise what an answer means that holds no token."""
        told = f"the token endpoint answered {reply.status}"
        if 300 <= reply.status < 400:
            raise Refused(f"{told}, a redirect, which is not followed")
        if reply.is_success:
            if not reply.is_whole:
                raise Again("the answer of the token endpoint broke off")
            return
        said = self._quotes.quote(words.of_body(reply.body))
        told = f"{told}: {said}" if said else told
        if may_pass(reply.status):
            raise Again(told, after_seconds=retry_after(reply.headers))
        found = words.parse(reply.body)
        code = found.get("error") if isinstance(found, dict) else None
        if reply.status in (401, 403) or (isinstance(code, str) and code in _NOT_US):
            raise Denied(f"{told}; it does not accept the client's id and secret")
        raise Refused(told)

    def _read(self, account: Account, reply: Reply) -> Token:
        if len(reply.body) > MAX_BODY_BYTES:
            raise Refused(f"the answer of the token endpoint is larger than {MAX_BODY_BYTES} bytes")
        found = words.parse(reply.body)
        if found is None:
            raise Again("the answer of the token endpoint is not JSON", STRANGE_ATTEMPTS)
        value = found.get("access_token") if isinstance(found, dict) else None
        if not isinstance(value, str) or not value:
            raise Refused("the answer of the token endpoint holds no access_token")
        self._quotes.add_token(value)
        if not _TOKEN.fullmatch(value):
            raise Refused("the access_token of the token endpoint is not one line of printable ASCII without spaces")
        kind = found.get("token_type")
        if kind is not None and not (isinstance(kind, str) and kind.lower() == "bearer"):
            raise Refused("the token_type of the token endpoint is not Bearer")
        seconds = lifetime(found.get("expires_in"))
        return Token(account, f"Bearer {value}", reply.began + seconds - min(MARGIN_SECONDS, MARGIN_SHARE * seconds))


def lifetime(expires_in: Any) -> float:
    """Return the seconds that a token is used, whatever stands below expires_in."""
    try:
        seconds = math.nan if isinstance(expires_in, bool) else float(expires_in)
    except (TypeError, ValueError, OverflowError):
        seconds = LONGEST_SECONDS if isinstance(expires_in, int) and expires_in > 0 else math.nan
    return min(seconds, LONGEST_SECONDS) if seconds > 0 else UNKNOWN_SECONDS
