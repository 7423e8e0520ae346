"""The pieces that conditions are built of: columns by their quoted names, question marks cast to a type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from service.exports.lake.catalog import Column
from service.exports.lake.types import FLOATS, Type
from service.exports.selection.patterns import ESCAPE

if TYPE_CHECKING:
    from sqlglot import exp

_NAMES = {
    "string": "VARCHAR",
    "varchar": "VARCHAR",
    "char": "VARCHAR",  # Trino pads it where it meets a column of type char
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "int": "INT",
    "bigint": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "decimal": "DECIMAL",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ",
    "uuid": "UUID",
}
_VALUE = "value"


def named(column: Column) -> exp.Expression:
    """Return a column."""
    from sqlglot import exp

    return exp.Column(this=exp.Identifier(this=column.name, quoted=True))


def known(node: exp.Expression, type: Type) -> exp.Expression:  # noqa: A002
    """Return a column as it may be compared: NaN, which every engine orders as it likes, is unknown like NULL."""
    from sqlglot import exp

    if type.kind not in FLOATS or not isinstance(node, exp.Column):
        return node
    is_number = exp.Not(this=exp.IsNan(this=node.copy()))
    return exp.Paren(this=exp.Case(ifs=[exp.If(this=is_number, true=node)]))


def bound(text: str, type: Type) -> exp.Expression:  # noqa: A002
    """Return a question mark for a text, cast to a type; `parameters` finds the text again."""
    from sqlglot import exp

    mark = exp.Placeholder()
    mark.meta[_VALUE] = text
    return cast(mark, type)


def cast(node: exp.Expression, type: Type) -> exp.Expression:  # noqa: A002
    """Return a node cast to a type. Trino would cut a TIMESTAMP without a precision to milliseconds."""
    from sqlglot import exp

    parameters = type.parameters if type.kind == "decimal" else (6,) if type.kind.startswith("timestamp") else ()
    return exp.Cast(
        this=node,
        to=exp.DataType(
            this=exp.DataType.Type[_NAMES[type.kind]],
            expressions=[exp.DataTypeParam(this=exp.Literal.number(number)) for number in parameters],
        ),
    )


def like(node: exp.Expression, pattern: str) -> exp.Expression:
    """Return that a text is like a pattern of `patterns.respelled`."""
    from sqlglot import exp

    matched = exp.Like(this=node, expression=bound(pattern, Type("string")))
    return exp.Paren(this=exp.Escape(this=matched, expression=exp.Literal.string(ESCAPE)))


def parenthesized(kind: type[exp.Expression], *operands: exp.Expression) -> exp.Expression:
    """Return an operator over one or two operands, in parentheses, so that nothing around it can tear it apart."""
    from sqlglot import exp

    names = ("this", "expression")[: len(operands)]
    return exp.Paren(this=kind(**dict(zip(names, operands, strict=True))))


def joined(kind: type[exp.Expression], conditions: Sequence[exp.Expression]) -> exp.Expression:
    """Return all conditions (`exp.And`) or any of them (`exp.Or`), in parentheses."""
    from sqlglot import exp

    whole, *rest = conditions
    for condition in rest:
        whole = kind(this=whole, expression=condition)
    return whole if isinstance(whole, exp.Paren) else exp.Paren(this=whole)


def parameters(condition: exp.Expression | None) -> tuple[str, ...]:
    """Return the texts that are bound to the question marks of a condition, in their order in the text."""
    from sqlglot import exp

    marks = () if condition is None else condition.find_all(exp.Placeholder, bfs=False)
    return tuple(mark.meta[_VALUE] for mark in marks)
