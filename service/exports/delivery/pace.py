"""How fast the partner is asked: one pace for all threads of a run.

What the partner says about it (429, and 503 with Retry-After) holds for everybody: nobody asks before the time that it
names, or, where it names none, before a time that grows with each such answer. After it requests keep a distance that
shrinks again with each success: a run has a budget of retries, and four threads that hurry would spend it.
"""

from __future__ import annotations

import threading
import time

from service import deadline
from service.exports.delivery.failures import OutOfTime, Stopped
from service.outgoing.retries import jitter

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 30.0
FIRST_DISTANCE_SECONDS, LONGEST_DISTANCE_SECONDS = 0.02, 5.0
SHRINKING = 0.97  # of the distance, with each success
NO_DISTANCE_SECONDS = 0.001
SPARED_SECONDS = 0.3  # of a deadline, to note how far the run came
LOOK_SECONDS = 0.2  # between looks at the deadline


class Pace:
    """The pace of one run. Safe to share between threads."""

    def __init__(self, requests_per_second: float = 0) -> None:
        self._shortest = 1 / requests_per_second if requests_per_second else 0.0
        self._distance = self._shortest
        self._next = 0.0  # when the next request may leave
        self._slowed_at = 0.0
        self._growth = 0
        self._changes = 0
        self._reason = "the partner is not to be asked any faster"
        self._stopped = threading.Event()
        self._lock = threading.Lock()

    @property
    def is_stopped(self) -> bool:
        return self._stopped.is_set()

    def stop(self) -> None:
        """End every wait, now and from now on."""
        self._stopped.set()

    def wait(self) -> None:
        """Wait for one's turn. Raises `OutOfTime` where the deadline comes first, `Stopped` after a stop."""
        while (turn := self._take_turn()) > 0:
            changes = self._changes
            self.pause(turn, self._reason)
            if self._changes == changes:
                break
        if self.is_stopped:
            raise Stopped(self._reason)

    def pause(self, seconds: float, reason: str) -> None:
        """Wait, or raise `OutOfTime` where the deadline comes first, `Stopped` after a stop."""
        expires_at = time.monotonic() + seconds
        while (left := expires_at - time.monotonic()) > 0:
            if left > deadline.remaining() - SPARED_SECONDS:
                raise OutOfTime(reason, left)
            if self._stopped.wait(min(left, LOOK_SECONDS)):
                raise Stopped(reason)

    def slow(self, began: float, seconds: float, reason: str) -> None:
        """Let everybody wait: a request that began at a time was told so, and to come back after so many seconds."""
        with self._lock:
            now = time.monotonic()
            if began >= self._slowed_at:  # and not one of several that were under way together
                self._slowed_at = now
                self._growth += 1
                self._distance = min(LONGEST_DISTANCE_SECONDS, max(FIRST_DISTANCE_SECONDS, 2 * self._distance))
                seconds += jitter(self._growth, FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS)
            self._next = max(self._next, now + seconds)
            self._changes += 1
            self._reason = reason

    def succeed(self, began: float) -> None:
        """Note that a request that began at a time was taken."""
        if self._growth or self._distance > self._shortest:
            with self._lock:
                if began >= self._slowed_at:
                    self._growth = 0
                    distance = self._distance * SHRINKING
                    self._distance = max(self._shortest, distance if distance > NO_DISTANCE_SECONDS else 0)

    def _take_turn(self) -> float:
        """Return the seconds until this thread's turn; the next one's comes after it."""
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._distance
            return turn - now
