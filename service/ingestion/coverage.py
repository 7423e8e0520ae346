"""What of a stream is read completely, and what is missing: for the routes and the command alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from service.database import Cursor
from service.ingestion import answers, ledger, reads
from service.ingestion.records import Stream


def of(cursor: Cursor, stream: Stream) -> dict[str, Any]:
    """Return the ranges of a stream that are covered, those that are missing until now, and its newest windows.

    What was read up to its end is not missing until that reading began: nothing newer was there.
    """
    covered = ledger.coverage(cursor, stream, timedelta(0))
    _, beginning = ledger.horizon(cursor, stream)
    seen = [*covered]
    if covered and (end := covered[-1][1]) and (read_at := reads.last_read(cursor, stream, end)):
        seen[-1] = (covered[-1][0], max(end, read_at))
    return {
        **stream._asdict(),
        "covered": [answers.span(*found) for found in covered],
        "missing": [answers.span(*found) for found in ledger.missing(beginning, seen, datetime.now(UTC))],
        "windows": [answers.window(row) for row in reads.windows(cursor, stream)],
    }
