"""Secrets in what others say: partners echo what they were sent, in whatever spelling."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from functools import lru_cache

HIDDEN = "***"
BEGINNING = 16  # characters of a secret that are looked for first


def hide(text: str, secrets: Iterable[str]) -> str:
    """Return a text without these secrets."""
    for secret in sorted(set(secrets) - {""}, key=len, reverse=True):
        if len(secret) <= len(text) and _spellings(secret[:BEGINNING]).search(text):
            text = _spellings(secret).sub(HIDDEN, text)
    return text


@lru_cache(maxsize=1024)  # making one takes longer than using it: tens of milliseconds for a long token
def _spellings(secret: str) -> re.Pattern[str]:
    """Return a pattern for a secret as URLs, JSON and HTML write it, even some characters one way and some another."""
    return re.compile("".join(f"(?:%(?:25)*(?i:{ord(each):02x})|{'|'.join(_spelled(each))})" for each in secret))


def _spelled(character: str) -> list[str]:
    """Return patterns for a character, each once: with one twice a secret that breaks off would be tried 2^n times."""
    number = ord(character)
    escaped = {
        json.dumps(character)[1:-1],
        html.escape(character),
        f"\\u{number:04x}",
        f"&#{number};",
        f"&#x{number:x};",
    }
    return [re.escape(spelling) for spelling in (*sorted(escaped - {character}), character)]
