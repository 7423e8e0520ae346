"""What an export needs of whoever runs its query: start it, watch it, stop it, and read its result more than once.

    EngineError
    ├── QueryRefused           the query itself is at fault: it would fail again
    └── EngineUnavailable      it may work later, after `seconds`

A result does not change, and may be read from any of its positions: a run that goes on where another process stopped
reads what that one would have read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from service.exports.lake.catalog import Catalog, Table
from service.exports.selection.statement import Statement

Row = list[str | None]  # a text for each column, as `values` reads them; None is NULL


class EngineError(Exception):
    """The engine did not do what was asked. `reason` may be shown to anybody who may export."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class QueryRefused(EngineError):
    """The engine does not take the query, or has failed over it, and would again."""


class EngineUnavailable(EngineError):
    """The engine cannot be had now; it is worth another try after `seconds`."""

    def __init__(self, reason: str, seconds: float = 0) -> None:
        super().__init__(reason)
        self.seconds = seconds


class Text(NamedTuple):
    """A query in the words of one engine, and the texts that are bound to its question marks."""

    sql: str
    parameters: tuple[str, ...]


class QueryState(NamedTuple):
    """How a query is: RUNNING (or waiting), SUCCEEDED, FAILED or CANCELLED; why it failed, and whether to try again."""

    state: str
    reason: str | None = None
    is_retryable: bool = False


class Located(NamedTuple):
    """A row of a result, the position where it begins, and the position behind it."""

    position: int
    end: int
    row: Row


class Result(Protocol):
    """The rows of a query that has succeeded.

    A position is a number that grows from row to row: 0 is the first row; what it counts is the result's own affair.
    Both raise `EngineError`.
    """

    def rows(self, position: int = 0) -> Iterator[Located]:
        """Give the rows from a position on, in the order of the result, which is always the same."""

    def bounds(self, position: int = 0) -> Iterator[tuple[int, int]]:
        """Give the beginning and the end of each row from a position on, without reading what is in it."""

    def close(self) -> None:
        """Let go of what was opened."""


class Engine(Protocol):
    """Runs queries over the lake. Safe to share between threads; opens nothing before its first use."""

    name: str
    catalog: Catalog

    def render(self, table: Table, statement: Statement) -> Text:
        """Return a statement as this engine's SQL."""

    def render_count(self, table: Table, statement: Statement) -> Text:
        """Return the query that counts the rows of a statement, without its limit."""

    def start(self, text: Text, token: str) -> str:
        """Start a query; return its id. The same token starts the same query once only, and gives the same id."""

    def look(self, query_id: str) -> QueryState:
        """Return how a query is."""

    def stop(self, query_id: str) -> None:
        """Stop a query; one that has ended stays as it is."""

    def result(self, query_id: str) -> Result:
        """Return the rows of a query that has succeeded."""
