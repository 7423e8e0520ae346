"""What can go wrong with whoever is called.

    CallFailed                      the other side did not do what was asked
    ├── Denied                      401, 403, or what it says in their place
    ├── Refused                     any other answer that asking again will not change
    ├── Unavailable                 the retries are spent; `is_slow` where it was time that ran out
    └── OutOfTime                   waiting for it would go beyond the deadline: to be continued after `seconds`
    Again                           not this answer, but perhaps the next one

No reason holds a key: each may be shown to anybody.
"""

from __future__ import annotations

ATTEMPTS = 6  # at one request


class CallFailed(Exception):
    """The other side did not do what was asked. `reason` may be shown to anybody."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Denied(CallFailed):
    """The other side does not accept the key."""


class Refused(CallFailed):
    """The other side refuses, and would refuse again."""


class Unavailable(CallFailed):
    """The other side cannot be had now."""

    def __init__(self, reason: str, is_slow: bool = False) -> None:
        super().__init__(reason)
        self.is_slow = is_slow


class OutOfTime(CallFailed):
    """The deadline comes before the answer would. Going on is worth trying after `seconds`."""

    def __init__(self, reason: str, seconds: float = 0) -> None:
        super().__init__(reason)
        self.seconds = seconds


class Again(Exception):
    """An answer is not usable, but the next one may be; at most `attempts` of them are asked for."""

    def __init__(self, reason: str, attempts: int = ATTEMPTS, after_seconds: float = 0, is_slow: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.attempts = attempts
        self.after_seconds = after_seconds
        self.is_slow = is_slow
