"""The tables of the lake that may be exported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from service.exports.lake.types import Type


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    name: str
    type: Type


@dataclass(frozen=True)
class Table:
    """A table that may be exported.

    `key` are the columns that tell its rows apart, empty where nobody has said; `date_column` is the one that
    `date_filter` is about.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    date_column: str | None = None

    def column(self, name: str) -> Column | None:
        """Return the column of this name, None where there is none."""
        return next((column for column in self.columns if column.name == name), None)


class Catalog(Protocol):
    """What tables there are. Both raise `EngineUnavailable` or `ConfigError` where that cannot be told."""

    def names(self) -> tuple[str, ...]:
        """Return the names of all tables."""

    def columns(self, name: str) -> tuple[Column, ...] | None:
        """Return the columns of a table, None where there is no such table."""
