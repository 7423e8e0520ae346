"""How a rehearsal fails, and how it is interrupted."""

from __future__ import annotations


class Failed(Exception):
    """Something is not as it has to be. `details` are lines that help: the end of a log, or what was found."""

    def __init__(self, message: str, *details: str) -> None:
        super().__init__(message)
        self.details = details


class Interrupted(BaseException):
    """Somebody wants the rehearsal to end: it cleans up, and says so."""


def check(condition: object, message: str, *details: object) -> None:
    """Raise `Failed` unless the condition is true."""
    if not condition:
        raise Failed(message, *map(str, details))
