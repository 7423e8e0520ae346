"""The rows of batches as JSON, read once through the result for as long as batches come in its order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from service.database import Database
from service.exports import reject_queries
from service.exports.batch_queries import Batch
from service.exports.lake.engine import EngineError, Located, Result
from service.exports.planning import Encode

NEAR = 4 * 1024 * 1024  # positions that are rather read over than left out by opening the result anew


class Record(NamedTuple):
    """A row on its way: which of the selected rows it is, its JSON, and its hashes where the table has a key."""

    row_number: int
    text: str
    fingerprint: bytes | None


class BatchReader:
    """Reads batches of one run."""

    def __init__(self, database: Database, result: Result, encode: Encode) -> None:
        self._database = database
        self._result = result
        self._encode = encode
        self._rows: Iterator[Located] = iter(())
        self._position: int | None = None  # of the next of `_rows`

    def read(self, batch: Batch) -> list[Record]:
        """Return the rows of a batch or of a part of one. Raises `EngineError`."""
        if batch.reject_ids is not None:
            again = self._database.statement(reject_queries.repeated, batch.reject_ids)
            return [Record(*row) for row in again]
        rows = self._picked(batch)[batch.skipped :]
        if len(rows) != batch.row_count:
            raise EngineError(f"the result has not the rows of batch {batch.name} any more")
        numbers = range(batch.first_row, batch.first_row + batch.row_count)
        return [Record(number, *self._encode(row)) for number, (_, _, row) in zip(numbers, rows, strict=True)]

    def _picked(self, batch: Batch) -> list[Located]:
        """Return the rows of a whole batch up to the end of the part that is meant."""
        self._go_to(batch.position or 0)
        count = batch.skipped + batch.row_count
        picks = batch.picks[:count] if batch.picks else None
        rows = list(islice(self._rows, count if picks is None else picks[-1] + 1))
        if rows:
            self._position = rows[-1].end
        if picks is None:
            return rows
        return [rows[place] for place in picks if place < len(rows)]

    def _go_to(self, position: int) -> None:
        if self._position is not None and self._position <= position <= self._position + NEAR:
            while self._position < position and (passed := next(self._rows, None)):
                self._position = passed.end
        if self._position != position:
            self._rows = self._result.rows(position)
            self._position = position

    def forget(self) -> None:
        """Open the result anew for the next batch."""
        self._position = None
