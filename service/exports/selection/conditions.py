"""`where_clause`: one condition over the table's own columns, read with sqlglot and built anew.

A clause may hold AND, OR, NOT, =, <>, !=, <, <=, >, >=, IN, BETWEEN, LIKE … ESCAPE, IS [NOT] NULL, +, -, *, brackets,
numbers, texts, TRUE, FALSE, DATE '…', TIMESTAMP '…', and abs, coalesce, length, lower, substr and upper. The query that
runs means the same to every engine:

* texts compare by their code points; LIKE has no escape character unless the clause names one;
* lower and upper change each character by itself, where ß becomes ẞ; length counts code points;
* numbers are exact, as are sums and products; only floats are compared as floats, and their NaN is unknown, as NULL is;
* a text beside a date, a moment or a UUID is one; a moment without an offset is in UTC.

Left out: /, % and CAST, which can fail a run over a single row, and all that is not the same everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from service.errors import Invalid, violation
from service.exports.lake.catalog import Table
from service.exports.selection import operators
from service.exports.selection.names import find, shown
from service.exports.selection.nodes import joined, named
from service.exports.selection.operands import Operand, Typed, Written
from service.exports.selection.scan import check
from service.exports.selection.values import Misfit

if TYPE_CHECKING:
    from sqlglot import exp

MAX_NODES = 200
MAX_DEPTH = 25
_WANTED = "Must be one condition over columns, such as region = 'US' AND lifetime_value >= 100"


def condition_of(clause: str, table: Table) -> exp.Expression:
    """Return a clause as a condition. Raises `Invalid` with the rule that it breaks."""
    try:
        check(clause, [column.name for column in table.columns])
        return operators.condition(_Reader(table).operand(_parsed(clause), 0))
    except Misfit as misfit:
        raise Invalid([violation("where_clause", misfit.rule)]) from None
    except RecursionError:  # whoever asks stands deep in the stack already
        raise Invalid([violation("where_clause", "Must not be nested as deep")]) from None


def _parsed(clause: str) -> Any:
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import ParseError, SqlglotError

    try:
        return sqlglot.parse_one(clause, read="athena", into=exp.Condition)
    except ParseError as error:
        near = next((each["highlight"] for each in error.errors if each.get("highlight")), None)
        raise Misfit(f"{_WANTED}; it cannot be read at {shown(near)}" if near else _WANTED) from None
    except SqlglotError:
        raise Misfit(_WANTED) from None


class _Reader:
    """Reads one parsed clause. Nothing of it is kept but the names of columns that exist, and values."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._nodes = 0

    def operand(self, node: Any, depth: int) -> Operand:
        """Return what a node means. Raises `Misfit` where it is none of those that a clause may hold."""
        self._nodes += 1
        if self._nodes > MAX_NODES or depth > MAX_DEPTH:
            raise Misfit(f"Must have at most {MAX_NODES} parts, {MAX_DEPTH} of them within each other")
        kind = type(node)
        rule = _rules().get(kind)
        if rule is None:
            raise Misfit(f"Must not hold what SQL calls {kind.__name__.upper()}")
        if strange := [name for name, value in node.args.items() if value and name not in rule.arguments]:
            raise Misfit(f"Must not hold what SQL calls {kind.__name__.upper()} with {', '.join(strange).upper()}")
        if rule.read is not None:
            return rule.read(self, node, depth + 1)
        assert rule.operator is not None  # noqa: S101
        operands = self._operands(node, rule.arguments, depth + 1)
        try:
            return rule.operator(kind, *operands)
        except Misfit as misfit:
            raise Misfit(f"{misfit.rule}: {shown(node.sql('athena'))}") from None

    def _operands(self, node: Any, arguments: tuple[str, ...], depth: int) -> list[Operand]:
        found = [node.args.get(name) for name in arguments]
        parts = [part for each in found for part in (each if isinstance(each, list) else [each])]
        return [self.operand(part, depth) for part in parts if part is not None]

    def column(self, node: Any, _: int) -> Operand:
        column = find(self._table.columns, node.name)
        if column is None:
            raise Misfit(f"Must name columns of the table only, not {shown(node.name)}")
        return Typed(named(column), column.type)

    def value(self, node: Any, _: int) -> Operand:
        return Written("text", node.this) if node.is_string else Written("number", Decimal(node.this))

    def truth(self, node: Any, _: int) -> Operand:
        return Written("boolean", bool(node.this))

    def null(self, _: Any, __: int) -> Operand:
        return Written("null")

    def moment(self, node: Any, depth: int) -> Operand:
        """Read DATE '…' or TIMESTAMP '…', which the parser makes casts of."""
        text = self.operand(node.this, depth)
        kind = {"DATE": "date", "TIMESTAMP": "timestamp", "TIMESTAMPTZ": "timestamp"}.get(node.to.this.name)
        if not isinstance(text, Written) or text.kind != "text" or kind is None:
            raise Misfit("Must not hold a cast")
        return Written("date" if kind == "date" else "timestamp", text.value)

    def inside(self, node: Any, depth: int) -> Operand:
        return self.operand(node.this, depth)

    def chain(self, node: Any, depth: int) -> Operand:
        """Read a chain of AND or of OR, which leans to the left, without going deeper for each link."""
        kind, links = type(node), []
        while type(node) is kind:
            self._nodes += 1
            links.append(node.expression)
            node = node.this
        operands = [self.operand(link, depth) for link in (node, *reversed(links))]
        return Typed(joined(kind, [operators.condition(operand) for operand in operands]), operators.BOOLEAN)

    def like(self, node: Any, depth: int) -> Operand:
        """Read LIKE, with ESCAPE around it where there is one."""
        from sqlglot import exp

        like, *escape = (node.this, node.expression) if isinstance(node, exp.Escape) else (node,)
        if not isinstance(like, exp.Like):
            raise Misfit("Must have LIKE before ESCAPE")
        parts = [self.operand(part, depth) for part in (like.this, like.expression, *escape)]
        found = operators.likeness(exp.Like, *parts)
        return operators.negation(exp.Not, found) if like.args.get("negate") else found


