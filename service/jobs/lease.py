"""How a worker holds a job: for a time, extended by a thread of its own as long as the job runs.

What is said about a job names the lease, so a worker that was thought dead changes nothing any more.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from types import TracebackType

from service import deadline
from service.database import Database
from service.deadline import Deadline
from service.errors import ServiceUnavailable
from service.jobs import queries
from service.jobs.queries import Taken

EXTENSIONS = 3  # in the time of a lease
MAX_WAIT_SECONDS = 20.0
RETRY_SECONDS = 1.0

log = logging.getLogger(__name__)


class Lease:
    """A job that is held. As a context manager it is extended until the job has ended.

    Where the lease is lost, the deadline of the job is cut: somebody else may run it by now. A job that goes on for the
    time of a lease after its deadline `is_stuck`, and is held no longer.
    """

    def __init__(
        self, database: Database, taken: Taken, key: str, seconds: float, ends_at: float, extended: Callable[[], None]
    ) -> None:
        self.taken = taken
        self.key = key
        self.is_lost = False
        self.is_stuck = False
        self.deadline: Deadline | None = None
        self._database = database
        self._seconds = seconds
        self._ends_at = ends_at
        self._extended = extended
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._extend, name="lease", daemon=True)

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def _extend(self) -> None:
        usual = wait = min(MAX_WAIT_SECONDS, self._seconds / EXTENSIONS)
        while not self._ended.wait(wait):
            wait = usual
            if self.deadline and time.monotonic() > self.deadline.expires_at + self._seconds:
                self.is_stuck = True
                log.error("a job does not end", extra={"job": self.taken.name, "jobId": self.taken.id})
                return
            asked_at = time.monotonic()
            deadline.start(max(0.1, min(wait, self._ends_at - asked_at)))
            try:
                is_held = self._database.statement(queries.extend, self.key, self._seconds)
            except ServiceUnavailable:
                is_held = time.monotonic() < self._ends_at
                wait = min(wait, RETRY_SECONDS)
            else:
                self._ends_at = asked_at + self._seconds
                self._extended()
            if not is_held:
                self._lose()
                return

    def _lose(self) -> None:
        self.is_lost = True
        if self.deadline:
            self.deadline.cut(0)
        log.error("a worker has lost its job", extra={"job": self.taken.name, "jobId": self.taken.id})


def take(database: Database, seconds: float, extended: Callable[[], None]) -> Lease | None:
    """Take the job that is due longest, None where none is due. `extended` is called whenever its lease was."""
    key = str(uuid.uuid4())
    ends_at = time.monotonic() + seconds
    taken = database.statement(queries.take, key, seconds)
    return Lease(database, taken, key, seconds, ends_at, extended) if taken else None
