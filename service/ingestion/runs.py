"""Who may read a stream, for how long, and how that ends.

A run holds an advisory lock of its stream on a connection of its own, and says every few seconds that it lives. Who
finds the lock free and an open run knows that its process is dead, and goes on where it stopped. Who finds the lock
taken finds a run at work, or, where it has been silent for long, one whose process hangs: then its connection is cut.

Neither is trusted with the data: every write of a run names its leg in the row of the run, and a leg that was
overtaken writes nothing (`ledger.note_page`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg2
import uuid6

from service.database import Cursor, Database
from service.ingestion import ledger, queries
from service.ingestion.queries import Active, Leg
from service.ingestion.records import Stream

BEAT_SECONDS = 5.0
SILENT_SECONDS = 90.0  # without a sign of life, while the lock is held
CONTINUATION_SECONDS = 20 * 60.0  # until a continuation that was queued is given up
LOCK_SECONDS = 10.0
TRY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
TRY_LOCK_IN_TRANSACTION = "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))"

log = logging.getLogger(__name__)


class Busy(Exception):
    """Another run reads the stream, or waits for its continuation, which is due in `due_seconds`."""

    def __init__(self, stream: Stream, active: Active | None) -> None:
        self.stream = stream
        self.execution_id = active.execution_id if active else None
        is_waiting = active and active.status == "CONTINUES"
        self.due_seconds = max(0.0, -active.silent_seconds) if active and is_waiting else None
        state = {None: "has just begun", "RUNNING": "is at work", "CONTINUES": "waits for its continuation"}
        told = state[active and active.status]
        super().__init__(f"{stream} is busy: run {self.execution_id or '(new)'} {told}")


class Superseded(Exception):
    """Another process has taken the run over. What this one had not stored, the other one reads."""


def new_id() -> str:
    """Return the id of a new run; ids are in the order of their making."""
    return str(uuid6.uuid7())


class Hold:
    """A leg of a run, as long as it is held: the heartbeat goes on in the background."""

    def __init__(self, leg: Leg, is_planned: bool) -> None:
        self.leg = leg
        self.is_planned = is_planned
        self._lost = threading.Event()

    def check(self) -> None:
        """Raise `Superseded` where the run was lost."""
        if self._lost.is_set():
            raise Superseded

    def lose(self) -> None:
        """Note that another process has the run."""
        self._lost.set()


def announce(database: Database, stream: Stream, request: dict[str, Any], endpoint: str) -> str:
    """Note a run that a job will begin; return its id. Raises `Busy` where another run of the stream is not over."""
    with database.transaction() as cursor:
        is_free = _try_lock(cursor, stream, TRY_LOCK_IN_TRANSACTION)
        active = queries.active(cursor, stream, is_locked=is_free)
        if active is not None:
            _close_if_dead(cursor, stream, active, is_free)
        execution_id = new_id()
        _insert(cursor, stream, execution_id, "CONTINUES", request, endpoint)
    return execution_id


@contextmanager
def hold(
    database: Database, stream: Stream, execution_id: str | None, request: dict[str, Any], endpoint: str
) -> Iterator[Hold | None]:
    """Begin a run, or its next leg where `execution_id` names one that was announced, continues or failed.

    Gives None where that run has ended already. Raises `Busy` where another process works on the stream.
    """
    with database.connection() as guard:
        guard.expires_at = time.monotonic() + LOCK_SECONDS
        with guard.cursor() as cursor:
            if not _try_lock(cursor, stream):
                _cut_off_if_silent(database, cursor, stream)
        with database.transaction() as cursor:
            begun = _begin(cursor, stream, execution_id, request, endpoint)
        if begun is None:
            yield None
            return
        held = Hold(*begun)
        is_over = threading.Event()
        heart = threading.Thread(target=_beat, args=(guard, held, is_over), name="heartbeat", daemon=True)
        heart.start()
        try:
            yield held
        finally:
            is_over.set()
            heart.join(LOCK_SECONDS)
            _unlock(guard, stream)


def _try_lock(cursor: Cursor, stream: Stream, statement: str = TRY_LOCK) -> bool:
    cursor.execute(statement, (_lock_name(stream),))
    return bool(cursor.fetchone()[0])  # type: ignore[index]


def _unlock(guard: Any, stream: Stream) -> None:
    """Give the lock back now: the next leg may come sooner than the server sees that the connection is closed."""
    guard.expires_at = time.monotonic() + LOCK_SECONDS
    with suppress(psycopg2.Error), guard.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (_lock_name(stream),))


def _lock_name(stream: Stream) -> str:
    return "ingestion/" + "/".join(stream)


def _cut_off_if_silent(database: Database, cursor: Cursor, stream: Stream) -> None:
    """End the connection that holds the lock, where its run has been silent for long; else raise `Busy`."""
    with database.transaction() as reader:
        active = queries.active(reader, stream, is_locked=False)
    if active is None or active.status != "RUNNING" or active.silent_seconds < SILENT_SECONDS:
        raise Busy(stream, active)
    log.warning("a silent run is cut off", extra={"run": active.execution_id, "silentSeconds": active.silent_seconds})
    cursor.execute(
        """
        SELECT count(pg_terminate_backend(pid, 5000))
        FROM pg_locks, hashtextextended(%s, 0) AS key
        WHERE locktype = 'advisory' AND granted AND objsubid = 1
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND (classid::bigint << 32) | objid::bigint = key
        """,
        (_lock_name(stream),),
    )
    if not _try_lock(cursor, stream):
        raise Busy(stream, active)


def _begin(
    cursor: Cursor, stream: Stream, execution_id: str | None, request: dict[str, Any], endpoint: str
) -> tuple[Leg, bool] | None:
    """Find or make the run, now that nobody else has the stream."""
    active = queries.active(cursor, stream)
    if active is not None and active.execution_id != execution_id:
        _close_if_dead(cursor, stream, active, is_free=True)
    if execution_id is None:
        execution_id = new_id()
        _insert(cursor, stream, execution_id, "RUNNING", request, endpoint)
    begun = queries.begin_leg(cursor, execution_id)
    if begun is not None:
        ledger.adopt_windows(cursor, stream, execution_id)
    return begun


def _close_if_dead(cursor: Cursor, stream: Stream, active: Active, is_free: bool) -> None:
    """End a run whose process is gone, or whose continuation never came; raise `Busy` where it is neither."""
    seconds = f"{active.silent_seconds:.0f} s"
    if active.status == "RUNNING" and is_free:
        reason = f"its process ended without a word; its last sign of life was {seconds} before the next run"
    elif active.status == "CONTINUES" and active.silent_seconds > CONTINUATION_SECONDS:
        reason = f"its continuation did not come for {seconds}"
    else:
        raise Busy(stream, active)
    log.warning("a dead run is closed", extra={"run": active.execution_id, "reason": reason})
    queries.close_dead(cursor, active.execution_id, reason)


def _insert(
    cursor: Cursor, stream: Stream, execution_id: str, status: str, request: dict[str, Any], endpoint: str
) -> None:
    try:
        queries.insert_run(cursor, stream, execution_id, status, request, endpoint)
    except psycopg2.errors.UniqueViolation:
        raise Busy(stream, None) from None


def _beat(guard: Any, held: Hold, is_over: threading.Event) -> None:
    """Say that the run lives until it is over; note when it is not ours any more, or when the lock is gone."""
    while not is_over.wait(BEAT_SECONDS):
        guard.expires_at = time.monotonic() + LOCK_SECONDS
        try:
            with guard.cursor() as cursor:
                if queries.beat(cursor, held.leg):
                    continue
        except psycopg2.Error as error:
            log.warning(
                "the lock of a run was lost", extra={"run": held.leg.execution_id, "reason": type(error).__name__}
            )
        held.lose()
        return
