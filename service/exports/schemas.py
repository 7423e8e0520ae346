"""Which runs and rejects may be listed. What may be exported: `selection.schemas`; what is answered: `outputs`."""

from __future__ import annotations

from marshmallow import fields, validate

from service.exports.outputs import STATUSES
from service.pages import Cursor
from service.validation import CommaSeparated, StrictSchema, Text, choice

REJECT_STATES = ("open", "sent", "all")


class ExportListQuery(StrictSchema):
    """Which runs to list, newest first."""

    table = Text()
    status = CommaSeparated(STATUSES)
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 100))
    cursor = Cursor()


class ExportRejectsQuery(StrictSchema):
    """Which rejects to list: those that are open, that a retry got through, or all."""

    state = choice(REJECT_STATES, load_default=REJECT_STATES[0])
    limit: fields.Field[int] = fields.Integer(load_default=50, validate=validate.Range(1, 100))
    cursor = Cursor()


class ExportRejectsFileQuery(ExportRejectsQuery):
    """The same for a file, which is to be whole for most runs."""

    limit = fields.Integer(load_default=1000, validate=validate.Range(1, 1000))
