"""The partner's API: batches in, and what became of each.

Any 2xx is success, with or without a body. One whose body breaks off is asked for again, by its key, since it may have
listed rows that were refused; if none ever comes whole, the batch was taken, but for nobody knows which rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from service import __version__
from service.exports.delivery import answers, words
from service.exports.delivery.answers import Locate, Sent
from service.exports.delivery.calls import Calls, Reply
from service.exports.delivery.credentials import Credentials
from service.exports.delivery.failures import (
    Again,
    BatchRefused,
    Denied,
    Refused,
    Stopped,
    Throttled,
    Unavailable,
)
from service.exports.delivery.oauth import Token, Tokens
from service.exports.delivery.pace import Pace
from service.exports.delivery.quotes import Quotes
from service.exports.settings import ExportsConfig
from service.outgoing.failures import ATTEMPTS
from service.outgoing.retries import LONGEST_RETRY_AFTER_SECONDS, may_pass, retry_after

MAX_BODY_BYTES = 1024 * 1024
BROKE_OFF = "the answer broke off, and may have named rows"


@dataclass(frozen=True)
class RowFailure:
    """A row that the partner did not take, by its position in the batch (None where it does not say which), and why."""

    index: int | None
    reason: str


@dataclass(frozen=True)
class Delivered:
    """A batch that was taken, but for the failures. `attempts` is how often it was sent."""

    status: int
    failures: tuple[RowFailure, ...]
    attempts: int


class Partner:
    """The partner on behalf of one run. Several threads may send at once; opens nothing before the first batch.

    A thread's deadline bounds what it sends (`deadline.share`).
    """

    def __init__(
        self, credentials: Credentials, settings: ExportsConfig, pace: Pace, environment: str = "local"
    ) -> None:
        user_agent = f"Headgate/{__version__} ({environment})"
        self._calls = Calls(settings, pace)
        self._pace = pace
        self._quotes = Quotes()
        self._tokens = Tokens(credentials, self._calls, self._quotes, user_agent)
        self._headers = {"User-Agent": user_agent, "Accept": "application/json", "Content-Type": "application/json"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, body: bytes, key: str, count: int, locate: Locate | None = None) -> Delivered:
        """Send a batch of `count` rows under an idempotency key.

        `locate` returns the position of the row that a mapping names by its key, None where it names none.

        Raises `ConfigError` for credentials that cannot be used, or a `DeliveryError`.
        """
        sending = _Sending(self._post, body, key)
        try:
            reply = self._calls.patiently(lambda: self._once(sending))
        except (BatchRefused, Refused, Unavailable) as error:
            if sending.taken is None or (isinstance(error, Unavailable) and not sending.is_broken):
                raise  # another leg can ask again
            return Delivered(sending.taken.status, (RowFailure(None, BROKE_OFF),), sending.attempts)
        return Delivered(reply.status, self._failures(reply, body, count, locate), sending.attempts)

    def cut(self) -> None:
        """End what is under way: sending raises `Stopped`, now and from now on."""
        self._calls.cut()

    def close(self) -> None:
        """Hang up."""
        self._calls.close()

    def _once(self, sending: _Sending) -> Reply:
        """Send a batch once, and again with another token where one is refused; return the answer of 2xx.

        That is a denial where the token is new. One that was taken before has expired, or was revoked.
        """
        sending.is_broken = False
        self._pace.wait()
        token = self._tokens.get()
        reply = sending.post(token)
        renewals = 0
        while reply.status == 401 and renewals < ATTEMPTS and (renewals == 0 or token.is_proven):
            renewals += 1
            token = self._tokens.renew(token)
            self._pace.wait()
            reply = sending.post(token)
        if not reply.is_success:
            raise self._failure(reply, sending.attempts)
        token.is_proven = True
        self._pace.succeed(reply.began)
        if not reply.is_whole:
            sending.taken, sending.is_broken = reply, True
            raise Again("the partner's answer broke off")
        return reply

    def _post(self, token: Token, body: bytes, key: str) -> Reply:
        if self._pace.is_stopped:
            raise Stopped("sending was stopped")
        headers = {**self._headers, "Authorization": token.authorization, "Idempotency-Key": key}
        return self._calls.post(token.account.records_url, headers, body, MAX_BODY_BYTES)

    def _failure(self, reply: Reply, attempts: int) -> Exception:
        """Return what an answer means that is no success."""
        status = reply.status
        told = f"the partner answered {status}"
        if 300 <= status < 400:
            return Refused(f"{told}, a redirect, which is not followed")
        said = self._quotes.quote(words.of_body(reply.body[:MAX_BODY_BYTES]))
        if status in (400, 413, 422):
            return BatchRefused(status, said or f"{told} without a reason", attempts)
        told = f"{told}: {said}" if said else told
        if status in (401, 403):
            return Denied(told)
        if not may_pass(status):
            return Refused(told)
        seconds = retry_after(reply.headers)
        is_throttled = status == 429 or (status == 503 and seconds > 0)
        if is_throttled and seconds <= LONGEST_RETRY_AFTER_SECONDS:
            self._pace.slow(reply.began, seconds, told)
        return (Throttled if is_throttled else Again)(told, after_seconds=seconds)

    def _failures(self, reply: Reply, body: bytes, count: int, locate: Locate | None) -> tuple[RowFailure, ...]:
        if not reply.body or len(reply.body) > MAX_BODY_BYTES:
            return ()
        found = answers.failures(reply.body, Sent(count, locate, lambda: _rows(body)))
        quoted = {failure.words: self._quotes.quote(failure.words) for failure in found}
        return tuple(RowFailure(one.index, quoted[one.words] or answers.NO_REASON) for one in found)


class _Sending:
    """A batch under its key, how often it was sent, and the answer that says that it was taken, though it broke off.

    `is_broken` tells that this was the last one.
    """

    def __init__(self, post: Callable[[Token, bytes, str], Reply], body: bytes, key: str) -> None:
        self.attempts = 0
        self.taken: Reply | None = None
        self.is_broken = False
        self._post = post
        self._body = body
        self._key = key

    def post(self, token: Token) -> Reply:
        """Send the batch once."""
        self.attempts += 1
        return self._post(token, self._body, self._key)


def _rows(body: bytes) -> list[Any]:
    """Return the rows of a batch as they were sent."""
    batch: Mapping[str, Any] = json.loads(body)
    return list(batch["records"])
