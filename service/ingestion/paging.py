"""Reads a list by limit and offset while it changes.

A list that is read page by page moves under the reader: a deleted row pulls the rest one place forward, and a row that
nobody has read yet slips into what counts as read. So each page begins a few rows before the end of the one before it,
and those rows must be found again, by id and version, one behind the other. Where they are not, the reader goes back,
further each time, until it finds what it knows or stands at the beginning. Rows that are read twice are stored once.

The end is not inferred from a short page. It is where nothing follows the rows that are known, and the total says so or
an empty page shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any, NamedTuple

from service.ingestion.client import Coming
from service.ingestion.records import Incomplete, Page, Record

OVERLAP = 5  # rows
REPEATS = 3
MAX_DOUBTS = 2  # about where the end is, or about rows that follow without a row that is known
MAX_READINGS = 4  # of the whole list, on account of rows that move
SPARE_ROWS = 10_000


class Listing(NamedTuple):
    """One answer of a list: its rows, and how many the whole list has, where the source says so."""

    records: list[Record]
    total: int | None


class Position(NamedTuple):
    """How far a list is read: `offset` rows, the last of which bear `marks`; `rows` with those that were read twice.

    After going back, one of the marks `sought` must be found before `until` is reached again.
    """

    offset: int = 0
    marks: tuple[str, ...] = ()
    rows: int = 0
    sought: tuple[str, ...] = ()
    until: int = 0
    steps_back: int = 0
    total: int | None = None  # the last one that the source has told

    @classmethod
    def of(cls, checkpoint: dict[str, Any] | None) -> Position:
        """Return the position in a checkpoint, the beginning where there is none."""
        if not checkpoint:
            return cls()
        return cls(**checkpoint | {name: tuple(checkpoint[name]) for name in ("marks", "sought")})

    def step_on(self, start: int, marks: list[str]) -> Position:
        """Return the position behind a page."""
        is_found = not self.sought or not set(self.sought).isdisjoint(marks)
        return Position(
            start + len(marks),
            tuple(marks[-max(1, min(OVERLAP, len(marks) // 2)) :]),
            self.rows + len(marks),
            () if is_found else self.sought,
            0 if is_found else self.until,
            0 if is_found else self.steps_back,
            self.total,
        )

    def step_back(self, rows: int) -> Position:
        """Return a position before this one, a few times `rows` further each time."""
        until = self.until or self.offset
        offset = max(0, until - max(rows, 1) * 4**self.steps_back)
        sought = (self.sought or self.marks) if offset else ()
        return Position(offset, (), self.rows, sought, until if sought else 0, self.steps_back + 1, self.total)


def read_by_offset(
    ask: Callable[[int], Coming[Listing]], mark: Callable[[Any], str], position: Position
) -> Iterator[Page]:
    """Yield the pages of a list from `position` on; the last one says how many rows the list has.

    `ask` begins to fetch what stands at an offset and behind it; `mark` tells a row in its version from all others.
    Raises `Incomplete` where the list repeats itself or moves faster than it can be read, and what the source raises.
    """
    known, start = position.marks, position.offset - len(position.marks)
    coming = ask(start)
    last: list[str] = []
    repeats = doubts = 0
    while True:
        records, total = coming.result()
        marks = [_mark(record, mark) for record in records]
        position = position._replace(total=position.total if total is None else total)
        place = _place(marks, known)
        if known and place < 0 and (once := list(dict.fromkeys(last))) != last:  # rows that stand in a page twice
            place = _place(list(dict.fromkeys(marks)), tuple(once[-len(known) :]))
            place = place if place < 0 else marks.index(list(dict.fromkeys(marks))[place])
        is_new = place + 1 < len(marks) or len(marks) > len(known)
        is_lost = set(position.sought).isdisjoint(marks) and (start >= position.until or not is_new)
        reached = start + len(marks)
        is_beyond = not known and start > 0 and position.marks != ()  # a look at what follows the rows that are known
        if (known and place < 0) or (position.sought and is_lost):
            position = position.step_back(len(last) or len(marks))
            known, start = (), position.offset
        elif not is_new and (total == reached or not (known or is_beyond) or (is_beyond and doubts == MAX_DOUBTS)):
            yield Page([], position._replace(offset=reached)._asdict(), position.total, covered=reached)
            return
        elif not is_new and known:
            position = position._replace(offset=reached)
            known, start = (), reached
        elif is_beyond and doubts < MAX_DOUBTS:
            doubts += 1
            known, start = position.marks, position.offset - len(position.marks)
        else:
            repeats = repeats + 1 if marks == last else 0
            if repeats == REPEATS:
                raise Incomplete(f"the source answers with the same page again and again, at offset {start} too")
            if position.rows > MAX_READINGS * max(total or 0, reached) + SPARE_ROWS:
                raise Incomplete("the source's pages move faster than they can be read")
            rows = zip(range(len(marks)), records, marks, strict=True)
            fresh = [record for index, record, found in rows if index > place or found not in known]
            position = position.step_on(start, marks)
            last, known, doubts = marks, position.marks, 0
            start = reached - len(known)
            coming = ask(start)
            yield Page(fresh, position._asdict(), total)
            continue
        coming = ask(start)


def _place(marks: list[str], known: tuple[str, ...]) -> int:
    """Return where in a page the last of the known rows stands, -1 where they are not there as they were.

    Some rows of a list that is in another order each time are found in any page: so they must stand together, and none
    be missing but those that slipped out at the beginning of the page, and not most of them.
    """
    for length in range(len(known), len(known) // 2, -1):
        rows = list(known[-length:])
        for start in range(len(marks) - length + 1 if length == len(known) else 1):
            if marks[start : start + length] == rows:
                return start + length - 1
    return -1


def _mark(record: Record, mark: Callable[[Any], str]) -> str:
    """Return what tells a row from all others; of one that cannot be stored the value does not."""
    return sha256(record.text.encode()).hexdigest()[:32] if record.document.violations else mark(record.value)
