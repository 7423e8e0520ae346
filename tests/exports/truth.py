"""What is true after each leg of a run: the partner's record and the run's books say the same of every row."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tests.exports.rows import Record, parse, text
from tests.partner import Partner

Sql = Callable[..., list[tuple[Any, ...]]]

OPEN = ("planned", "sending")
RUN = """
SELECT status, is_planned, planned_batches, batch_size, rows_selected, rows_sent, rows_rejected, counts.sent,
       counts.rejected, is_truncated, rows_available, rows_unchanged, row_limit, error_message, ended_at IS NOT NULL,
       table_name, legs
FROM export_runs, export_counts(id) AS counts
WHERE id = %s
"""
BATCHES = """
SELECT number, part, coalesce(total, planned_batches), state, first_row, row_count, skipped, reject_ids,
       batches.rejected, attempts, began_at IS NOT NULL, settled_at IS NOT NULL, note
FROM export_batches AS batches
JOIN export_runs ON id = run_id
WHERE run_id = %s
ORDER BY number, part
"""
REJECTS = """
SELECT id, row_number, batch_number, payload, reason, attempts, sent_at IS NOT NULL
FROM export_rejects
WHERE run_id = %s
ORDER BY row_number
"""


class Run(NamedTuple):
    status: str
    is_planned: bool
    planned_batches: int
    batch_size: int
    rows_selected: int
    rows_sent: int
    rows_rejected: int
    sent: int
    rejected: int
    is_truncated: bool
    rows_available: int | None
    rows_unchanged: int
    row_limit: int
    error_message: str | None
    has_ended: bool
    table_name: str
    legs: int


class Batch(NamedTuple):
    number: int
    part: str
    total: int
    state: str
    first_row: int
    row_count: int
    skipped: int
    reject_ids: list[int] | None
    rejected: int
    attempts: int
    has_begun: bool
    is_settled: bool
    note: str | None

    @property
    def name(self) -> str:
        return f"{self.number}.{self.part}" if self.part else str(self.number)


class Reject(NamedTuple):
    id: int
    row_number: int
    batch_number: int
    payload: str
    reason: str
    attempts: int
    is_sent: bool


class Books:
    """All that the database says of a run, and all that the partner says."""

    def __init__(self, partner: Partner, sql: Sql, run_id: str) -> None:
        self.run = Run(*sql(RUN, run_id)[0])
        self.batches = [Batch(*row) for row in sql(BATCHES, run_id)]
        self.rejects = [Reject(*row) for row in sql(REJECTS, run_id)]
        self.open_rejects = [reject for reject in self.rejects if not reject.is_sent]
        self.accepted = _by_key(partner.rows, run_id)
        self.refused = _by_key(partner.records.refused, run_id)
        self.requests: dict[str, set[bytes]] = defaultdict(set)
        self.bodies: dict[str, Any] = {}
        for request in partner.requests:
            key = request.headers.get("idempotency-key", "")
            if key.startswith(f"{run_id}-"):
                digest = hashlib.sha256(request.body).digest()
                if digest not in self.requests[key]:
                    self.requests[key].add(digest)
                    self.bodies[key.removeprefix(f"{run_id}-")] = json.loads(request.body)
        self.taken = Counter(text(row) for rows in self.accepted.values() for row in rows)
        again = {one for batch in self.batches if batch.state == "sending" for one in batch.reject_ids or ()}
        self.left = Counter(
            found
            for reject in self.open_rejects
            if (found := text(parse(reject.payload))) not in self.taken or reject.id not in again
        )  # but for those that were taken by now, as nobody knows yet


def _by_key(rows: Sequence[Any], run_id: str) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = defaultdict(list)
    for one in rows:
        if one.key.startswith(f"{run_id}-"):
            found[one.key.removeprefix(f"{run_id}-")].append(one.row)
    return found


def assert_true(
    partner: Partner, sql: Sql, run_id: str, rows: list[Record], *, is_cut: bool = False, is_plain: bool = True
) -> Run:
    """Hold a run to what it says; return it. `rows` are those that it selects, in their order.

    With `is_cut` it selects only some of them. A partner that is not `is_plain` refuses more than it can say of rows.
    Of a batch with a note nobody knows which of its rows were taken, and the run says so.
    """
    books = Books(partner, sql, run_id)
    run = books.run
    assert partner.violations == []
    assert partner.leaks == []
    assert partner.impolite == 0
    assert [key for key, digests in books.requests.items() if len(digests) > 1] == []
    _assert_planned(books, rows, is_cut)
    _assert_halved(books)
    _assert_sent(books, is_plain)
    _assert_refused(books, partner, rows, is_cut, is_plain)
    _assert_counted(books)
    expected = Counter(map(text, rows))
    told = books.taken + books.left
    assert told <= expected, f"{list((told - expected).elements())[:3]} were taken or refused twice"
    if run.status in ("SUCCEEDED", "PARTIAL"):
        assert run.is_planned
        assert not [batch.name for batch in books.batches if batch.state in OPEN]
        unknown = sum(
            batch.row_count - batch.rejected - len(books.accepted.get(batch.name, ()))
            for batch in books.batches
            if batch.state == "sent" and batch.note
        )
        assert told.total() + unknown == run.rows_selected
        assert is_cut or unknown or told == expected, list((expected - told).elements())[:3]
    notes = [batch.note for batch in books.batches if batch.state == "sent" and batch.note]
    if run.status == "SUCCEEDED":
        assert (books.open_rejects, notes, run.error_message) == ([], [], None)
    if run.status == "PARTIAL":
        assert books.open_rejects or notes
    assert run.has_ended == (run.status not in ("RUNNING", "CONTINUES"))
    return run


def _assert_planned(books: Books, rows: list[Record], is_cut: bool) -> None:
    """Check that whole batches follow each other from the first row to the last, and say how many there are."""
    run = books.run
    whole = [batch for batch in books.batches if not batch.part and batch.reject_ids is None]
    again = [batch for batch in books.batches if not batch.part and batch.reject_ids is not None]
    assert [batch.number for batch in whole] == list(range(1, run.planned_batches + 1))
    first_row = 1
    for batch in whole:
        assert (batch.first_row, batch.total) == (first_row, run.planned_batches)
        assert 1 <= batch.row_count <= run.batch_size
        first_row += batch.row_count
    assert first_row - 1 == run.rows_selected <= run.row_limit
    if run.is_planned:
        assert is_cut or run.rows_selected == len(rows)
    else:
        assert all(batch.state == "planned" for batch in books.batches), "nothing is sent before all is planned"
    for batch in again:
        assert batch.number <= batch.total
        assert batch.reject_ids is not None
        assert len(batch.reject_ids) == batch.row_count <= run.batch_size
        assert batch.first_row == 0
    assert [batch.number for batch in again] == [run.planned_batches + place for place in range(1, len(again) + 1)]


def _assert_halved(books: Books) -> None:
    """Check that a batch that was split has two halves, which are all of it."""
    named = {(batch.number, batch.part): batch for batch in books.batches}
    for batch in books.batches:
        stem = f"{batch.part}." if batch.part else ""
        halves = [named.pop((batch.number, f"{stem}{half}"), None) for half in "12"]
        if batch.state != "split":
            assert halves == [None, None]
            continue
        first, second = halves
        assert first is not None
        assert second is not None
        assert first.row_count + second.row_count == batch.row_count
        assert (first.skipped, second.skipped) == (batch.skipped, batch.skipped + first.row_count)
        assert first.total == second.total == batch.total
        if batch.reject_ids is not None:
            assert (first.reject_ids or []) + (second.reject_ids or []) == batch.reject_ids
        else:
            assert (first.first_row, second.first_row) == (batch.first_row, batch.first_row + first.row_count)
    assert not [batch for batch in named.values() if batch.part], "there are halves of nothing"


def _assert_sent(books: Books, is_plain: bool) -> None:
    """Check what the partner has taken and refused under each key, and that nothing was sent before it was noted."""
    names = {batch.name for batch in books.batches}
    assert (books.bodies.keys() | books.accepted.keys()) - names == set()
    for batch in books.batches:
        body, taken = books.bodies.get(batch.name), len(books.accepted.get(batch.name, ()))
        if body is not None:
            assert (body["batch_number"], body["total_batches"]) == (batch.number, batch.total)
            assert len(body["records"]) == batch.row_count
            assert batch.has_begun, f"batch {batch.name} was sent before that was noted"
        assert batch.is_settled == (batch.state not in OPEN)
        if batch.is_settled:
            assert batch.attempts > 0
            assert body is not None, f"batch {batch.name} is settled, and nobody has seen it"
        if batch.state in ("sent", "rejected"):
            is_known = batch.state == "rejected" or batch.note is None
            assert not is_known or taken == batch.row_count - batch.rejected, f"{taken} of {batch}"
            assert not is_known or not is_plain or len(books.refused.get(batch.name, ())) == batch.rejected
        elif batch.state in ("planned", "split"):
            assert taken == 0
        assert batch.state != "rejected" or (batch.row_count, batch.rejected) == (1, 1)


def _assert_refused(books: Books, partner: Partner, rows: list[Record], is_cut: bool, is_plain: bool) -> None:
    """Check that rejects are rows that the partner refused, and hold its reason."""
    told = Counter(text(row) for refused in books.refused.values() for row in refused)
    for reject in books.rejects:
        found = parse(reject.payload)
        assert 1 <= reject.row_number <= books.run.rows_selected
        assert is_cut or text(found) == text(rows[reject.row_number - 1])
        assert not is_plain or told[text(found)] > 0
        assert reject.is_sent <= (books.taken[text(found)] > 0)
        reason = partner.records.refuses(found)
        if reason is not None and is_plain:
            assert reason in reject.reason or any(applied.kind == "truncate" for applied in partner.applied)
        assert reject.reason
        assert reject.attempts >= 1
        assert any(batch.number == reject.batch_number for batch in books.batches)


def _assert_counted(books: Books) -> None:
    """Check that selected = sent + rejected + remaining."""
    run = books.run
    if run.status != "RUNNING":
        assert (run.rows_sent, run.rows_rejected) == (run.sent, run.rejected)
    remaining = sum(b.row_count for b in books.batches if b.state in OPEN and b.reject_ids is None)
    assert run.rows_selected == run.sent + run.rejected + remaining
    assert run.rejected == len(books.open_rejects)
    unknown = sum(batch.row_count for batch in books.batches if batch.state == "sending")
    noted = sum(batch.row_count for batch in books.batches if batch.state == "sent" and batch.note)
    assert run.sent - noted <= books.taken.total() <= run.sent + unknown
