"""The result of a query as a file in Athena's dialect of CSV, which both engines leave, read while it comes.

A line of names, then the rows. Each value stands in double quotes, which are doubled inside of it; NULL is nothing at
all between the commas, so that it is not `""`. A row ends with a line feed, the last one too; between quotes any
character may stand. So a row is over at a line feed with an even number of quotes before it, and what `split` finds
between its quotes is, by turns, commas and values.

A position is the offset of a byte. Memory is bounded by a piece and by the longest row, which is bounded, too.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Protocol

from service.exports.lake.engine import EngineError, EngineUnavailable, Located, Row

PIECE_BYTES = 256 * 1024
LONGEST_ROW_BYTES = 16 * 1024 * 1024

_Records = Generator[
    tuple[int, list[bytes]], None, None
]  # rows without their line feeds, and the position of the first of them


class Source(Protocol):
    """The bytes of a file from an offset on."""

    def read(self, size: int, /) -> bytes:
        """Return up to so many bytes, none at the end."""

    def close(self) -> None:
        """Let go of them."""


class ResultFile:
    """A `Result`: the rows of a file that `open` opens at an offset, which may be the end of the file.

    `columns` is how many there are; where it is not given, the line of names is asked. A file that ends within a row is
    not all there, which is `EngineUnavailable`; what is not in the dialect, or no row of so many columns, is an
    `EngineError`.
    """

    def __init__(self, open: Callable[[int], Source], columns: int | None = None) -> None:  # noqa: A002
        self._open = open
        self._columns = columns
        self._sources: set[Source] = set()

    def rows(self, position: int = 0) -> Iterator[Located]:
        """Give the rows from a position on."""
        columns = self._columns or self._count()
        plain = ["", *[","] * (columns - 1), ""]  # what is outside of the quotes where there is neither NULL nor quote
        make = tuple.__new__  # in a third of the time that the class takes
        for at, records in self._rows(position):
            end = at
            for record in records:
                start, end = end, end + len(record) + 1
                parts = _parts(record)
                row = parts[1::2] if parts[::2] == plain else _read(parts, columns)
                yield make(Located, (start, end, row))

    def bounds(self, position: int = 0) -> Iterator[tuple[int, int]]:
        """Give the beginning and the end of each row from a position on."""
        for at, records in self._rows(position):
            end = at
            for record in records:
                start, end = end, end + len(record) + 1
                yield start, end

    def close(self) -> None:
        """Close what is open; whoever is reading cannot go on."""
        while self._sources:
            self._sources.pop().close()

    def _count(self) -> int:
        """Return the number of names in the first line."""
        with closing(self._records(0)) as blocks:
            _, records = next(blocks)
            self._columns = len(_read(_parts(records[0])))
        return self._columns

    def _rows(self, position: int) -> _Records:
        for at, records in self._records(position):
            if at == 0:
                names = records.pop(0)
                yield len(names) + 1, records
            else:
                yield at, records

    def _records(self, position: int) -> _Records:
        """Give what is in the file from a position on, the line of names, too."""
        source = self._open(position)
        self._sources.add(source)
        try:
            yield from _split(source, position)
        finally:
            self._sources.discard(source)
            source.close()


def _split(source: Source, position: int) -> _Records:
    """Give what is whole in each piece that is read."""
    begun: list[bytes] = []  # the lines of a row whose quotes are still open
    rest = b""  # of a piece, after its last line feed
    while piece := source.read(PIECE_BYTES):
        lines = (rest + piece).split(b"\n")
        rest = lines.pop()
        if begun or [line for line in lines if line.count(b'"') & 1]:
            lines, begun = _joined(begun, lines)
        if lines:
            length = sum(map(len, lines)) + len(lines)
            yield position, lines
            position += length
        if len(rest) + sum(map(len, begun)) > LONGEST_ROW_BYTES:
            raise EngineError(f"the result holds a row of more than {LONGEST_ROW_BYTES} bytes")
    if rest or begun or position == 0:
        raise EngineUnavailable("the result is not all there: it ends within a row")


def _joined(begun: list[bytes], lines: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Return the rows that are whole, and the beginning of one that is not."""
    records = []
    for line in lines:
        is_odd = line.count(b'"') & 1
        if begun:
            begun.append(line)
            if is_odd:
                records.append(b"\n".join(begun))
                begun = []
        elif is_odd:
            begun = [line]
        else:
            records.append(line)
    return records, [b"\n".join(begun)] if begun else []


def _parts(record: bytes) -> list[str]:
    """Return what is outside and what is inside of the quotes of a row, by turns."""
    try:
        return record.decode().split('"')
    except UnicodeDecodeError:
        raise EngineError("the result is not UTF-8") from None


def _read(parts: list[str], columns: int | None = None) -> Row:
    """Return the values of a row, of so many columns. Nothing between two values is a quote that was doubled."""
    row: Row = [None] * len(parts[0])
    if len(parts) == 1:
        row.append(None)
    else:
        value = parts[1]
        for outside, inside in zip(parts[2:-1:2], parts[3::2], strict=True):
            if outside:
                row.append(value)
                row += [None] * (len(outside) - 1)
                value = inside
            else:
                value += '"' + inside
        row.append(value)
        row += [None] * len(parts[-1])
    if "".join(parts[::2]).strip(","):
        raise EngineError("the result is not in Athena's dialect of CSV: a value stands outside of quotes")
    if columns is not None and len(row) != columns:
        raise EngineError(f"the result holds a row of {len(row)} columns where {columns} were asked for")
    return row
