"""Rejects and work orders that tests put where runs have put them."""

from __future__ import annotations

import json
from collections.abc import Container
from datetime import UTC, datetime
from typing import Any

import pytest

from service.ingestion.records import Rejected
from tests.ingestion.conftest import Installation

RUN = "0f8fad5b-d9cb-469f-a165-70867728950e"


def work_order(identifier: str, **changes: Any) -> str:
    """Return a work order as the source sends it; None takes a key away."""
    record = {"id": identifier, "status": "open", "total_amount": "12.50", **changes}
    return json.dumps({name: value for name, value in record.items() if value is not None})


def insert_reject(
    house: Installation,
    payload: str = "{}",
    *,
    source: str = "work-orders",
    resource: str = "work-orders",
    shop: str = "default",
    record_id: str | None = None,
    reason: str = "must be something else",
    seen_at: datetime | None = None,
    resolution: str | None = None,
) -> int:
    """Put a record into the table of rejects; return its number."""
    house.sql(
        """
        INSERT INTO ingestion_metadata
            (execution_id, source, resource, shop, status, end_time, request, api_endpoint)
        VALUES (%s, 'work-orders', 'work-orders', 'default', 'PARTIAL', now(), '{}', 'http://x')
        ON CONFLICT DO NOTHING
        """,
        RUN,
    )
    moment = seen_at or datetime.now(UTC)
    ((number,),) = house.sql(
        """
        INSERT INTO ingestion_rejects
            (execution_id, source, resource, shop, record_id, payload, payload_hash, path, reason, first_seen_at,
             last_seen_at, resolution, resolved_at)
        VALUES (%s, %s, %s, %s, %s, %s, uuid_send(gen_random_uuid()), '', %s, %s, %s, %s, %s)
        RETURNING id
        """,
        *(RUN, source, resource, shop, record_id, payload, reason, moment, moment, resolution),
        moment if resolution else None,
    )
    return int(number)


def open_rejects(house: Installation) -> list[int]:
    """Return the numbers of the rejects that are not resolved."""
    return [row[0] for row in house.sql("SELECT id FROM ingestion_rejects WHERE resolution IS NULL ORDER BY id")]


def of_yesterday(monkeypatch: pytest.MonkeyPatch, kind: Any, refused: Container[str]) -> None:
    """Let the code of this process refuse good records, as code of yesterday did. The service's own is today's."""
    read = kind.read

    def strict(self: Any, document: Any) -> Any:
        if self.key(document.value) in refused:
            raise Rejected("status", "must be known")
        return read(self, document)

    monkeypatch.setattr(kind, "read", strict)
