"""Secrets of AWS Secrets Manager: JSON objects of texts, kept in the process and read again when they are refused.

A secret is read at its first use and again after `KEEP_SECONDS`, by one thread while the others go on with what is
known; where that fails, so does it. Whoever sees a value refused calls `refresh`. boto3 reads `AWS_ENDPOINT_URL` by
itself.

    SecretUnusable (ConfigError)              somebody has to act: there is no such secret, no right to it, no key in it
    SecretUnavailable (ServiceUnavailable)    Secrets Manager does not answer

Both name the secret and the code of AWS, and never a value.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from service import deadline
from service.config import ConfigError
from service.errors import ServiceUnavailable

KEEP_SECONDS = 300
RETRY_SECONDS = 30  # after a failure, while there is something known to go on with
FIRST_RETRY_SECONDS = 1  # while there is nothing
REFRESH_SECONDS = 3  # refusals in a row, or of many threads at once, lead to one reading
CALL_SECONDS = 5.0
ATTEMPTS = 2
CONNECT_SHARE = 1 / 3  # of an attempt
MIN_SECONDS = 0.05

_THROTTLED = re.compile("Throttl|TooManyRequests|LimitExceeded|SlowDown")

log = logging.getLogger(__name__)


class SecretUnusable(ConfigError):
    """The secret is not what the configuration says: missing, out of reach, or without what is needed."""


class SecretUnavailable(ServiceUnavailable):
    """The secret cannot be read now."""


class _Known(NamedTuple):
    values: Mapping[str, Any]
    due_at: float  # when it is to be read again


class SecretsManager:
    """One secret by its name or ARN. Opens nothing before its first use; safe to share between threads."""

    def __init__(self, name: str, region: str | None) -> None:
        self.name = name
        self._region = region
        self._known: _Known | None = None
        self._failure: tuple[type[SecretUnusable | SecretUnavailable], str] | None = None
        self._failed_at = float("-inf")
        self._refreshed_at = float("-inf")
        self._lock = threading.Lock()

    def get(self, key: str) -> str | None:
        """Return the text below a key, None where there is none or an empty one."""
        value = self._values().get(key)
        if value is None or value == "":
            return None
        if not _is_text(value):
            raise SecretUnusable(f"{key} in the secret {self.name!r} must be a text")
        return str(value)

    def require(self, key: str) -> str:
        """Return the text below a key. Raises `SecretUnusable` where there is none."""
        value = self.get(key)
        if value is None:
            raise SecretUnusable(f"{key} is missing in the secret {self.name!r}")
        return value

    def keys(self) -> tuple[str, ...]:
        """Return the keys that have a value."""
        return tuple(key for key, value in self._values().items() if value not in (None, ""))

    def refresh(self) -> None:
        """Read the secret again, unless that was done just now. Raises where it fails; what is known stays."""
        with self._reading():
            if time.monotonic() - self._refreshed_at >= REFRESH_SECONDS:
                self._refreshed_at = time.monotonic()
                self._read()

    def _values(self) -> Mapping[str, Any]:
        known = self._known
        if known is None:
            with self._reading():
                return (self._known or self._read_first()).values
        if time.monotonic() >= known.due_at and self._lock.acquire(blocking=False):
            try:
                return self._renew(known).values
            finally:
                self._lock.release()
        return known.values

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Let one thread at a time read; the others wait as long as their work may last."""
        if not self._lock.acquire(timeout=deadline.remaining()):
            raise SecretUnavailable(reason=f"the secret {self.name!r} was not there before the deadline")
        try:
            yield
        finally:
            self._lock.release()

    def _read_first(self) -> _Known:
        if self._failure and time.monotonic() - self._failed_at < FIRST_RETRY_SECONDS:
            kind, reason = self._failure
            raise kind(reason)
        return self._read()

    def _renew(self, known: _Known) -> _Known:
        current = self._known or known
        if time.monotonic() < current.due_at:
            return current  # somebody has read it since
        try:
            return self._read()
        except (SecretUnusable, SecretUnavailable) as error:
            log.warning("a secret cannot be read again; what is known of it stays", extra={"reason": _reason(error)})
            self._known = _Known(current.values, time.monotonic() + RETRY_SECONDS)
            return self._known

    def _read(self) -> _Known:
        try:
            values = _parse(self.name, _fetch(self.name, self._region))
        except (SecretUnusable, SecretUnavailable) as error:
            self._failure, self._failed_at = (type(error), _reason(error)), time.monotonic()
            raise
        self._known = _Known(values, time.monotonic() + KEEP_SECONDS)
        return self._known


