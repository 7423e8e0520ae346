"""The second part of a run: its result is divided into batches, which are stored before the first of them is sent.

A batch is known by where it begins in the result, which does not change: whoever sends it, and however often, sends the
same rows under the same number. What has to be known in advance, how many batches there are, is known by then.

A run of mode `changed` compares each row with what the partner has, once, here: what is sent meanwhile changes nothing
about the rows of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from service.database import Database
from service.database.holding import Superseded
from service.exports import batch_queries, known_queries
from service.exports.batch_queries import Planned, PlanProgress
from service.exports.lake.engine import Located, Result, Row
from service.exports.queries import Run
from service.exports.watch import Ended, Progress, Watch

MAX_BATCH_BYTES = 4 * 1024 * 1024  # of the result
STORED_AT_ONCE = 1000  # batches
COMPARED_AT_ONCE = 500  # rows
FOLDED_AT_ONCE = 200  # batches
HASH_BYTES = 16

Encode = Callable[[Row], tuple[str, bytes | None]]  # the JSON of a row, and the hashes of its key and its content
Bounds = tuple[int, int]  # where a row begins and ends in the result


class Planner:
    """Plans one run."""

    def __init__(self, database: Database, run: Run, watch: Watch, encode: Encode) -> None:
        self._database = database
        self._run = run
        self._watch = watch
        self._encode = encode
        self._batches: list[Planned] = []  # that are not stored
        self._stored = run.planned_batches
        self._selected = run.rows_selected
        self._unchanged = run.rows_unchanged
        self._available = run.rows_available or 0
        self._is_truncated = run.is_truncated

    def plan(self, result: Result) -> None:
        """Plan the rest of a result. Raises `Ended` where the deadline comes first; the next leg goes on."""
        if self._run.mode == "changed":
            self._fold()
            self._plan_changes(result.rows(self._run.planned_position))
        else:
            self._plan_all(result.bounds(self._run.planned_position))
        self._store(0, is_whole=True)

    def _plan_all(self, bounds: Iterator[Bounds]) -> None:
        """Plan every row up to the limit. The query was told to give one row more."""
        while not self._is_truncated and (rows := list(islice(bounds, self._run.batch_size))):
            room = self._run.row_limit - self._selected
            self._is_truncated = len(rows) > room
            for some in _light_enough(rows[:room]):
                self._add(some[0][0], len(some))
            self._keep_up(rows[-1][1])

    def _plan_changes(self, rows: Iterator[Located]) -> None:
        """Plan the rows that the partner has not, or not as they are now, up to the limit; count the others."""
        batch = _OpenBatch()
        while chunk := list(islice(rows, COMPARED_AT_ONCE)):
            for located, is_known in zip(chunk, self._are_known(chunk), strict=True):
                if is_known:
                    self._unchanged += 1
                    batch.pass_by()
                    continue
                self._available += 1
                if self._selected + batch.count >= self._run.row_limit:
                    self._is_truncated = True
                    continue
                batch.add(located.position, located.end)
                if batch.count >= self._run.batch_size or batch.size >= MAX_BATCH_BYTES:
                    self._close(batch)
            self._keep_up(chunk[-1].end, batch)
        self._close(batch)

    def _are_known(self, rows: list[Located]) -> list[bool]:
        """Return of each row whether the partner has it as it is."""
        found = [self._encode(located.row)[1] or b"" for located in rows]
        keys = [hashes[:HASH_BYTES] for hashes in found]
        run = self._run
        known = self._database.statement(known_queries.known, run.table_name, run.destination, keys)
        return [known.get(hashes[:HASH_BYTES]) == hashes[HASH_BYTES:] for hashes in found]

    def _fold(self) -> None:
        """Take into account what was sent since the last comparison."""
        run = self._run
        while self._database.statement(known_queries.fold, run.table_name, run.destination, FOLDED_AT_ONCE):
            self._watch.check()
            self._watch.expect_time()

    def _close(self, batch: _OpenBatch) -> None:
        if batch.count:
            self._add(batch.begin, batch.count, batch.picks())
            batch.clear()

    def _add(self, position: int, count: int, picks: list[int] | None = None) -> None:
        number = self._stored + len(self._batches) + 1
        self._batches.append(Planned(number, self._selected + 1, count, position, picks))
        self._selected += count

    def _keep_up(self, end: int, batch: _OpenBatch | None = None) -> None:
        """Store what is planned up to `end` where it is much, or where the leg ends here."""
        self._watch.report(Progress("plan", self._selected))
        ended = self._ending()
        if ended or len(self._batches) >= STORED_AT_ONCE:
            if batch:
                self._close(batch)
            self._store(end)
        if ended:
            raise ended

    def _ending(self) -> Ended | None:
        try:
            self._watch.check()
            self._watch.expect_time()
        except Ended as ended:
            return ended
        return None

    def _store(self, position: int, is_whole: bool = False) -> None:
        is_counting = self._run.mode == "changed" and (self._is_truncated or not is_whole)
        progress = PlanProgress(
            position,
            self._stored + len(self._batches),
            self._selected,
            self._unchanged,
            self._available if is_counting else None,
            self._is_truncated,
            is_whole,
        )
        with self._database.transaction() as cursor:
            if not batch_queries.has_run(cursor, self._watch.leg):
                raise Superseded
            batch_queries.plan(cursor, self._watch.leg, self._batches, progress)
        self._stored += len(self._batches)
        self._batches = []


def _light_enough(rows: list[Bounds]) -> Iterator[list[Bounds]]:
    """Give rows together as long as they are no more than a batch may weigh."""
    if rows and rows[-1][1] - rows[0][0] <= MAX_BATCH_BYTES:
        yield rows
        return
    some: list[Bounds] = []
    for row in rows:
        if some and row[1] - some[0][0] > MAX_BATCH_BYTES:
            yield some
            some = []
        some.append(row)
    if some:
        yield some


class _OpenBatch:
    """The rows of the batch that is being filled."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin an empty one."""
        self.begin = 0
        self.count = 0
        self.size = 0
        self._passed = 0  # rows since its first one, picked or not
        self._picks: list[int] = []

    def add(self, begin: int, end: int) -> None:
        """Take a row in."""
        if not self.count:
            self.begin = begin
        self._picks.append(self._passed)
        self._passed += 1
        self.count += 1
        self.size += end - begin

    def pass_by(self) -> None:
        """Leave a row out."""
        if self.count:
            self._passed += 1

    def picks(self) -> list[int] | None:
        """Return which rows from the first one on belong to it, None where it is all of them."""
        return None if self._picks[-1] == self.count - 1 else self._picks
