"""A list that moves while it is read: nothing that stood in it all the time is missed, and the reading ends."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.documents import Document
from service.ingestion.paging import OVERLAP, Listing, Position, read_by_offset
from service.ingestion.records import Incomplete, Page, Record

Row = tuple[int, int]  # id and version


class Now:
    """An answer that is there already."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing

    def result(self) -> Listing:
        return self._listing


class Table:
    """A source's list: `key` orders its rows; `disturb` changes it before each answer."""

    def __init__(self, size: int, limit: int, key: Callable[[Row, int], Any], has_total: bool = True) -> None:
        self.rows: dict[int, int] = dict.fromkeys(range(size), 0)
        self.limit = limit
        self.has_total = has_total
        self.requests: list[int] = []
        self.disturb: Callable[[], None] = lambda: None
        self._key = key
        self._changed: dict[int, int] = {}
        self._clock = itertools.count(size)

    def change(self, row: int) -> None:
        self.rows[row] += 1
        self._changed[row] = next(self._clock)

    def insert(self, row: int) -> None:
        self.rows[row] = 0
        self._changed[row] = next(self._clock)

    def delete(self, row: int) -> None:
        del self.rows[row]

    def ordered(self) -> list[Row]:
        return sorted(self.rows.items(), key=lambda row: self._key(row, self._changed.get(row[0], row[0])))

    def ask(self, offset: int) -> Any:
        self.requests.append(offset)
        assert len(self.requests) < 3000, "the reading does not end"
        self.disturb()
        rows = self.ordered()[offset : offset + self.limit]
        return Now(Listing([Record(Document(row, "", [])) for row in rows], len(self.rows) if self.has_total else None))


def mark(row: Row) -> str:
    return f"{row[0]} {row[1]}"


def read(table: Table, position: Position = Position()) -> list[Page]:  # noqa: B008
    return list(read_by_offset(table.ask, mark, position))


def rows_of(pages: list[Page]) -> list[Row]:
    return [record.value for page in pages for record in page.records]


ORDERS: dict[str, Callable[[Row, int], Any]] = {
    "by change": lambda row, changed: changed,
    "newest first": lambda row, changed: -changed,
    "by id": lambda row, changed: row[0],
    "by name": lambda row, changed: (row[0] * 7919) % 1009,
}


@pytest.mark.parametrize("has_total", [True, False], ids=["with totals", "bare lists"])
@pytest.mark.parametrize("size", [0, 1, 4, 5, 6, 9, 10, 11, 20, 99, 100, 101, 250])
@pytest.mark.parametrize("limit", [1, 2, 5, 6, 10, 100])
def test_a_list_at_rest_is_read_once_and_in_order(size: int, limit: int, has_total: bool) -> None:
    table = Table(size, limit, ORDERS["by change"], has_total)
    pages = read(table)
    assert rows_of(pages) == table.ordered()
    assert (pages[-1].covered, pages[-1].total) == (size, size if has_total else None)
    assert all(page.covered is None for page in pages[:-1])


def test_a_list_at_rest_costs_few_requests() -> None:
    table = Table(1000, 100, ORDERS["by change"])
    read(table)
    assert len(table.requests) == 12  # 95 new rows each, and one that shows the end


@settings(max_examples=300, deadline=None)
@given(
    size=st.integers(0, 120),
    limit=st.integers(3, 40),
    order=st.sampled_from(sorted(ORDERS)),
    seed=st.integers(0, 2**32),
    pace=st.floats(0, 0.6),
    has_total=st.booleans(),
)
def test_rows_that_stay_are_never_missed(
    size: int, limit: int, order: str, seed: int, pace: float, has_total: bool
) -> None:
    table = Table(size, limit, ORDERS[order], has_total)
    draw = random.Random(seed)
    touched: set[int] = set()
    new = itertools.count(10_000)

    def disturb() -> None:
        while len(touched) < 80 and draw.random() < pace:
            kind = draw.choice(["insert", "change", "delete"])
            if kind == "insert" or not table.rows:
                row = next(new)
                table.insert(row)
            else:
                row = draw.choice(sorted(table.rows))
                (table.change if kind == "change" else table.delete)(row)
            touched.add(row)

    table.disturb = disturb
    try:
        pages = read(table)
    except Incomplete:
        return  # it says so
    seen = {row for row, _ in rows_of(pages)}
    assert set(range(size)) - touched <= seen
    assert has_total is False or pages[-1].covered == pages[-1].total


