"""The keys of the shops, from the environment and from the secret, and what is made of them.

A key of the environment goes before one of the secret, which holds `fullbay_api_key` for the shop `default` and
`fullbay_api_key_<shop>` for others.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from datetime import date

from service.config import ConfigError, FullbayConfig
from service.ingestion.fullbay.settings import DEFAULT_SHOP, is_key
from service.outgoing.hidden import HIDDEN, hide
from service.secrets_manager import SecretsManager, SecretUnusable

_NAME = "fullbay_api_key"
_SHOP = re.compile("[a-z0-9_]{1,63}")
_SHOP_RULE = "1 to 63 lower-case letters, digits and underscores"
# What the invoices' API takes as a secret, whosever it is.
_PARAMETER = re.compile(r"(?i)((?:(?<![a-z0-9])|(?<=%3F)|(?<=%26))(?:key|token)(?:=|%(?:25)*3D))[^&\s\"'<>]+")


class Credentials:
    """The keys of all shops. Safe to share between threads; opens nothing before a key is needed."""

    def __init__(self, config: FullbayConfig) -> None:
        self._environment = dict(config.keys)
        self._secret = SecretsManager(config.secret_name, config.region) if config.secret_name else None
        self._seen = set(self._environment.values())

    def shops(self) -> tuple[str, ...]:
        """Return the shops that have a key, in order."""
        found = self._in_secret()
        wrong = [name for shop, name in found.items() if not _SHOP.fullmatch(shop)]
        if self._secret and wrong:
            raise SecretUnusable(
                f"{wrong[0]!r} in the secret {self._secret.name!r} must end in the name of a shop: {_SHOP_RULE}"
            )
        return tuple(sorted(self._environment.keys() | found.keys()))

    def key(self, shop: str) -> str:
        """Return the key of a shop. Raises `ConfigError` that says what is missing, or `SecretUnavailable`."""
        key = self._find(shop)
        if key is None:
            raise ConfigError(self._missing(shop))
        return key

    def refresh(self, refused: str | None = None) -> bool:
        """Read the secret again; return whether keys changed, or whether a `refused` key is no longer among them.

        Whoever saw a key refused says which: another thread may have read the new one already.
        """
        if self._secret is None:
            return False
        before = self._keys()
        self._secret.refresh()
        keys = self._keys()
        return keys != before if refused is None else refused not in keys.values()

    def hide(self, text: str, *tokens: str) -> str:
        """Return a text without the keys that were ever given out, the tokens, and what stands after `key=`."""
        return _PARAMETER.sub(rf"\g<1>{HIDDEN}", hide(text, self._seen.union(tokens)))

    def _in_secret(self) -> dict[str, str]:
        """Return the names in the secret that keys stand below, by shop."""
        names = {name.lower(): name for name in (self._secret.keys() if self._secret else ())}
        found = {name.removeprefix(f"{_NAME}_"): as_is for name, as_is in names.items() if name.startswith(f"{_NAME}_")}
        return found | ({DEFAULT_SHOP: names[_NAME]} if _NAME in names else {})

    def _find(self, shop: str) -> str | None:
        if shop in self._environment or self._secret is None:
            return self._environment.get(shop)
        name = self._in_secret().get(shop)
        key = (self._secret.get(name) or "").strip() if name else ""
        if not key:
            return None
        if not is_key(key):
            raise SecretUnusable(f"{name} in the secret {self._secret.name!r} must be one line of ASCII without spaces")
        self._seen.add(key)
        return key

    def _keys(self) -> dict[str, str | None]:
        keys: dict[str, str | None] = {}
        for shop in self._environment.keys() | self._in_secret().keys():
            with suppress(SecretUnusable):  # what is wrong with one shop's key is told to whoever asks for that one
                keys[shop] = self._find(shop)
        return keys

    def _missing(self, shop: str) -> str:
        if not _SHOP.fullmatch(shop):
            return f"{shop[:80]!r} is no name of a shop: {_SHOP_RULE}"
        suffix = "" if shop == DEFAULT_SHOP else f"_{shop}"
        secret = (
            f"put {_NAME}{suffix} into the secret {self._secret.name!r}"
            if self._secret
            else f"name a secret that holds {_NAME}{suffix} with SECRETS_MANAGER_SECRET_NAME"
        )
        known = ", ".join(sorted(self._environment.keys() | self._in_secret().keys())) or "no shop"
        return (
            f"No key for shop {shop!r}: set {_NAME.upper()}{suffix.upper()}, or {secret}; there are keys for: {known}"
        )


def token(key: str, day: date, address: str) -> str:
    """Return the token of the invoices' API for a key, today's day in UTC and the IPv4 address that Fullbay sees."""
    return hashlib.sha1(f"{key}{day.isoformat()}{address}".encode(), usedforsecurity=False).hexdigest()
