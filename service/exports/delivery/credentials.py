"""Where the partner is and how Headgate signs in there: a secret of Secrets Manager, or the same JSON in a variable.

    {"api_base_url": "https://api.example.com", "client_id": "…", "client_secret": "…", "token_endpoint":
     "/oauth/token", "records_path": "/records", "scope": "…", "token_endpoint_auth_method": "client_secret_basic"}

The last three may be missing. What is wrong is named with its rule, never with its value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from service.config import ConfigError
from service.exports.settings import ExportsConfig
from service.secrets_manager import SecretsManager, SecretUnusable

VARIABLE = "API_CREDENTIALS"
BASIC, POST = "client_secret_basic", "client_secret_post"

_PATH = r"(/(?!/)[A-Za-z0-9._~!$&'()*+,;=:@%-]*)*"
_URL = re.compile(
    r"(https://([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])|http://(localhost|127\.0\.0\.1|\[::1\]))"
    rf"(:(?P<port>[0-9]{{1,5}}))?{_PATH}"
)
_URL_RULE = "must be a URL that begins with https:// (http:// only for loopback), without user, query and fragment"
_PATH_RULE = "must be a path such as /records, without query and fragment"
_PRINTABLE = re.compile(r"[\x20-\x7e]{1,4096}")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*")

Find = Callable[[str], str | None]  # the text below a key


@dataclass(frozen=True)
class Account:
    """An account at the partner. `scope` is what its tokens are asked for, None where that goes without saying."""

    token_url: str
    records_url: str
    client_id: str
    client_secret: str = field(repr=False)
    auth_method: str = BASIC
    scope: str | None = None


class Credentials:
    """The account of the configuration. Safe to share between threads; opens nothing before it is needed."""

    def __init__(self, config: ExportsConfig) -> None:
        self._text = config.api_credentials
        name = None if self._text else config.api_secret_name
        self._secret = SecretsManager(name, config.region) if name else None

    def __repr__(self) -> str:
        return f"Credentials({self._secret.name if self._secret else VARIABLE})"

    def account(self) -> Account:
        """Return the account as it is now.

        Raises `ConfigError` (or `SecretUnusable`, which is one) that says what is wrong, or `SecretUnavailable`.
        """
        if self._secret is not None:
            return _Reader(self._secret.get, f"the secret {self._secret.name!r}", SecretUnusable).read()
        if not self._text:
            raise ConfigError(
                "The partner's API has no credentials: set API_SECRET_NAME to a secret that holds api_base_url,"
                f" client_id, client_secret and token_endpoint, or {VARIABLE} to the same as JSON"
            )
        values = _parse(self._text)
        if not isinstance(values, dict):
            raise ConfigError(f"{VARIABLE} must be a JSON object of texts")
        return _Reader(lambda key: _text(values, key), VARIABLE, ConfigError).read()

    def refresh(self) -> None:
        """Read the secret again, unless that was done just now. Raises as `account` does."""
        if self._secret is not None:
            self._secret.refresh()


class _Reader:
    """Reads an account, and says what is wrong with it."""

    def __init__(self, find: Find, where: str, error: type[ConfigError]) -> None:
        self._find = find
        self._where = where
        self._error = error

    def read(self) -> Account:
        base = self._require("api_base_url", is_url, _URL_RULE).rstrip("/")
        token_endpoint = self._require(
            "token_endpoint", lambda text: is_url(text) or is_path(text), f"{_URL_RULE}, or a path below api_base_url"
        )
        return Account(
            token_url=token_endpoint if is_url(token_endpoint) else base + token_endpoint,
            records_url=base + self._read("records_path", is_path, _PATH_RULE, "/records"),
            client_id=self._require("client_id", is_printable, "must be printable ASCII"),
            client_secret=self._require("client_secret", is_printable, "must be printable ASCII"),
            auth_method=self._read(
                "token_endpoint_auth_method", lambda text: text in (BASIC, POST), f"must be {BASIC} or {POST}", BASIC
            ),
            scope=self._read("scope", lambda text: bool(_SCOPE.fullmatch(text)), "must be words of ASCII") or None,
        )

    def _require(self, key: str, is_right: Callable[[str], bool], rule: str) -> str:
        found = self._read(key, is_right, rule)
        if not found:
            raise self._error(f"{key} is missing in {self._where}")
        return found

    def _read(self, key: str, is_right: Callable[[str], bool], rule: str, default: str = "") -> str:
        try:
            text = self._find(key)
        except TypeError:
            raise self._error(f"{key} in {self._where} must be a text") from None
        if text is not None and not is_right(text):
            raise self._error(f"{key} in {self._where} {rule}")
        return default if text is None else text


def is_url(text: str) -> bool:
    """Return whether a text is a URL that secrets may be sent to."""
    found = _URL.fullmatch(text)
    return found is not None and int(found["port"] or 0) < 65_536


def is_path(text: str) -> bool:
    """Return whether a text is a path that may follow a URL."""
    return bool(text) and re.fullmatch(_PATH, text) is not None


def is_printable(text: str) -> bool:
    """Return whether a text is what RFC 6749 takes as a client's id or secret."""
    return _PRINTABLE.fullmatch(text) is not None


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # the error would carry the secret on
        return None


def _text(values: Mapping[str, Any], key: str) -> str | None:
    value = values.get(key)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise TypeError
    return value
