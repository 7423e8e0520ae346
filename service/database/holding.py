"""Who may work on something that has a name, for how long, and how others know that it is over.

A process holds an advisory lock on a connection of its own, and says every few seconds that it lives. PostgreSQL gives
the lock up in the moment in which the process dies. Where the lock is taken and its holder has been silent for long,
the process hangs: then its connection is ended.

Neither is trusted with the data: a row says which leg of the work has it now, every write names its own leg, and a leg
that was overtaken writes nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg2

from service.database import Cursor, Database
from service.database.connection import Connection

BEAT_SECONDS = 5.0
SILENT_SECONDS = 90.0  # without a sign of life, while the lock is held
CONTINUATION_SECONDS = 20 * 60.0  # until a continuation that was queued is given up
LOCK_SECONDS = 10.0

log = logging.getLogger(__name__)


class Taken(Exception):
    """Another process holds the lock, and lives."""


class Superseded(Exception):
    """Another process has taken the work over. What this one had not written, the other one does again."""


class Hold:
    """The lock of `name`, as long as it is held."""

    def __init__(self, guard: Connection, name: str) -> None:
        self._guard = guard
        self._name = name
        self._lost = threading.Event()

    def check(self) -> None:
        """Raise `Superseded` where the work was lost."""
        if self._lost.is_set():
            raise Superseded

    @contextmanager
    def beating(self, beat: Callable[[Cursor], bool]) -> Iterator[None]:
        """Say in the background that the work lives; `beat` does, and returns whether it is still ours."""
        is_over = threading.Event()
        heart = threading.Thread(target=self._beat, args=(beat, is_over), name="heartbeat", daemon=True)
        heart.start()
        try:
            yield
        finally:
            is_over.set()
            heart.join(LOCK_SECONDS)

    def _beat(self, beat: Callable[[Cursor], bool], is_over: threading.Event) -> None:
        while not is_over.wait(BEAT_SECONDS):
            self._guard.expires_at = time.monotonic() + LOCK_SECONDS
            try:
                with self._guard.cursor() as cursor:
                    if beat(cursor):
                        continue
            except psycopg2.Error as error:
                log.warning("a lock was lost", extra={"lock": self._name, "reason": type(error).__name__})
            self._lost.set()
            return

    def unlock(self) -> None:
        """Give the lock back now: the next leg may come sooner than the server sees that the connection is closed."""
        self._guard.expires_at = time.monotonic() + LOCK_SECONDS
        with suppress(psycopg2.Error), self._guard.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (self._name,))


@contextmanager
def lock(database: Database, name: str, silent_seconds: Callable[[], float]) -> Iterator[Hold]:
    """Hold the lock `name`. Raises `Taken` where another process has it that was heard of lately.

    `silent_seconds` tells for how long its holder has not been heard of.
    """
    with database.connection() as guard:
        guard.expires_at = time.monotonic() + LOCK_SECONDS
        with guard.cursor() as cursor:
            if not _try_lock(cursor, name):
                if (silence := silent_seconds()) < SILENT_SECONDS:
                    raise Taken
                log.warning("a silent process is cut off", extra={"lock": name, "silentSeconds": silence})
                _cut_off(cursor, name)
                if not _try_lock(cursor, name):
                    raise Taken
        held = Hold(guard, name)
        try:
            yield held
        finally:
            held.unlock()


def _try_lock(cursor: Cursor, name: str) -> bool:
    cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (name,))
    return bool(cursor.fetchone()[0])  # type: ignore[index]


def is_free(cursor: Cursor, name: str) -> bool:
    """Return whether nobody holds the lock; then nobody can until the end of this transaction."""
    cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", (name,))
    return bool(cursor.fetchone()[0])  # type: ignore[index]


def _cut_off(cursor: Cursor, name: str) -> None:
    cursor.execute(
        """
        SELECT count(pg_terminate_backend(pid, 5000))
        FROM pg_locks, hashtextextended(%s, 0) AS key
        WHERE locktype = 'advisory' AND granted AND objsubid = 1
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND (classid::bigint << 32) | objid::bigint = key
        """,
        (name,),
    )
