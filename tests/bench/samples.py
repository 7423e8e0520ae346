"""The event that every measurement sends: a car, as partner systems describe it."""

from __future__ import annotations

import itertools
import json
import uuid
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from tests.transports import event_v2

CREATED = "2025-03-01T08:15:00Z"
CLAIMS = {"sub": "bench", "scope": "events:read events:write"}
CONTEXT = SimpleNamespace(aws_request_id="invocation", get_remaining_time_in_millis=lambda: 30_000)

_seconds = itertools.count(1)


def car_event(entity_id: str | None = None) -> dict[str, Any]:
    """Return an event with a new uuid: about a new car, or with a newer version of the one that is named."""
    moment = datetime(2025, 3, 1, 8, 15, tzinfo=UTC) + timedelta(seconds=next(_seconds))
    updated = moment.isoformat().replace("+00:00", "Z")
    entity_id = entity_id or f"CAR-{uuid.uuid4()}"
    return {
        "eventHeader": {
            "uuid": str(uuid.uuid4()),
            "eventName": "Car Created",
            "eventType": "CarCreated",
            "createdDate": updated,
            "savedDate": updated,
        },
        "entities": [
            {
                "entityHeader": {
                    "entityId": entity_id,
                    "entityType": "Car",
                    "createdAt": CREATED,
                    "updatedAt": updated,
                },
                "id": entity_id,
                "vin": "1HGCM82633A004352",
                "make": "Honda",
                "model": "Accord",
                "year": 2021,
                "color": "Graphite",
                "mileage": 41250,
                "lastServiceDate": "2025-02-11T14:00:00Z",
                "totalBalance": 18250.75,
                "lastLoanPaymentDate": "2025-02-28T00:00:00Z",
                "owner": "Erika Mustermann",
            }
        ],
    }


def invocation(content: Any, path: str = "/api/v1/events") -> dict[str, Any]:
    """Return the Lambda event (payload 2.0) of a POST that API Gateway's authorizer has let through."""
    headers = {"Content-Type": "application/json", "Accept": "*/*", "User-Agent": "bench/1.0"}
    return event_v2("POST", path, headers=headers, body=json.dumps(content).encode(), claims=CLAIMS)
