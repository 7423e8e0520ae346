"""`filters`: conditions on one column each, all of which a row must meet.

    {"column": "region", "op": "in", "value": ["US", "CA"]}

`ne` is SQL's `<>`: a row whose value is NULL does not meet it, nor any other but `is_null`. NaN counts as NULL does.
`like` is about texts; `%` is any text, `_` any character, and a backslash before them means themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from service.exports.lake.catalog import Column
from service.exports.selection import nodes, patterns
from service.exports.selection.values import COMPARABLE, ORDERED, Misfit, text_of

if TYPE_CHECKING:
    from sqlglot import exp

EQUALITIES = {"eq": "EQ", "ne": "NEQ"}
ORDERS = {"lt": "LT", "le": "LTE", "gt": "GT", "ge": "GTE"}
OPS = (*EQUALITIES, *ORDERS, "in", "between", "like", "is_null")
MAX_FILTERS = 50
MAX_OPTIONS = 200  # of `in`


@dataclass(frozen=True)
class Filter:
    """A condition on one column. `value` is what JSON gave: a list for `in` and `between`, else a single value."""

    column: str
    op: str
    value: Any


class Misplaced(Exception):
    """A rule is broken at `place` of a filter: `op`, `value` or `value[3]`."""

    def __init__(self, place: str, rule: str) -> None:
        super().__init__(rule)
        self.place = place
        self.rule = rule


def condition_of(asked: Filter, column: Column) -> exp.Expression:
    """Return a filter as a condition on its column. Raises `Misplaced`."""
    from sqlglot import exp

    kind = column.type.kind
    if asked.op == "is_null":
        is_null = nodes.parenthesized(exp.Is, nodes.named(column), exp.Null())
        return is_null if asked.value else nodes.parenthesized(exp.Not, is_null)
    if kind not in COMPARABLE:
        raise Misplaced("op", f"Must be is_null for a column of type {kind}")
    this = nodes.known(nodes.named(column), column.type)
    if asked.op in EQUALITIES:
        return nodes.parenthesized(getattr(exp, EQUALITIES[asked.op]), this, _bound(asked.value, column))
    if asked.op == "in":
        return exp.Paren(this=exp.In(this=this, expressions=_list(asked.value, column)))
    if asked.op == "like":
        if kind not in ("string", "varchar"):
            raise Misplaced("op", f"Must not be like for a column of type {kind}: it is about texts")
        return nodes.like(this, _pattern(asked.value, column))
    if kind not in ORDERED:
        raise Misplaced("op", f"Must be eq, ne, in or is_null for a column of type {kind}")
    if asked.op == "between":
        low, high = _list(asked.value, column)
        return exp.Paren(this=exp.Between(this=this, low=low, high=high))
    return nodes.parenthesized(getattr(exp, ORDERS[asked.op]), this, _bound(asked.value, column))


def _bound(value: Any, column: Column, place: str = "value") -> exp.Expression:
    try:
        return nodes.bound(text_of(value, column.type), column.type)
    except Misfit as misfit:
        raise Misplaced(place, misfit.rule) from None


def _list(values: list[Any], column: Column) -> list[exp.Expression]:
    return [_bound(value, column, f"value[{index}]") for index, value in enumerate(values)]


def _pattern(value: Any, column: Column) -> str:
    try:
        return patterns.respelled(text_of(value, column.type), patterns.ESCAPE)
    except Misfit as misfit:
        raise Misplaced("value", misfit.rule) from None
