"""Who may read a stream, and how a run of it begins and goes on.

A run holds the lock of its stream (`database.holding`). Who finds the lock free and an open run knows that its process
is dead, and goes on where it stopped. Every write of a run names its leg (`ledger.note_page`).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg2
import uuid6

from service.database import Cursor, Database, holding
from service.database.holding import CONTINUATION_SECONDS, Superseded, Taken
from service.ingestion import ledger, queries
from service.ingestion.queries import Active, Leg
from service.ingestion.records import Stream

__all__ = ["Busy", "Hold", "Superseded", "announce", "hold", "new_id"]

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


def new_id() -> str:
    """Return the id of a new run; ids are in the order of their making."""
    return str(uuid6.uuid7())


class Hold:
    """A leg of a run, as long as it is held."""

    def __init__(self, leg: Leg, is_planned: bool, lock: holding.Hold) -> None:
        self.leg = leg
        self.is_planned = is_planned
        self._lock = lock

    def check(self) -> None:
        """Raise `Superseded` where the run was lost."""
        self._lock.check()


def announce(database: Database, stream: Stream, request: dict[str, Any], endpoint: str) -> str:
    """Note a run that a job will begin; return its id. Raises `Busy` where another run of the stream is not over."""
    with database.transaction() as cursor:
        is_free = holding.is_free(cursor, _lock_name(stream))
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
    with ExitStack() as stack:
        try:
            lock = stack.enter_context(
                holding.lock(database, _lock_name(stream), lambda: _silent_seconds(database, stream))
            )
        except Taken:
            raise Busy(stream, _active(database, stream)) from None
        with database.transaction() as cursor:
            begun = _begin(cursor, stream, execution_id, request, endpoint)
        if begun is None:
            yield None
            return
        held = Hold(*begun, lock)
        with lock.beating(lambda cursor: queries.beat(cursor, held.leg)):
            yield held


def _lock_name(stream: Stream) -> str:
    return "ingestion/" + "/".join(stream)


def _active(database: Database, stream: Stream) -> Active | None:
    with database.transaction() as cursor:
        return queries.active(cursor, stream, is_locked=False)


def _silent_seconds(database: Database, stream: Stream) -> float:
    active = _active(database, stream)
    return active.silent_seconds if active is not None and active.status == "RUNNING" else -math.inf


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