class _Rule(NamedTuple):
    """How a kind of node is read: by its `arguments`, which an operator gets as operands, or in a way of its own."""

    arguments: tuple[str, ...]
    operator: Callable[..., Operand] | None = None
    read: Callable[[_Reader, Any, int], Operand] | None = None


@cache
def _rules() -> dict[type[exp.Expression], _Rule]:
    """Return all kinds of nodes that a clause may hold."""
    from sqlglot import exp

    two = ("this", "expression")
    return {
        exp.Column: _Rule(("this",), read=_Reader.column),
        exp.Literal: _Rule(("this", "is_string"), read=_Reader.value),
        exp.Boolean: _Rule(("this",), read=_Reader.truth),
        exp.Null: _Rule((), read=_Reader.null),
        exp.Cast: _Rule(("this", "to"), read=_Reader.moment),
        exp.Paren: _Rule(("this",), read=_Reader.inside),
        exp.And: _Rule(two, read=_Reader.chain),
        exp.Or: _Rule(two, read=_Reader.chain),
        exp.Like: _Rule((*two, "negate"), read=_Reader.like),
        exp.Escape: _Rule(two, read=_Reader.like),
        exp.Not: _Rule(("this",), operators.negation),
        **dict.fromkeys((exp.EQ, exp.NEQ), _Rule(two, operators.equality)),
        **dict.fromkeys((exp.LT, exp.LTE, exp.GT, exp.GTE), _Rule(two, operators.order)),
        exp.Between: _Rule(("this", "low", "high"), operators.between),
        exp.In: _Rule(("this", "expressions"), operators.inclusion),
        exp.Is: _Rule(two, operators.nullness),
        **dict.fromkeys((exp.Add, exp.Sub), _Rule(two, operators.calculation)),
        exp.Mul: _Rule(two, operators.product),
        exp.Neg: _Rule(("this",), operators.negative),
        exp.Abs: _Rule(("this",), operators.absolute),
        exp.Coalesce: _Rule(("this", "expressions"), operators.fallback),
        exp.Length: _Rule(("this",), operators.length),
        exp.Lower: _Rule(("this",), operators.lower),
        exp.Upper: _Rule(("this",), operators.upper),
        exp.Substring: _Rule(("this", "start", "length"), operators.part),
    }
