"""Passwords as they are kept: argon2id with the parameters that OWASP names for it.

A verification takes 19 MiB and some 30 ms of a core. So only a few run at once in a process, and the others wait for
their turn until their deadline.
"""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from service import deadline
from service.errors import ServiceUnavailable

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MEMORY_KIB = 19456
PASSES = 2
LANES = 1
AT_ONCE = 4

# Of a password that nobody knows. Written down, so that the first verification takes no longer than the others.
NOBODYS = "$argon2id$v=19$m=19456,t=2,p=1$+HyfmNeEu0TAvZYBDE5Afg$lTI+/l6xJx5i22llylUdzGEYgSdn0BxWX+eMq/1DHGY"


class Passwords:
    """Makes hashes and verifies passwords. Safe to share between threads."""

    def __init__(self) -> None:
        self._places = threading.Semaphore(AT_ONCE)

    def hash(self, password: str) -> str:
        """Return the hash of a password in PHC format."""
        with self._place():
            return self._hasher.hash(_bytes(password))

    def verify(self, password: str, stored: str | None) -> bool:
        """Return whether a password has this hash. Without a hash it has not, and that takes as long to say."""
        from argon2.exceptions import VerifyMismatchError

        with self._place():
            try:
                self._hasher.verify(stored or NOBODYS, _bytes(password))
            except VerifyMismatchError:
                return False
        return stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Return whether a hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    @cached_property
    def _hasher(self) -> PasswordHasher:
        from argon2 import PasswordHasher

        return PasswordHasher(PASSES, MEMORY_KIB, LANES)

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(timeout=deadline.remaining()):
            raise ServiceUnavailable(reason="as many passwords as may be were being verified until the deadline")
        try:
            yield
        finally:
            self._places.release()


def _bytes(password: str) -> bytes:
    # One keyboard types é as one character, another as two (RFC 8265).
    return unicodedata.normalize("NFC", password).encode()
