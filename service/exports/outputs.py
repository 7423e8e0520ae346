"""What the routes of exports answer. `answers` makes it of rows; the tests hold it against these schemas."""

from __future__ import annotations

from marshmallow import Schema, fields

from service.exports.selection.schemas import MODES
from service.validation import choice

STATUSES = ("RUNNING", "SUCCEEDED", "PARTIAL", "FAILED", "CANCELLED", "CONTINUES")
TRIGGERS = ("request", "command", "schedule", "object")


class FilterOutput(Schema):
    """A filter that was asked for."""

    column = fields.String(required=True)
    op = fields.String(required=True)
    value = fields.Raw(allow_none=True)


class ExportAsked(Schema):
    """What was asked for."""

    table = fields.String(required=True)
    columns = fields.List(fields.String())
    date_filter = fields.String()
    where_clause = fields.String()
    filters = fields.List(fields.Nested(FilterOutput))
    limit = fields.Integer()
    mode = choice(MODES)


class ExportOutput(Schema):
    """A run: the rows of one table, on their way to the partner.

    RUNNING: a process works on it. CONTINUES: it waits for one. SUCCEEDED: the partner has every row that was selected.
    PARTIAL: all but those that it refused. FAILED: `errorMessage` says why; a retry goes on from there. CANCELLED:
    somebody wanted that. At any time `rowsSelected` is the sum of `rowsSent`, `rowsRejected` and `rowsRemaining`.

    `truncated`: there were more rows than the limit, `rowsAvailable` of them, once they are counted. `rowsUnchanged`
    are those that a run of mode changed has passed by.
    """

    id = fields.UUID(required=True)
    table = fields.String(required=True)
    status = choice(STATUSES, required=True)
    mode = choice(MODES, required=True)
    trigger = choice(TRIGGERS, required=True)
    request = fields.Nested(ExportAsked, required=True)
    destination = fields.String(required=True)
    engine = fields.String(required=True)
    createdAt = fields.DateTime(required=True)
    endedAt = fields.DateTime(required=True, allow_none=True)
    heartbeatAt = fields.DateTime(required=True)
    legs = fields.Integer(required=True)
    isPlanned = fields.Boolean(required=True)
    batchesPlanned = fields.Integer(required=True)
    rowsSelected = fields.Integer(required=True)
    rowsSent = fields.Integer(required=True)
    rowsRejected = fields.Integer(required=True)
    rowsRemaining = fields.Integer(required=True)
    rowsUnchanged = fields.Integer(required=True)
    truncated = fields.Boolean(required=True)
    rowsAvailable = fields.Integer(required=True, allow_none=True)
    cancelRequestedAt = fields.DateTime(required=True, allow_none=True)
    errorMessage = fields.String(required=True, allow_none=True)


class ExportList(Schema):
    """One page of runs, newest first."""

    exports = fields.List(fields.Nested(ExportOutput), required=True)


class BatchCounts(Schema):
    """How many batches, and parts of batches that were refused, are in which state; those of none are left out."""

    planned = fields.Integer()
    sending = fields.Integer()
    sent = fields.Integer()
    split = fields.Integer()
    rejected = fields.Integer()


class ExportDetail(ExportOutput):
    """A run, the id of its query, and its batches by state."""

    queryId = fields.String(required=True, allow_none=True)
    batches = fields.Nested(BatchCounts, required=True)


class ExportReject(Schema):
    """A row that the partner refused: which of the selected rows it is, the partner's reason, and the row itself.

    `sentAt` says when a retry got it through. Of a row that is too long `recordText` holds the first 1000 characters of
    `recordLength`; then `record` is null.
    """

    id = fields.Integer(required=True)
    row = fields.Integer(required=True)
    batch = fields.Integer(required=True)
    status = fields.Integer(required=True)
    reason = fields.String(required=True)
    attempts = fields.Integer(required=True)
    rejectedAt = fields.DateTime(required=True)
    sentAt = fields.DateTime(required=True, allow_none=True)
    recordLength = fields.Integer(required=True)
    recordText = fields.String(required=True, allow_none=True)
    record = fields.Raw(required=True, allow_none=True)


class ExportRejectList(Schema):
    """One page of the rows that were refused, in the order of the run."""

    rejects = fields.List(fields.Nested(ExportReject), required=True)