def _reason(error: SecretUnusable | SecretUnavailable) -> str:
    return error.reason if isinstance(error, SecretUnavailable) else str(error)


def _fetch(name: str, region: str | None) -> str:
    """Return the text of the secret, asked for at most `ATTEMPTS` times and within the deadline."""
    seconds = min(CALL_SECONDS, deadline.remaining()) / ATTEMPTS
    if seconds < MIN_SECONDS:
        raise SecretUnavailable(reason=f"no time was left to read the secret {name!r}")
    answer = client = _client(name, region, seconds)
    for _ in range(ATTEMPTS):
        if not isinstance(answer, SecretUnusable):
            answer = _ask(client, name)
        if isinstance(answer, str):
            return answer
    error: SecretUnusable | SecretUnavailable = answer
    raise error  # here, where no exception of AWS's library is its context


def _client(name: str, region: str | None, seconds: float) -> Any:
    """Return a client that waits at most `seconds` for an answer, or the error to raise."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    patience = Config(
        connect_timeout=seconds * CONNECT_SHARE,
        read_timeout=seconds * (1 - CONNECT_SHARE),
        retries={"total_max_attempts": 1},
    )
    try:
        return boto3.session.Session(region_name=region).client("secretsmanager", config=patience)
    except (BotoCoreError, ValueError) as error:
        return SecretUnusable(f"the secret {name!r} cannot be asked for: {type(error).__name__}")


def _ask(client: Any, name: str) -> str | SecretUnusable | SecretUnavailable:
    """Return the text of the secret, or the error to raise."""
    from botocore import exceptions

    try:
        answer = client.get_secret_value(SecretId=name)
    except exceptions.ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        code = code if re.fullmatch(r"[A-Za-z0-9.]{1,64}", code) else "an error without a code"
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        if status >= 500 or _THROTTLED.search(code):
            return SecretUnavailable(reason=f"the secret {name!r} cannot be read: {code}")
        return SecretUnusable(f"the secret {name!r} cannot be read: {code}")
    except (exceptions.HTTPClientError, exceptions.ConnectionError) as error:
        return SecretUnavailable(reason=f"the secret {name!r} cannot be read: {type(error).__name__}")
    except exceptions.BotoCoreError as error:  # no credentials, or half of them
        return SecretUnusable(f"the secret {name!r} cannot be read: {type(error).__name__}")
    except (ValueError, TypeError, AttributeError):  # botocore takes whatever answers for AWS
        return SecretUnavailable(reason=f"the secret {name!r} cannot be read: the answer is not one of AWS")
    text = answer.get("SecretString")
    return text if isinstance(text, str) else SecretUnusable(f"the secret {name!r} holds no text")


def _parse(name: str, text: str) -> Mapping[str, Any]:
    values = _json(text)
    if not isinstance(values, dict):
        raise SecretUnusable(f"the secret {name!r} must be a JSON object of texts")
    return values


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # the error would carry the secret on
        return None


def _is_text(value: Any) -> bool:
    """Return whether a value can be a password: JSON can spell texts that UTF-8 cannot, and libpq takes no NUL."""
    return isinstance(value, str) and "\0" not in value and not re.search("[\ud800-\udfff]", value)
