"""A query over one table, before any engine's words: which columns, under which condition, how many rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import exp

    from service.exports.lake.catalog import Column


@dataclass(frozen=True)
class Statement:
    """A query. Its condition is built here and nowhere else: no text of a client stands in it as it was sent.

    The condition holds a question mark (`exp.Placeholder`) for each of `parameters`, in their order, and names columns
    by their quoted names alone. `limit` is None where every row is meant.
    """

    table: str
    columns: tuple[Column, ...]
    condition: exp.Expression | None
    parameters: tuple[str, ...]
    limit: int | None
