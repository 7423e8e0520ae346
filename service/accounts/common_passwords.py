"""Passwords that are tried first: common words in the disguises that rules of characters drive people to.

A list of whole passwords would hold few that have a letter of each case, a digit and a symbol. `common_words.txt` holds
words instead; `P@ssw0rd1!`, `Summer2024!` and `1qaz@WSX` are undressed until one of them is left.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_WORDS = Path(__file__).with_name("common_words.txt")
_ALIKE = str.maketrans("@4301!l5$7", "aaeoiiisst")


def is_common(password: str) -> bool:
    """Return whether a password, undressed, is a common word."""
    return not _common_words().isdisjoint(_undressed(password.lower()))


def _undressed(text: str) -> Iterator[str]:
    """Yield what may be meant: without what stands around or inside, and with letters for what looks like them."""
    for core in (text, re.sub("^[^a-z]+|[^a-z]+$", "", text), re.sub("[0-9]*[^a-z0-9]*$", "", text)):
        for bare in (core, re.sub("[^a-z0-9]", "", core), re.sub("[^a-z]", "", core)):
            yield re.sub("[^a-z0-9]", "", bare.translate(_ALIKE))


@cache
def _common_words() -> frozenset[str]:
    return frozenset(_WORDS.read_text().translate(_ALIKE).split())
