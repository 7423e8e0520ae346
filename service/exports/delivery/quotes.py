"""What the partner says, made fit for a row, a log and an answer: one line, not long, without a secret."""

from __future__ import annotations

import re
from base64 import b64encode, urlsafe_b64encode
from functools import lru_cache
from urllib.parse import quote_plus

from service.exports.delivery.credentials import Account
from service.outgoing.hidden import hide

MAX_LENGTH = 500
KEPT_TOKENS = 50  # the newest: older ones are accepted nowhere
SHORTEST_ENCODED = 8  # what is shorter stands in many words
LONGEST_SPELLING = 12  # characters for one, such as %25252525


class Quotes:
    """Knows the secrets that the partner could repeat. Safe to share between threads."""

    def __init__(self) -> None:
        self._secrets: tuple[str, ...] = ()
        self._tokens: tuple[str, ...] = ()

    def add_account(self, account: Account) -> None:
        """Leave an account's secret out from now on, as it is and as it is sent."""
        secret = account.client_secret
        self._secrets = tuple(dict.fromkeys((*self._secrets, *_spelled(secret), *_spelled(quote_plus(secret)))))

    def add_token(self, token: str) -> None:
        """Leave a token out from now on."""
        self._tokens = (*self._tokens, token)[-KEPT_TOKENS:]

    def quote(self, text: str) -> str:
        """Return the beginning of a text, fit to be shown."""
        secrets = (*self._secrets, *(form for token in self._tokens for form in _spelled(token)))
        rest = LONGEST_SPELLING * max(map(len, secrets), default=0)
        is_cut = len(text) > MAX_LENGTH + rest
        found = hide(_in_one_line(text[: MAX_LENGTH + rest]), secrets)
        if is_cut and rest:
            found = found[:-rest]  # it may end within a secret
        return found[:MAX_LENGTH].strip()


def _in_one_line(text: str) -> str:
    """Return a text without what cannot be seen or stored: control characters, turns of direction, half characters."""
    if not text.isprintable():
        text = re.sub("\n[\n ]*", " ", "".join(each if each.isprintable() else "\n" for each in text))
    return text.strip()


def basic_pair(account: Account) -> str:
    """Return what RFC 6749 (2.3.1) signs in with: both parts as in a form."""
    return f"{quote_plus(account.client_id)}:{quote_plus(account.client_secret)}"


@lru_cache(maxsize=2 * KEPT_TOKENS)
def _spelled(secret: str) -> tuple[str, ...]:
    """Return a secret, and those characters of base64 that it determines, whatever stands before and behind it."""
    found = [secret]
    for shift, first in enumerate((0, 2, 3)):
        end = (shift + len(secret)) * 4 // 3
        if end - first >= SHORTEST_ENCODED:
            text = b"\0" * shift + secret.encode()
            found += (encode(text)[first:end].decode() for encode in (b64encode, urlsafe_b64encode))
    return tuple(dict.fromkeys(found))
