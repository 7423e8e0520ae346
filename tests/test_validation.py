"""What each field of the house takes, what it makes of it, and what it refuses."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from marshmallow import ValidationError

from service.validation import Day, Flag, Instant, LongText, Number, Uuid

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("field", "sent", "kept"),
    [
        (Instant(), "2026-01-15T12:00:00Z", NOON),
        (Instant(), "2026-01-15t12:00:00z", NOON),
        (Instant(), "2026-01-15 12:00:00+00:00", NOON),
        (Instant(), "2026-01-15T12:00:00-00:00", NOON),
        (Instant(), "2026-01-16T11:59:00+23:59", NOON),
        (Instant(), "2026-01-15T06:30:00-05:30", NOON),
        (Instant(), "2026-01-15T12:00:00.1234567Z", NOON.replace(microsecond=123456)),
        (Instant(), "2026-01-15T11:59:60Z", NOON),
        (Day(), "2024-02-29", date(2024, 2, 29)),
        (Day(), "0001-01-01", date(1, 1, 1)),
        (Flag(), True, True),
        (Flag(), False, False),
        (Uuid(), "0F8FAD5B-d9cb-469f-a165-70867728950e", "0f8fad5b-d9cb-469f-a165-70867728950e"),
        (LongText(limit=3), "", ""),
        (LongText(limit=3), "𝄞𝄞𝄞", "𝄞𝄞𝄞"),
        (Number(places=0), Decimal("7.00"), Decimal("7")),
        (Number(places=0), 10**399, Decimal(10**399)),
        (Number(places=6), Decimal("1e30"), Decimal("1e30")),
        (
            Number(places=6),
            Decimal("12345678901234567890123456789.000001"),
            Decimal("12345678901234567890123456789.000001"),
        ),
    ],
    ids=str,
)
def test_what_is_allowed_is_kept(field: Any, sent: Any, kept: Any) -> None:
    assert field.deserialize(sent) == kept


@pytest.mark.parametrize(
    ("field", "sent"),
    [
        (Instant(), "2026-01-15T12:00:00"),
        (Instant(), "2026-01-15T12:00Z"),
        (Instant(), "2026-01-15T12Z"),
        (Instant(), "2026-01-15"),
        (Instant(), "2026-02-29T12:00:00Z"),
        (Instant(), "2026-01-15T24:00:00Z"),
        (Instant(), "2026-01-15T12:00:00+0100"),
        (Instant(), "2026-01-15T12:00:00+24:00"),
        (Instant(), "2026-01-15T12:00:00+01:60"),
        (Instant(), "2026-01-15T12:00:00,5Z"),
        (Instant(), "0000-01-15T12:00:00Z"),
        (Instant(), "0001-01-01T00:00:00+00:01"),
        (Instant(), "9999-12-31T23:59:60Z"),
        (Instant(), "٢٠٢٦-01-15T12:00:00Z"),
        (Instant(), "2026-01-15T12:00:00Z\n"),
        (Instant(), 1768478400000),
        (Day(), "2026-02-29"),
        (Day(), "20260115"),
        (Day(), "2026-W03-4"),
        (Day(), "2026-1-5"),
        (Day(), "2026-01-15T00:00:00Z"),
        (Day(), "2026-01-15\n"),
        (Day(), "٢٠٢٦-01-15"),
        (Day(), 20260115),
        (Flag(), 1),
        (Flag(), 0),
        (Flag(), "true"),
        (Flag(), Decimal(1)),
        (Uuid(), "0f8fad5bd9cb469fa16570867728950e"),
        (Uuid(), "{0f8fad5b-d9cb-469f-a165-70867728950e}"),
        (Uuid(), "urn:uuid:0f8fad5b-d9cb-469f-a165-70867728950e"),
        (Uuid(), "0f8fad5b-d9cb-469f-a165-70867728950e\n"),
        (Uuid(), 1),
        (LongText(limit=3), "abcd"),
        (LongText(limit=3), "\0"),
        (LongText(limit=3), 1),
        (Number(places=0), Decimal("0.5")),
        (Number(places=0), Decimal("10000000000000000000000000000000000000.5")),
        (Number(places=6), Decimal("12345678901234567890123456789.0000001")),
        (Number(0, 1, places=0), Decimal("1e30")),
        (Number(), True),
        (Number(), "1"),
        *((kind(), value) for kind in (Instant, Day, Flag, Uuid, LongText, Number) for value in (None, [], {})),
    ],
    ids=str,
)
def test_what_is_not_allowed_is_refused_with_one_sentence(field: Any, sent: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        field.deserialize(sent)
    assert [type(message) for message in refused.value.messages] == [str]


@pytest.mark.parametrize(
    ("field", "schema"),
    [
        (Instant(), {"type": "string", "format": "date-time"}),
        (Flag(), {"type": "boolean"}),
        (Uuid(), {"type": "string", "format": "uuid"}),
        (LongText(limit=3), {"type": "string", "minLength": 0, "maxLength": 3, "pattern": r"^[^\u0000]*$"}),
        (Number(1, 2, places=0), {"type": "integer", "minimum": 1, "maximum": 2}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_field_tells_its_rules_as_json_schema(field: Any, schema: dict[str, Any]) -> None:
    assert field.json_schema() == schema
