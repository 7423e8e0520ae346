"""Requests under way, and the end of those that take too long: a thread looks at them, and hangs up for others."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from service import deadline
from service.deadline import Deadline
from service.exports.delivery.pace import SPARED_SECONDS

LOOK_SECONDS = 0.1


@dataclass
class Attempt:
    """One request of a thread. `is_cut` tells that it did not end by itself."""

    user: int
    cut_at: float
    deadline: Deadline | None
    is_cut: bool = False

    def is_due(self, now: float) -> bool:
        """Return whether its time is over; another thread may have cut its deadline."""
        return now >= self.cut_at or (self.deadline is not None and now >= self.deadline.expires_at - SPARED_SECONDS)


class Watch:
    """Watches the connections of one adapter. Its thread begins with the first request."""

    def __init__(self, adapter: Any) -> None:
        self._adapter = adapter
        self._attempts: dict[int, Attempt] = {}
        self._is_cut = False
        self._is_closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def begin(self, cut_at: float) -> Attempt:
        """Watch what this thread is about to do, until it ends it."""
        attempt = Attempt(threading.get_ident(), cut_at, deadline.current())
        with self._lock:
            self._attempts[attempt.user] = attempt
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="watch", daemon=True)
                self._thread.start()
        return attempt

    def end(self, attempt: Attempt) -> None:
        """Watch it no more."""
        with self._lock:
            del self._attempts[attempt.user]

    def cut(self) -> None:
        """Cut off all that is under way, and all that will be."""
        self._is_cut = True
        self._cut_due()

    def close(self) -> None:
        """Cut off all, and end the thread."""
        self.cut()
        self._is_closed.set()
        if self._thread is not None:
            self._thread.join()

    def _look(self) -> None:
        while not self._is_closed.wait(LOOK_SECONDS):
            self._cut_due()

    def _cut_due(self) -> None:
        """Cut off what is due, at each look once more: what was connecting the last time had nothing to cut off."""
        now = time.monotonic()
        with self._lock:
            for attempt in self._attempts.values():
                if self._is_cut or attempt.is_due(now):
                    attempt.is_cut = True
                    self._adapter.cut(attempt.user)
