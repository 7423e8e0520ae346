"""Athena's dialect of CSV, read from a stream: against Python's own reader, and against one that reads it slowly."""

from __future__ import annotations

import csv
import io
import time
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.exports.lake import result_file as module
from service.exports.lake.engine import EngineError, EngineUnavailable, Row
from service.exports.lake.result_file import ResultFile

TEXTS = st.text(st.sampled_from('",\n\r ab é🙂'), max_size=6) | st.text(st.characters(exclude_categories=["Cs"]))


class Stream(io.BytesIO):
    """A stream that gives as little as it may at once, and knows whether it was closed."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 1, self.most))

    most = 1 << 30


def of(content: bytes, columns: int | None = None, most: int = 1 << 30) -> ResultFile:
    def open_at(position: int) -> Stream:
        stream = Stream(content)
        stream.most = most
        stream.seek(position)
        opened.append(stream)
        return stream

    opened: list[Stream] = []
    found = ResultFile(open_at, columns)
    found.opened = opened  # type: ignore[attr-defined]
    return found


def written(rows: list[Row], columns: int) -> bytes:
    def field(text: str | None) -> str:
        return "" if text is None else '"' + text.replace('"', '""') + '"'

    lines = [",".join(map(field, row)) for row in [[f"c{index}" for index in range(columns)], *rows]]
    return "".join(f"{line}\n" for line in lines).encode()


def slowly(content: str) -> list[Row]:
    """Read the dialect character by character."""
    rows: list[Row] = []
    row: Row = []
    value: str | None = None
    is_inside = False
    index = 0
    while index < len(content):
        character = content[index]
        if is_inside and character == '"' and content[index + 1 : index + 2] == '"':
            value = (value or "") + '"'
            index += 1
        elif character == '"':
            is_inside = not is_inside
            value = value or ""
        elif is_inside:
            value = (value or "") + character
        else:
            row.append(value)
            value = None
            if character == "\n":
                rows.append(row)
                row = []
        index += 1
    return rows


@st.composite
def tables(draw: st.DrawFn) -> tuple[int, list[Row]]:
    columns = draw(st.integers(1, 4))
    return columns, draw(st.lists(st.lists(st.none() | TEXTS, min_size=columns, max_size=columns), max_size=6))


@settings(max_examples=200, deadline=None)
@given(table=tables(), piece=st.integers(1, 9), is_told=st.booleans())
def test_any_rows_are_read_as_they_were_written(table: tuple[int, list[Row]], piece: int, is_told: bool) -> None:
    columns, rows = table
    content = written(rows, columns)

    result = of(content, columns if is_told else None, piece)
    found = list(result.rows())

    assert [located.row for located in found] == rows == slowly(content.decode())[1:]
    assert list(result.bounds()) == [(located.position, located.end) for located in found]
    for index, located in enumerate(found):
        assert list(result.rows(located.position)) == found[index:]
    assert [located.end for located in found[-1:]] in ([], [len(content)])


@settings(max_examples=200, deadline=None)
@given(rows=st.lists(st.lists(TEXTS, min_size=2, max_size=4).filter(any), min_size=1, max_size=5))
def test_values_are_those_of_pythons_csv(rows: list[list[str]]) -> None:
    rows = [row for row in rows if len(row) == len(rows[0])]
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([["c"] * len(rows[0]), *rows])

    assert [located.row for located in of(out.getvalue().encode()).rows()] == rows


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b'"a"\n', []),
        (b'"a"\n\n', [[None]]),
        (b'"a"\n\n""\n\n', [[None], [""], [None]]),
        (b'"a","b"\n,\n', [[None, None]]),
        (b'"a","b"\n"",\n,""\n', [["", None], [None, ""]]),
        (b'"a","b"\n"""",""""""\n', [['"', '""']]),
        (b'"a","b"\n"\n\n","\r\n"\n', [["\n\n", "\r\n"]]),
        (b'"a","b"\n",",",,"\n', [[",", ",,"]]),
        (b'"a\n""x"\n"1"\n', [["1"]]),
    ],
    ids=["no rows", "a NULL", "NULL and empty", "two NULLs", "one of each", "quotes", "line feeds", "commas", "a name"],
)
def test_what_is_special_is_read(content: bytes, rows: list[Row]) -> None:
    for piece in (1, 2, 1000):
        assert [located.row for located in of(content, most=piece).rows()] == rows


BROKEN: dict[str, tuple[bytes, type[EngineError]]] = {
    "nothing": (b"", EngineUnavailable),
    "half a line of names": (b'"a","b', EngineUnavailable),
    "open quotes": (b'"a","b"\n"1","2', EngineUnavailable),
    "open quotes and lines": (b'"a","b"\n"1","2\n\n', EngineUnavailable),
    "no line feed": (b'"a","b"\n"1","2"', EngineUnavailable),
    "too few columns": (b'"a","b"\n"1"\n', EngineError),
    "too many columns": (b'"a","b"\n"1","2",\n', EngineError),
    "an empty line": (b'"a","b"\n\n', EngineError),
    "no quotes": (b'"a","b"\n1,"2"\n', EngineError),
    "text behind quotes": (b'"a","b"\n"1"x,"2"\n', EngineError),
    "carriage returns": (b'"a","b"\n"1","2"\r\n', EngineError),
    "another encoding": (b'"a","b"\n"1","\xff"\n', EngineError),
}


@pytest.mark.parametrize(("content", "kind"), BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("piece", [1, 1000])
def test_what_is_broken_is_not_read(content: bytes, kind: type[EngineError], piece: int) -> None:
    with pytest.raises(EngineError) as error:
        list(of(content, most=piece).rows())

    assert type(error.value) is kind


def test_other_columns_than_were_asked_for_are_not_read() -> None:
    with pytest.raises(EngineError, match="2 columns where 3 were asked for"):
        list(of(b'"a","b"\n"1","2"\n', columns=3).rows())


def test_a_long_row_is_read_and_a_longer_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    long = 'x,"\n' * 250_000
    content = written([["1", long], ["2", None]], 2)

    assert [located.row for located in of(content).rows()] == [["1", long], ["2", None]]

    monkeypatch.setattr(module, "LONGEST_ROW_BYTES", 500_000)
    with pytest.raises(EngineError, match="more than 500000 bytes"):
        list(of(content).rows())
    with pytest.raises(EngineError, match="more than 500000 bytes"):
        list(of(content).bounds())


def test_memory_does_not_grow_with_the_file() -> None:
    row = b'"' + b"x" * 1000 + b'","y"\n'

    class Endless:
        """A file of 200 MB, which is nowhere."""

        def __init__(self) -> None:
            self.left = 200_000
            self.rest = b'"a","b"\n'

        def read(self, size: int, /) -> bytes:
            count = min(size // len(row), self.left)
            self.left -= count
            piece, self.rest = self.rest + row * count, b""
            return piece

        def close(self) -> None:
            pass

    tracemalloc.start()
    try:
        assert sum(1 for _ in ResultFile(lambda position: Endless(), 2).bounds()) == 200_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * module.PIECE_BYTES


def test_streams_are_closed() -> None:
    content = written([["1"], ["2"]], 1)
    result = of(content)

    list(result.rows())
    next(rows := result.rows())
    next(result.bounds())
    result.close()

    assert all(stream.closed for stream in result.opened)  # type: ignore[attr-defined]
    assert rows


def test_rows_come_fast_and_bounds_faster() -> None:
    content = written([[f"{index}", *["some text"] * 6, None] for index in range(50_000)], 8)

    rows = seconds(lambda: sum(1 for _ in of(content).rows()))
    bounds = seconds(lambda: sum(1 for _ in of(content).bounds()))

    assert 50_000 / rows > 100_000  # four times that, where nothing else runs
    assert rows > 3 * bounds


def seconds(work: Callable[[], object]) -> float:
    """Return how long a work takes at best."""
    taken = []
    for _ in range(3):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return min(taken)
