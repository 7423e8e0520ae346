"""Choices that are a function of their seed: a record can be made again at any time and need not be kept."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Draw:
    """A stream of choices. One made from the same key makes the same choices; a record takes microseconds."""

    def __init__(self, *key: object) -> None:
        self._key = repr(key).encode()
        self._bits = 1
        self._refills = 0

    def below(self, limit: int) -> int:
        """Return a whole number from 0 to `limit` - 1."""
        if self._bits < 1 << 96:
            self._refills += 1
            digest = hashlib.blake2b(self._key + self._refills.to_bytes(4, "big")).digest()
            self._bits = int.from_bytes(digest, "big") | 1 << 512
        self._bits, found = divmod(self._bits, limit)
        return found

    def between(self, first: int, last: int) -> int:
        """Return a whole number from `first` to `last`."""
        return first + self.below(last - first + 1)

    def choice(self, among: Sequence[T]) -> T:
        """Return one of several."""
        return among[self.below(len(among))]

    def chance(self, probability: float) -> bool:
        """Return True that often."""
        return self.below(1 << 20) < probability * (1 << 20)
