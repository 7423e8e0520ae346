"""Events to send in tests."""

from __future__ import annotations

import uuid
from typing import Any

MOMENT = "2025-01-15T10:30:00Z"


def an_entity(entity_id: str | None = None, *, kind: str = "Car", updated: Any = MOMENT, **data: Any) -> dict[str, Any]:
    """Return a small entity; without an id it is a new one."""
    entity_id = entity_id or f"{kind}-{uuid.uuid4()}"
    header = {"entityId": entity_id, "entityType": kind, "createdAt": MOMENT, "updatedAt": updated}
    return {"entityHeader": header, "id": entity_id, **data}


def an_event(*entities: dict[str, Any], event_id: str | None = None, **header: Any) -> dict[str, Any]:
    """Return an event with a new uuid, about `entities` or about a new one."""
    return {
        "eventHeader": {"uuid": event_id or str(uuid.uuid4()), "eventName": "Car Created", **header},
        "entities": list(entities) or [an_entity()],
    }
