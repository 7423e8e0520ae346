"""The table: one row for each measurement, its target and whether it is met."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

MARKS = ("<!-- benchmarks: begin -->", "<!-- benchmarks: end -->")
COLUMNS = ("measurement", "ours", "IQR", "beside it", "median", "ratio", "target", "met")


class Spread(NamedTuple):
    """The median of samples, and their first and third quartile."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Spread:
        """Return the spread of at least one sample."""
        low, median, high = statistics.quantiles(samples, n=4) if len(samples) > 1 else (*samples, *samples, *samples)
        return cls(median, low, high)


@dataclass(frozen=True)
class Row:
    """One measurement of ours beside a floor or a peer. `at_most` and `at_least` say of what the target speaks."""

    name: str
    unit: str
    ours: Spread
    beside: str = ""
    theirs: Spread | None = None
    ratio_at_most: float | None = None
    ratio_at_least: float | None = None
    at_most: float | None = None
    shows_ratio: bool = True

    @property
    def ratio(self) -> float | None:
        """Return ours over theirs."""
        return self.ours.median / self.theirs.median if self.theirs and self.shows_ratio else None

    @property
    def is_met(self) -> bool | None:
        """Return whether the target is met, None where there is none."""
        if self.at_most is not None:
            return self.ours.median <= self.at_most
        if self.ratio is None or (self.ratio_at_most is None and self.ratio_at_least is None):
            return None
        return (self.ratio_at_least or 0) <= self.ratio <= (self.ratio_at_most or float("inf"))

    def cells(self) -> tuple[str, ...]:
        """Return the row's texts, in the order of `COLUMNS`."""
        target = ""
        if self.at_most is not None:
            target = f"≤ {self.at_most:g} {self.unit}"
        elif self.ratio_at_most is not None:
            target = f"≤ {self.ratio_at_most:g}x"
        elif self.ratio_at_least is not None:
            target = f"≥ {self.ratio_at_least:g}x"
        return (
            self.name,
            f"{_number(self.ours.median)} {self.unit}",
            f"{_number(self.ours.low)} to {_number(self.ours.high)}",
            self.beside,
            f"{_number(self.theirs.median)} {self.unit}" if self.theirs else "",
            f"{self.ratio:.2f}x" if self.ratio else "",
            target,
            {True: "yes", False: "NO", None: ""}[self.is_met],
        )


@dataclass(frozen=True)
class Report:
    """All that one run has found. `notes` are sentences below the table, `sections` longer texts behind it."""

    rows: list[Row]
    notes: list[str]
    sections: list[str]
    postgres: str

    def text(self) -> str:
        """Return the table for a terminal."""
        lines = [COLUMNS, *(row.cells() for row in self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
        table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines]
        table.insert(1, "  ".join("-" * width for width in widths))
        notes = [f"* {note}" for note in self.notes]
        return "\n".join([self._machine(), "", *(line.rstrip() for line in table), "", *notes, *self.sections])

    def markdown(self) -> str:
        """Return the table for the documentation."""
        lines = [COLUMNS, ("---",) * len(COLUMNS), *(row.cells() for row in self.rows)]
        table = [f"| {' | '.join(line)} |" for line in lines]
        return "\n".join([self._machine(), "", *table, "", *(f"* {note}" for note in self.notes)])

    def write(self, path: Path) -> None:
        """Put the table into a document, between its marks; make the document where there is none."""
        begin, end = MARKS
        text = path.read_text() if path.exists() else f"# Benchmarks\n\n`make bench` prints this.\n\n{begin}\n{end}\n"
        before, _, rest = text.partition(begin)
        _, mark, after = rest.partition(end)
        if not mark:
            raise ValueError(f"{path.name} does not hold the marks {begin} and {end}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{before}{begin}\n{self.markdown()}\n{end}{after}")

    def _machine(self) -> str:
        return (
            f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} CPUs, Python {platform.python_version()},"
            f" PostgreSQL {self.postgres} (fsync on, synchronous commit)."
        )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
