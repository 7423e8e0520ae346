"""What may be asked of ingestion. What is answered: `outputs`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from service.ingestion.fullbay.invoice_records import Invoices
from service.ingestion.fullbay.invoices import InvoicesSource
from service.ingestion.fullbay.work_orders import WorkOrders
from service.pages import Cursor
from service.validation import CommaSeparated, Day, Flag, Instant, StrictSchema, Text, choice

SOURCES = {WorkOrders.name: tuple(WorkOrders.resources), InvoicesSource.name: (Invoices.name,)}
RESOURCES = tuple(resource for resources in SOURCES.values() for resource in resources)
STATUSES = ("RUNNING", "SUCCESS", "PARTIAL", "CONTINUES", "FAILED")
REJECT_STATES = ("open", "resolved", "all")


def _page_size() -> fields.Integer:
    return fields.Integer(load_default=50, validate=validate.Range(1, 100))


class Beginning(fields.Field[datetime]):
    """A day, or a moment with its offset; a day begins at midnight UTC."""

    _day, _instant = Day(), Instant()

    def json_schema(self) -> dict[str, Any]:
        """Return what a beginning must be as JSON Schema."""
        return {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> datetime:
        if isinstance(value, str) and len(value) > len("2026-01-15"):
            return self._instant.deserialize(value)
        try:
            return datetime.combine(self._day.deserialize(value), time.min, UTC)
        except ValidationError:
            raise ValidationError("Must be a day or a moment, such as 2026-01-15 or 2026-01-15T10:30:00Z") from None


def _check_past(moment: datetime) -> None:
    if moment > datetime.now(UTC):
        raise ValidationError("Must not be in the future")


class Backfill(StrictSchema):
    """A piece of history, both ends included."""

    first = Beginning(data_key="from", required=True, validate=_check_past)
    last = Beginning(data_key="to", required=True)

    @validates_schema
    def _check_order(self, backfill: dict[str, Any], **_: Any) -> None:
        if backfill["first"] > backfill["last"]:
            raise ValidationError("Must not be before from", "to")


class RunInput(StrictSchema):
    """What to read: a resource (by default the one that the source is named after) of one shop.

    What is new, or what changed `since` a day or a moment (invoices: those since that day), or a piece of history, or
    everything again that was ever to be read.
    """

    source = choice(tuple(SOURCES), required=True)
    resource = choice(RESOURCES)
    shop = Text(limit=63)
    since = Beginning(validate=_check_past)
    backfill = fields.Nested(Backfill)
    full = Flag()

    class Meta(StrictSchema.Meta):
        json_schema = {
            "allOf": [
                {
                    "anyOf": [
                        {"properties": {"source": {"const": source}, "resource": {"enum": list(resources)}}}
                        for source, resources in SOURCES.items()
                    ]
                },
                {
                    "anyOf": [
                        {"properties": {"since": False, "backfill": False}},
                        {"properties": {"since": False, "full": {"const": False}}},
                        {"properties": {"backfill": False, "full": {"const": False}}},
                    ]
                },
            ]
        }


class RunListQuery(StrictSchema):
    """Which runs to list, newest first."""

    source = choice(tuple(SOURCES))
    resource = choice(RESOURCES)
    shop = Text(limit=63)
    status = CommaSeparated(STATUSES)
    limit = _page_size()
    cursor = Cursor()


class CoverageQuery(StrictSchema):
    """Of what to tell what is read: a resource (by default the one that the source is named after), of some shops."""

    source = choice(tuple(SOURCES), required=True)
    resource = choice(RESOURCES)
    shop = Text(limit=63)


class RejectListQuery(StrictSchema):
    """Which rejects to list, those that were seen last first."""

    source = choice(tuple(SOURCES))
    resource = choice(RESOURCES)
    shop = Text(limit=63)
    state = choice(REJECT_STATES, load_default="open")
    limit = _page_size()
    cursor = Cursor()
