"""What the routes of ingestion answer. `answers` makes it of rows; the tests hold it against these schemas."""

from __future__ import annotations

from marshmallow import Schema, fields

from service.ingestion.rejects import OUTCOMES
from service.ingestion.schemas import RESOURCES, SOURCES, STATUSES
from service.validation import choice

WINDOW_STATES = ("open", "complete", "incomplete")
RESOLUTIONS = ("replayed", "superseded")

_Span = Schema.from_dict(
    {"from": fields.DateTime(required=True, allow_none=True), "to": fields.DateTime(required=True, allow_none=True)}
)


class Span(_Span):  # type: ignore[valid-type, misc]
    """A range of days or moments, without its end. Null is the beginning, or the end, of all time."""


class AskedBackfill(Schema.from_dict({"from": fields.DateTime(required=True), "to": fields.DateTime(required=True)})):  # type: ignore[misc]
    """A piece of history that was asked for."""


class Asked(Schema):
    """What was asked for. Nothing means what is new."""

    since = fields.DateTime()
    backfill = fields.Nested(AskedBackfill)
    full = fields.Boolean()


class RunOutput(Schema):
    """A run: one reading of a stream, by one process after the other.

    RUNNING: a process reads. CONTINUES: it waits for a process. SUCCESS: all is stored. PARTIAL: all but what
    `errorMessage` says. FAILED: `errorMessage` says why; the next run goes on from there.
    """

    executionId = fields.UUID(required=True)
    source = choice(tuple(SOURCES), required=True)
    resource = choice(RESOURCES, required=True)
    shop = fields.String(required=True)
    status = choice(STATUSES, required=True)
    request = fields.Nested(Asked, required=True)
    startTime = fields.DateTime(required=True)
    endTime = fields.DateTime(required=True, allow_none=True)
    heartbeatAt = fields.DateTime(required=True)
    legs = fields.Integer(required=True)
    pages = fields.Integer(required=True)
    recordsProcessed = fields.Integer(required=True)
    recordsInserted = fields.Integer(required=True)
    recordsUpdated = fields.Integer(required=True)
    recordsUnchanged = fields.Integer(required=True)
    recordsStale = fields.Integer(required=True)
    recordsRejected = fields.Integer(required=True)
    errorMessage = fields.String(required=True, allow_none=True)
    apiEndpoint = fields.String(required=True)


class RunList(Schema):
    """One page of runs, newest first."""

    runs = fields.List(fields.Nested(RunOutput), required=True)


class WindowOutput(_Span):  # type: ignore[valid-type, misc]
    """A part of a stream, and how its reading went. `expected` is how many records the source says it has."""

    state = choice(WINDOW_STATES, required=True)
    pages = fields.Integer(required=True)
    records = fields.Integer(required=True)
    expected = fields.Integer(required=True, allow_none=True)
    rejected = fields.Integer(required=True)
    beganAt = fields.DateTime(required=True, allow_none=True)
    readAt = fields.DateTime(required=True, allow_none=True)
    note = fields.String(required=True, allow_none=True)


class RunDetail(RunOutput):
    """A run with its windows: those that are not complete, then the newest, at most 200 of `windowCount`."""

    windowCount = fields.Integer(required=True)
    windows = fields.List(fields.Nested(WindowOutput), required=True)


class StreamCoverage(Schema):
    """What of a stream is read.

    `missing` lies between the first moment that was ever to be read and now; `windows` are as they were last read, the
    newest first, at most 200.
    """

    source = choice(tuple(SOURCES), required=True)
    resource = choice(RESOURCES, required=True)
    shop = fields.String(required=True)
    covered = fields.List(fields.Nested(Span), required=True)
    missing = fields.List(fields.Nested(Span), required=True)
    windows = fields.List(fields.Nested(WindowOutput), required=True)


class CoverageOutput(Schema):
    """What is read of a resource, shop by shop. A shop of which nothing was ever to be read has no entry."""

    streams = fields.List(fields.Nested(StreamCoverage), required=True)


class RejectOutput(Schema):
    """A record that could not be stored: the path to the value, the rule that it breaks, and the record as it was sent.

    `payloadText` holds a record that cannot be told as JSON, or is too long: its first 1000 characters of
    `payloadLength`; then `payload` is null.
    """

    id = fields.Integer(required=True)
    executionId = fields.UUID(required=True)
    source = fields.String(required=True)
    resource = fields.String(required=True)
    shop = fields.String(required=True)
    recordId = fields.String(required=True, allow_none=True)
    path = fields.String(required=True)
    reason = fields.String(required=True)
    seen = fields.Integer(required=True)
    firstSeenAt = fields.DateTime(required=True)
    lastSeenAt = fields.DateTime(required=True)
    resolution = choice(RESOLUTIONS, required=True, allow_none=True)
    resolvedAt = fields.DateTime(required=True, allow_none=True)
    payloadLength = fields.Integer(required=True)
    payloadText = fields.String(required=True, allow_none=True)
    payload = fields.Raw(required=True, allow_none=True)


class RejectList(Schema):
    """One page of rejects, those that were seen last first."""

    rejects = fields.List(fields.Nested(RejectOutput), required=True)


class ReplayOutput(Schema):
    """The reject is resolved. The record was new, replaced an older version, was stored already, or was older."""

    id = fields.Integer(required=True)
    resolution = choice(("replayed",), required=True)
    outcome = choice(OUTCOMES, required=True)
