"""What the routes of ingestion answer: rows of `reads` as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from service.answers import named
from service.documents import parse
from service.errors import BadRequest
from service.ingestion.reads import MAX_CUT, Row
from service.times import rfc3339

Object = dict[str, Any]

_RUN = (
    *("executionId", "source", "resource", "shop", "status", "request", "startTime", "endTime", "heartbeatAt"),
    *("legs", "pages", "recordsProcessed", "recordsInserted", "recordsUpdated", "recordsUnchanged", "recordsStale"),
    *("recordsRejected", "errorMessage", "apiEndpoint"),
)
_WINDOW = ("from", "to", "state", "pages", "records", "expected", "rejected", "beganAt", "readAt", "note")
_REJECT = (
    *("id", "executionId", "source", "resource", "shop", "recordId", "path", "reason", "seen", "firstSeenAt"),
    *("lastSeenAt", "resolution", "resolvedAt"),
)


def run(row: Row) -> Object:
    """Return a run."""
    found = named(_RUN, row)
    return found | {"request": _request(found["request"])}


def run_with_windows(row: Row, windows: Sequence[Row]) -> Object:
    """Return a run with its windows, of which there may be more."""
    return {**run(row[:-1]), "windowCount": row[-1], "windows": [window(found) for found in windows]}


def window(row: Row) -> Object:
    """Return a window."""
    return named(_WINDOW, row)


def span(lower: datetime | None, upper: datetime | None) -> Object:
    """Return a range; null is the beginning, or the end, of all time."""
    return named(("from", "to"), (lower, upper))


def reject(row: Row) -> str:
    """Return a reject as JSON text: its payload stands there as it was sent, every digit of it.

    What is too long, or cannot be JSON that everybody reads, is `payloadText`.
    """
    *columns, payload, length = row
    told = named(_REJECT, columns) | {"payloadLength": length}
    is_json = len(payload) == length and _is_json(payload)
    text = json.dumps(told | {"payloadText": None if is_json else payload[:MAX_CUT]})
    return f'{text[:-1]}, "payload": {payload if is_json else "null"}}}'


def _is_json(payload: str) -> bool:
    try:
        return not parse(payload).violations
    except BadRequest:
        return False


def _request(asked: Mapping[str, str]) -> Object:
    """Return what was asked for, as it is asked for."""
    told = {name: rfc3339(datetime.fromisoformat(value)) for name, value in asked.items() if name != "full"}
    if "from" in told:
        return {"backfill": {"from": told["from"], "to": told["to"]}}
    return told | ({"full": True} if asked.get("full") else {})
