"""What goes wrong between a client and AWS, call by call."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable
from dataclasses import dataclass

KINDS = ("throttle", "error", "gateway", "deny", "reset", "lost", "cut", "slow")


@dataclass(frozen=True)
class Fault:
    """A fault of the next `times` calls of an API (None: of all), each with a probability.

    `api` is a name such as "GetQueryExecution", "GetTable" or "GetObject"; None is any. `kind` is one of

    * throttle: the error that asks for fewer calls
    * error: an internal error, with status 500
    * gateway: status 502, from something before AWS
    * deny: the caller has no right to it
    * reset: the connection is reset before the call is read
    * lost: the call is carried out, and the connection reset before its answer
    * cut: the connection is reset in the middle of the answer's body, after `at` bytes (None: anywhere)
    * slow: the answer comes after `seconds`
    """

    kind: str
    api: str | None = None
    times: int | None = 1
    probability: float = 1.0
    at: int | None = None
    seconds: float = 0.2

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}")


class Schedule:
    """Decides which call goes wrong, the same way for the same seed and the same calls."""

    def __init__(self, faults: Iterable[Fault] = (), seed: int = 1) -> None:
        self.faults = list(faults)
        self.applied: list[tuple[str, Fault]] = []
        self.random = random.Random(f"faults {seed}")
        self._left = [fault.times for fault in self.faults]
        self._lock = threading.Lock()

    def draw(self, api: str) -> Fault | None:
        """Return what goes wrong with a call."""
        with self._lock:
            for number, fault in enumerate(self.faults):
                left = self._left[number]
                if fault.api in (None, api) and left != 0 and self.random.random() < fault.probability:
                    self._left[number] = left if left is None else left - 1
                    self.applied.append((api, fault))
                    return fault
        return None

    def place(self, fault: Fault, size: int) -> int:
        """Return after how many bytes of a body it is cut."""
        with self._lock:
            return min(size, self.random.randrange(max(size, 1)) if fault.at is None else fault.at)
