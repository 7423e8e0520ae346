"""What routes and commands tell: rows of `reads` as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from service.answers import named
from service.exports.reads import MAX_CUT, Row

Object = dict[str, Any]

_RUN = (
    *("id", "table", "status", "mode", "trigger", "request", "destination", "engine", "createdAt", "endedAt"),
    *("heartbeatAt", "legs", "isPlanned", "batchesPlanned", "rowsSelected", "rowsSent", "rowsRejected"),
    *("rowsUnchanged", "truncated", "rowsAvailable", "cancelRequestedAt", "errorMessage"),
)
_REJECT = ("id", "row", "batch", "status", "reason", "attempts", "rejectedAt", "sentAt")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes a text for that begins so
CSV_HEADER = ("row", "batch", "status", "reason", "attempts", "rejectedAt", "sentAt", "record")


def run(row: Row) -> Object:
    """Return a run. `rowsRemaining` are selected, and neither sent nor rejected."""
    told = named(_RUN, row)
    return told | {"rowsRemaining": told["rowsSelected"] - told["rowsSent"] - told["rowsRejected"]}


def run_in_full(row: Row) -> Object:
    """Return a run with the id of its query, and its batches by state."""
    return run(row[:-2]) | {"queryId": row[-2], "batches": row[-1]}


def reject(row: Row) -> str:
    """Return a reject as JSON text: its record stands there as it was sent, every digit of it.

    Of one that is too long the first characters are `recordText`.
    """
    *columns, payload, length = row
    is_whole = len(payload) == length
    told = named(_REJECT, columns) | {"recordLength": length, "recordText": None if is_whole else payload[:MAX_CUT]}
    return f'{json.dumps(told)[:-1]}, "record": {payload if is_whole else "null"}}}'


def as_csv(rows: Sequence[Row], has_header: bool = True) -> str:
    """Return rejects as CSV (RFC 4180), the record as JSON text, as much of it as was read.

    A reason that a spreadsheet would run as a formula has an apostrophe in front: its words are the partner's.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    if has_header:
        writer.writerow(CSV_HEADER)
    for row in rows:
        *columns, payload, _ = row
        told = named(_REJECT, columns)
        if told["reason"].startswith(_FORMULA):
            told["reason"] = f"'{told['reason']}"
        writer.writerow([*(told[name] for name in CSV_HEADER[:-1]), payload])
    return text.getvalue()
