"""What an event must look like, and what the routes answer. What entities must look like: `entity_rules`."""

from __future__ import annotations

import uuid

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from service.pages import Cursor
from service.validation import StrictSchema, Text, Timestamp

EVENT_TYPES = ("CarCreated", "LoanCreated", "LoanPaymentSubmitted", "CarServiceDone")
OUTCOMES = ("created", "updated", "stale", "unprojected")


class EventHeader(StrictSchema):
    """Who says what, and when."""

    uuid = Text()
    name = Text(data_key="eventName", required=True, empty="Event header event_name is required")
    type = Text(data_key="eventType")
    created = Timestamp(data_key="createdDate")
    saved = Timestamp(data_key="savedDate")


class EntityHeader(StrictSchema):
    """Which entity, and which version of it."""

    id = Text(data_key="entityId", required=True, empty="Entity ID cannot be empty")
    type = Text(data_key="entityType", required=True, empty="Entity type cannot be empty")
    created = Timestamp(data_key="createdAt", required=True)
    updated = Timestamp(data_key="updatedAt", required=True)


class Entity(StrictSchema):
    """An entity: its header, and any other keys, which are data."""

    header = fields.Nested(EntityHeader, data_key="entityHeader", required=True)

    class Meta:
        unknown = EXCLUDE


class Event(StrictSchema):
    """One event. `filters` is kept with it and has no effect."""

    header = fields.Nested(EventHeader, data_key="eventHeader", required=True)
    entities = fields.List(
        fields.Nested(Entity),
        required=True,
        validate=validate.Length(min=1, error="Event must contain at least one entity"),
        error_messages={"required": "Event must contain at least one entity", "null": "Must be a list of entities"},
    )
    filters = fields.List(fields.Dict())


def _check_uuid(text: str) -> None:
    try:
        uuid.UUID(text)
    except ValueError:
        raise ValidationError("Must be a UUID") from None


class StrictEventHeader(EventHeader):
    """A header whose uuid is one, and whose type is known."""

    uuid = Text(validate=_check_uuid)
    type = Text(data_key="eventType", validate=validate.OneOf(EVENT_TYPES, error="Must be one of {choices}"))


class StrictEvent(Event):
    """An event whose entities also keep the rules of their type (see `entity_rules`)."""

    header = fields.Nested(StrictEventHeader, data_key="eventHeader", required=True)


class BulkQuery(StrictSchema):
    """How a batch is stored: each event for itself, or all or none."""

    atomic = fields.Boolean(load_default=False)


class EventListQuery(StrictSchema):
    """Which events to list, newest first."""

    type = Text()
    since = Timestamp()
    until = Timestamp()
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))
    cursor = Cursor()


class HistoryQuery(StrictSchema):
    """Which page of an entity's history."""

    limit = fields.Integer(load_default=50, validate=validate.Range(1, 200))
    cursor = Cursor()


class Outcome(Schema):
    """What became of an entity: it was created or updated, was older than what is kept, or its type has no table."""

    entityId = fields.String(required=True)
    entityType = fields.String(required=True)
    outcome = fields.String(required=True, validate=validate.OneOf(OUTCOMES))


class StoreOutput(Schema):
    """The event is stored."""

    success = fields.Boolean(required=True)
    message = fields.String(required=True)
    event_id = fields.String(required=True)
    entities = fields.List(fields.Nested(Outcome), required=True)


class BulkResult(Schema):
    """What became of one event of a batch, by its place in it."""

    index = fields.Integer(required=True)
    event_id = fields.String(required=True, allow_none=True)
    status = fields.Integer(required=True)
    entities = fields.List(fields.Nested(Outcome))
    error = fields.String()
    details = fields.Dict()


class BulkOutput(Schema):
    """What became of a batch; `results` are in the order of its events."""

    success = fields.Boolean(required=True)
    message = fields.String(required=True)
    processedCount = fields.Integer(required=True)
    failedCount = fields.Integer(required=True)
    batchId = fields.UUID(required=True)
    processingTimeMs = fields.Float(required=True)
    results = fields.List(fields.Nested(BulkResult), required=True)


class EventOutput(Schema):
    """An event as it was sent, and what became of its entities."""

    event_id = fields.String(required=True)
    receivedAt = fields.DateTime(required=True)
    event = fields.Dict(required=True)
    entities = fields.List(fields.Nested(Outcome), required=True)


class EventSummary(Schema):
    """An event in a list."""

    event_id = fields.String(required=True)
    eventName = fields.String(required=True)
    eventType = fields.String(required=True, allow_none=True)
    createdDate = fields.DateTime(required=True, allow_none=True)
    savedDate = fields.DateTime(required=True, allow_none=True)
    receivedAt = fields.DateTime(required=True)


class EventList(Schema):
    """One page of events, newest first."""

    events = fields.List(fields.Nested(EventSummary), required=True)


class EntityOutput(Schema):
    """The newest version of an entity, and the event that it came with."""

    entityId = fields.String(required=True)
    entityType = fields.String(required=True)
    createdAt = fields.DateTime(required=True)
    updatedAt = fields.DateTime(required=True)
    version = fields.Integer(required=True)
    event_id = fields.String(required=True)
    entity = fields.Dict(required=True)


class Touch(Schema):
    """An event in the history of an entity."""

    event_id = fields.String(required=True)
    eventName = fields.String(required=True)
    eventType = fields.String(required=True, allow_none=True)
    outcome = fields.String(required=True, validate=validate.OneOf(OUTCOMES))
    receivedAt = fields.DateTime(required=True)


class HistoryOutput(Schema):
    """One page of an entity's history, newest first."""

    events = fields.List(fields.Nested(Touch), required=True)


class EventHealth(Schema):
    """Whether events can be stored now."""

    status = fields.String(required=True, validate=validate.OneOf(("healthy", "unhealthy")))
    message = fields.String(required=True)
    database = fields.String(required=True, validate=validate.OneOf(("connected", "unavailable")))
