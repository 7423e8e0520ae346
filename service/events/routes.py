"""The events API: partners send events, and read what became of them."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from flask import Blueprint, Flask, Response, current_app, jsonify

from service import inputs, metrics, pages
from service.answers import as_json
from service.config import Config
from service.database import get_database
from service.documents import Document, parse, parse_array
from service.errors import BadRequest, Invalid, NotFound, ServiceError, ServiceUnavailable, violation
from service.errors import body as error_body
from service.events import queries
from service.events.documents import INVALID, ReadyEvent, read_event, sent_id
from service.events.schemas import (
    BulkOutput,
    BulkQuery,
    EntityOutput,
    Event,
    EventHealth,
    EventList,
    EventListQuery,
    EventOutput,
    HistoryOutput,
    HistoryQuery,
    StoreOutput,
)
from service.events.service import EventStore, NotAllStored, Stored, conflict
from service.operations import PUBLIC, Answer, ListOf, Throttle, operation
from service.validation import rfc3339

ALL_PROCESSED = "All events processed successfully"

MANY = Throttle(rate=500, burst=1000)
REASONS = {409: "duplicate", 422: "invalid", 500: "failed"}
EXAMPLE = {
    "eventHeader": {"eventName": "Car Created", "eventType": "CarCreated", "createdDate": "2026-01-15T10:30:00Z"},
    "entities": [
        {
            "entityHeader": {
                "entityId": "CAR-1",
                "entityType": "Car",
                "createdAt": "2026-01-15T10:30:00Z",
                "updatedAt": "2026-01-15T10:30:00Z",
            },
            "id": "CAR-1",
            "make": "Tesla",
            "model": "Model S",
        }
    ],
}

log = logging.getLogger(__name__)

events = Blueprint("events", __name__, url_prefix="/api/v1")


def init_app(app: Flask, config: Config) -> None:
    """Add the routes, and the store behind them."""
    app.extensions["event_store"] = EventStore(app.extensions["database"])
    app.config["STRICT_EVENTS"] = config.strict_events
    app.config["MAX_BULK_EVENTS"] = config.max_bulk_events
    app.register_blueprint(events)


@events.post("/events")
@operation(
    "events:write",
    throttle=MANY,
    body=Event,
    example=EXAMPLE,
    answers={200: StoreOutput},
    errors={409: "Another event has this id."},
)
def create() -> Response:
    """Store one event."""
    text = inputs.json_text()
    try:
        event = read_event(parse(text), current_app.config["STRICT_EVENTS"])
        stored = _store().store(event)
    except Exception as error:
        _count_refused(error)
        raise
    return jsonify(
        success=True,
        message="Event processed successfully",
        event_id=event.id,
        entities=_outcomes(event, stored),
    )


@events.post("/events/bulk")
@operation(
    "events:write",
    query=BulkQuery,
    body=ListOf(Event, 100),
    example=[EXAMPLE],
    answers={200: BulkOutput},
    errors={422: "The body is no list of events; or, with `atomic=true`, not all of them can be stored."},
)
def create_many() -> tuple[Response, int]:
    """Store many events, each for itself, or all or none with `?atomic=true`."""
    started = time.perf_counter()
    is_atomic = inputs.query()["atomic"]
    attempts = [_read(document) for document in _documents()]
    ready = [attempt for attempt in attempts if isinstance(attempt, ReadyEvent)]
    outcomes: Iterator[Stored | Exception | None]
    if is_atomic:
        outcomes = iter(_store_all(ready) if len(ready) == len(attempts) else [None] * len(ready))
    else:
        outcomes = iter(_store().store_each(ready) if ready else [])
    results = []
    for index, attempt in enumerate(attempts):
        outcome = next(outcomes) if isinstance(attempt, ReadyEvent) else None
        results.append({"index": index, **_result(attempt, outcome)})
    failed = sum(result["status"] != 200 for result in results)
    answer = {
        "success": failed == 0,
        "message": f"Processed {len(results) - failed} events, {failed} failed" if failed else ALL_PROCESSED,
        "processedCount": len(results) - failed,
        "failedCount": failed,
        "batchId": str(uuid.uuid4()),
        "processingTimeMs": round((time.perf_counter() - started) * 1000, 2),
        "results": results,
    }
    if failed and is_atomic:
        message = answer.pop("message")
        return jsonify(error_body(422, "Batch refused", f"No event was stored: {message}", **answer)), 422
    return jsonify(answer), 200


def _documents() -> list[Document]:
    limit = current_app.config["MAX_BULK_EVENTS"]
    parsed = parse_array(inputs.json_text(), limit)
    if parsed is None:
        raise Invalid([violation("", "The body must be a list of events; the events list is null or empty")], INVALID)
    documents, count = parsed
    if count > limit:
        message = f"Maximum {limit} events allowed per request"
        raise BadRequest(message, error="Too many events", received=count)
    if not documents:
        raise Invalid([violation("", "events list is null or empty")], INVALID)
    return documents


def _read(document: Document) -> ReadyEvent | tuple[str | None, Invalid]:
    try:
        return read_event(document, current_app.config["STRICT_EVENTS"])
    except Invalid as error:
        return sent_id(document), error


def _store_all(ready: list[ReadyEvent]) -> Sequence[Stored | None]:
    try:
        return _store().store_all(ready)
    except NotAllStored as refusal:
        return [None if result.is_stored else result for result in refusal.results]


def _result(attempt: ReadyEvent | tuple[str | None, Invalid], outcome: Stored | Exception | None) -> dict[str, Any]:
    if not isinstance(attempt, ReadyEvent):
        event_id, error = attempt
        _count_refused(error)
        return _failure(event_id, error)
    if isinstance(outcome, ServiceUnavailable):
        raise outcome
    if isinstance(outcome, Exception):
        log.error("an event could not be stored", exc_info=outcome)
        _count_refused(outcome)
        return {"event_id": attempt.id, "status": 500, "error": "The event could not be stored"}
    if outcome is None:
        metrics.increment_counter("EventsRefused", Reason="batch")
        return {"event_id": attempt.id, "status": 422, "error": "Not stored, because of other events of the batch"}
    if not outcome.is_stored:
        refusal = conflict(attempt.id, outcome)
        _count_refused(refusal)
        return _failure(attempt.id, refusal)
    return {"event_id": attempt.id, "status": 200, "entities": _outcomes(attempt, outcome)}


def _count_refused(error: Exception) -> None:
    """Count an event that is not stored for a reason of its own; not one in an outage, or of a body that is no JSON."""
    if reason := REASONS.get(getattr(error, "status", 500)):
        metrics.increment_counter("EventsRefused", Reason=reason)


def _failure(event_id: str | None, error: ServiceError) -> dict[str, Any]:
    result = {"event_id": event_id, "status": error.status, "error": error.message}
    details = error.details or {key: value for key, value in error.extra.items() if key != "eventId"}
    return result | ({"details": details} if details else {})


def _outcomes(event: ReadyEvent, stored: Stored) -> list[dict[str, str]]:
    return [
        {"entityId": entity_id, "entityType": entity_type, "outcome": outcome}
        for (entity_type, entity_id), outcome in zip(event.entities, stored.outcomes, strict=True)
    ]


def _store() -> EventStore:
    store: EventStore = current_app.extensions["event_store"]
    return store


@events.get("/events/health")
@operation(PUBLIC, answers={200: EventHealth, 503: Answer(EventHealth, description="Events cannot be stored now.")})
def health() -> tuple[Response, int]:
    """Tell whether events can be stored now."""
    try:
        get_database().statement(queries.read_every_table)
    except ServiceUnavailable as error:
        log.error("events cannot be stored", extra={"reason": error.reason})
        message = "The database cannot be reached, or its schema is missing"
        return jsonify(status="unhealthy", message=message, database="unavailable"), 503
    return jsonify(status="healthy", message="Producer API is healthy", database="connected"), 200


@events.get("/events/<path:event_id>")
@operation("events:read", answers={200: EventOutput})
def show(event_id: str) -> Response:
    """Return an event as it was sent, and what became of its entities."""
    found = get_database().statement(queries.event, event_id)
    return as_json(found, f"Event '{event_id}' does not exist")


@events.get("/events")
@operation("events:read", query=EventListQuery, answers={200: Answer(EventList, headers=pages.NEXT_PAGE)})
def index() -> Response:
    """List events, newest first."""
    query = inputs.query()
    rows = get_database().statement(
        queries.events,
        query.get("type"),
        query.get("since"),
        query.get("until"),
        pages.decode_cursor(query.get("cursor")),
        query["limit"] + 1,
    )
    return pages.answer(
        "events",
        [
            {
                "event_id": event_id,
                "eventName": name,
                "eventType": event_type,
                "createdDate": rfc3339(created),
                "savedDate": rfc3339(saved),
                "receivedAt": rfc3339(received),
            }
            for event_id, name, event_type, created, saved, received in rows
        ],
        [pages.Key(received, event_id, 0) for event_id, *_, received in rows],
        query["limit"],
    )


@events.get("/entities/<entity_type>/<path:entity_id>")
@operation("events:read", answers={200: EntityOutput})
def show_entity(entity_type: str, entity_id: str) -> Response:
    """Return the newest version of an entity."""
    found = get_database().statement(queries.entity, entity_type, entity_id)
    return as_json(found, f"{entity_type} '{entity_id}' does not exist")


@events.get("/entities/<entity_type>/<path:entity_id>/history")
@operation("events:read", query=HistoryQuery, answers={200: Answer(HistoryOutput, headers=pages.NEXT_PAGE)})
def show_history(entity_type: str, entity_id: str) -> Response:
    """List the events that touched an entity, newest first."""
    query = inputs.query()
    after = pages.decode_cursor(query.get("cursor"))
    rows = get_database().statement(queries.history, entity_type, entity_id, after, query["limit"] + 1)
    if not rows and after is None:
        raise NotFound(f"No event has spoken of {entity_type} '{entity_id}'")
    return pages.answer(
        "events",
        [
            {
                "event_id": event_id,
                "eventName": name,
                "eventType": event_type,
                "outcome": outcome,
                "receivedAt": rfc3339(received),
            }
            for event_id, name, event_type, outcome, received, _ in rows
        ],
        [pages.Key(received, event_id, position) for event_id, _, _, _, received, position in rows],
        query["limit"],
    )