@settings(max_examples=200, deadline=None)
@given(size=st.integers(20, 200), limit=st.integers(3, 30), shift=st.integers(1, 60), at=st.integers(1, 8))
def test_a_burst_of_deletions_before_the_reader_costs_nothing(size: int, limit: int, shift: int, at: int) -> None:
    table = Table(size, limit, ORDERS["by id"])

    def disturb() -> None:
        if len(table.requests) == at:
            for row in sorted(table.rows)[:shift]:
                table.delete(row)

    table.disturb = disturb
    pages = read(table)
    assert {row for row, _ in rows_of(pages)} >= set(table.rows)
    assert pages[-1].covered == pages[-1].total == len(table.rows)


@settings(max_examples=200, deadline=None)
@given(size=st.integers(1, 150), limit=st.integers(3, 30), cut=st.integers(0, 20), shift=st.integers(0, 30))
def test_reading_goes_on_from_any_checkpoint_though_rows_went_meanwhile(
    size: int, limit: int, cut: int, shift: int
) -> None:
    table = Table(size, limit, ORDERS["by id"])
    first = list(itertools.islice(read_by_offset(table.ask, mark, Position()), cut))
    for row in sorted(table.rows)[:shift]:
        table.delete(row)
    checkpoint = first[-1].checkpoint if first else None
    if first and first[-1].covered is not None:
        return
    second = read(table, Position.of(checkpoint))
    assert {row for row, _ in rows_of([*first, *second])} >= set(table.rows)
    assert second[-1].covered == len(table.rows)


def test_a_list_without_any_order_is_given_up_and_says_so() -> None:
    draw = random.Random(3)
    table = Table(500, 20, lambda row, changed: draw.random())
    with pytest.raises(Incomplete, match="move faster than they can be read"):
        read(table)


def test_a_page_that_repeats_for_ever_is_found_out() -> None:
    table = Table(500, 50, ORDERS["by id"])
    ask = table.ask
    with pytest.raises(Incomplete, match="the same page again and again"):
        list(read_by_offset(lambda offset: ask(0), mark, Position()))
    assert len(table.requests) < 10


def test_a_page_that_repeats_once_is_read_over() -> None:
    table = Table(500, 50, ORDERS["by id"])
    turn = itertools.count()
    pages = list(read_by_offset(lambda offset: table.ask(45 if next(turn) == 3 else offset), mark, Position()))
    assert {row for row, _ in rows_of(pages)} == set(table.rows)
    assert pages[-1].covered == 500


@pytest.mark.parametrize("lie", [-250, -1, 1, 250])
def test_a_total_that_lies_neither_ends_the_reading_nor_is_believed(lie: int) -> None:
    table = Table(500, 50, ORDERS["by id"])

    def ask(offset: int) -> Any:
        records, total = table.ask(offset).result()
        assert total is not None
        return Now(Listing(records, total + lie))

    pages = list(read_by_offset(ask, mark, Position()))
    assert {row for row, _ in rows_of(pages)} == set(table.rows)
    assert (pages[-1].covered, pages[-1].total) == (500, 500 + lie)


def test_the_next_page_is_asked_for_before_the_last_one_is_stored() -> None:
    table = Table(500, 50, ORDERS["by id"])
    pages: Iterator[Page] = read_by_offset(table.ask, mark, Position())
    next(pages)
    assert table.requests == [0, 50 - OVERLAP]
