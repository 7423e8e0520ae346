"""Storing events: one by one, in batches, and those of concurrent requests together.

Each batch is one statement and one commit. Requests that arrive while a statement is under way wait for it and share
the next one; nobody waits for company. Each answer is true: it is given after the commit, for that event alone.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import psycopg2

from service import deadline, metrics
from service.database import Database
from service.errors import Conflict, ServiceError, ServiceUnavailable
from service.events import queries
from service.events.documents import ReadyEvent

MAX_SHARED = 64


class Stored(NamedTuple):
    """What became of an event: stored now, or before (`is_identical` tells whether with the same content)."""

    is_stored: bool
    is_identical: bool
    outcomes: list[str]


class NotAllStored(Exception):
    """A batch that was to be stored whole and was not. `results` says what became of each event."""

    def __init__(self, results: list[Stored]) -> None:
        super().__init__("not every event of the batch could be stored")
        self.results = results


class _Ticket:
    """One event on its way to the database, and the request that waits for it."""

    __slots__ = ("event", "is_leader", "result", "woken")

    def __init__(self, event: ReadyEvent) -> None:
        self.event = event
        self.result: Stored | Exception | None = None
        self.is_leader = False
        self.woken = threading.Lock()
        self.woken.acquire()


class EventStore:
    """Writes events. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._waiting: deque[_Ticket] = deque()
        self._is_writing = False

    def store(self, event: ReadyEvent) -> Stored:
        """Store one event, in the company of those that other requests store now.

        Raises `Conflict` when its id is stored already, `ServiceUnavailable` in an outage.
        """
        ticket = _Ticket(event)
        with self._lock:
            if self._is_writing:
                self._waiting.append(ticket)
            else:
                self._is_writing = ticket.is_leader = True
        if not ticket.is_leader:
            self._wait(ticket)
        if ticket.is_leader:
            self._lead(ticket)
        if ticket.result is None:
            raise ServiceUnavailable(reason="the request that was writing the event was stopped")
        if isinstance(ticket.result, Exception):
            raise ticket.result
        if not ticket.result.is_stored:
            raise conflict(event.id, ticket.result)
        return ticket.result

    def _wait(self, ticket: _Ticket) -> None:
        if ticket.woken.acquire(timeout=deadline.remaining()):
            return
        with self._lock:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
                raise ServiceUnavailable(reason="the event was not written before the deadline")
        ticket.woken.acquire()  # somebody has it in hand, and has a deadline too

    def _lead(self, ticket: _Ticket) -> None:
        """Write the events that wait, and this one with them; then let the next request that waits lead."""
        with self._lock:
            others = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_SHARED - 1))]
        tickets = [ticket, *others]
        try:
            results = self.store_each([ticket.event for ticket in tickets])
            for written, result in zip(tickets, results, strict=True):
                written.result = result
        finally:
            with self._lock:
                successor = self._waiting.popleft() if self._waiting else None
                self._is_writing = successor is not None
            if successor is not None:
                successor.is_leader = True
                successor.woken.release()
            for other in others:
                other.woken.release()

    def store_each(self, events: Sequence[ReadyEvent]) -> list[Stored | Exception]:
        """Store events in one statement, as if one after the other; return what became of each.

        Those whose id is stored already are left out. An exception stands for the event that brings it out; in an
        outage it stands for all.
        """
        try:
            rows = self._database.statement(queries.store_events, *_arguments(events))
        except ServiceError as error:
            return [error] * len(events)
        except psycopg2.Error as error:  # a defect of ours: the neighbours do not suffer from it
            return [error] if len(events) == 1 else [self.store_each([event])[0] for event in events]
        return [*_counted([Stored(*row) for row in rows])]

    def store_all(self, events: Sequence[ReadyEvent]) -> list[Stored]:
        """Store all events or none. Raises `NotAllStored`."""
        batch_id, incoming = _arguments(events)

        def store() -> list[Stored]:
            with self._database.transaction() as cursor:
                results = [Stored(*row) for row in queries.store_events(cursor, batch_id, incoming)]
                if not all(result.is_stored for result in results):
                    raise NotAllStored(results)
            return results

        return _counted(self._database.once_more(store))


def conflict(event_id: str, result: Stored) -> Conflict:
    """Return the error for an event whose id is stored already."""
    return Conflict(f"Event with ID '{event_id}' already exists", eventId=event_id, identical=result.is_identical)


def _counted(results: list[Stored]) -> list[Stored]:
    """Count those that are stored, for good."""
    stored = [result for result in results if result.is_stored]
    metrics.increment_counter("EventsStored", len(stored))
    if stale := sum(result.outcomes.count("stale") for result in stored):
        metrics.increment_counter("EventsStale", stale)
    return results


def _arguments(events: Sequence[ReadyEvent]) -> tuple[str, str]:
    """Return a fresh batch id, by which a repeated statement knows its own rows, and the events as JSON."""
    seen: set[str] = set()
    rows = []
    for event in events:
        rows.append(event.as_row(is_repeated=event.id in seen))
        seen.add(event.id)
    return str(uuid.uuid4()), f"[{','.join(rows)}]"
