"""A statement in Athena's words: every identifier quoted, every column as a text that `values` reads without loss.

Athena would write binary values as hexadecimal pairs, and nested ones as `{a=1, b=[x, y]}`, which nobody can read back:
those come as base64 and as JSON. What Trino cannot cast to JSON is made a text before, deep inside: moments (Glue says
`timestamp` with a zone and without), binary, time, uuid and char values, and keys of maps that are neither texts,
numbers nor booleans.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from service.exports.lake.engine import QueryRefused, Text
from service.exports.lake.types import NESTED, NUMBERS, Type
from service.exports.selection.statement import Statement

if TYPE_CHECKING:
    from sqlglot import exp

MAX_PARAMETER = 1024  # characters, with the quotes around them

KEYS = ("boolean", *NUMBERS, "string", "varchar")  # of JSON objects, in Trino
VALUES = (*KEYS, "date")


def select(database: str, table: str, statement: Statement) -> Text:
    """Return a statement as Athena runs it."""
    from sqlglot import exp

    shown = [(_shown(column.name, column.type, table), column.name) for column in statement.columns]
    query = _query([exp.alias_(*one, quoted=True) for one in shown], database, table, statement)
    return _text(query if statement.limit is None else query.limit(statement.limit), statement)


def count(database: str, table: str, statement: Statement) -> Text:
    """Return the query that counts the rows of a statement, without its limit."""
    from sqlglot import exp

    return _text(_query([exp.Count(this=exp.Star())], database, table, statement), statement)


def _query(columns: list[exp.Expr], database: str, table: str, statement: Statement) -> exp.Select:
    from sqlglot import exp

    query = exp.select(*columns).from_(exp.table_(table, db=database, quoted=True))
    return query if statement.condition is None else query.where(statement.condition.copy())


def _text(query: exp.Select, statement: Statement) -> Text:
    return Text(query.sql("athena", identify=True), tuple(map(_literal, statement.parameters)))


def _literal(parameter: str) -> str:
    """Return a text as a literal: Athena puts parameters into the query as they stand."""
    quoted = "'" + parameter.replace("'", "''") + "'"
    if len(quoted) > MAX_PARAMETER:
        raise QueryRefused(f"a value of the condition is longer than the {MAX_PARAMETER} characters that Athena takes")
    return quoted


def _shown(name: str, kind: Type, table: str) -> exp.Expression:
    from sqlglot import exp

    if kind.kind in NESTED:
        return _as_text(kind, exp.column(name, table=table, quoted=True))  # alone, `a.b` could be column b of table a
    column = exp.column(name, quoted=True)
    return _as_text(kind, column) if kind.kind == "binary" else column


def _as_text(kind: Type, value: exp.Expression, depth: int = 0) -> exp.Expression:
    from sqlglot import exp

    if kind.kind in NESTED:
        return _call("json_format", exp.cast(_plain(kind, value, depth), "json"))
    return _call("to_base64", value) if kind.kind == "binary" else exp.cast(value, "varchar")


def _is_plain(kind: Type) -> bool:
    """Can Trino cast values of this type to JSON as they are?"""
    if kind.kind == "map" and kind.children[0].kind not in KEYS:
        return False
    return all(map(_is_plain, kind.children)) if kind.kind in NESTED else kind.kind in VALUES


def _plain(kind: Type, value: exp.Expression, depth: int) -> exp.Expression:
    """Return a value with texts in place of what Trino cannot cast to JSON; NULL stays NULL."""
    if _is_plain(kind):
        return value
    if kind.kind == "array":
        return _call("transform", value, _each(lambda one: _plain(kind.children[0], one, depth + 1), f"e{depth}"))
    if kind.kind == "map":
        return _plain_map(kind, value, depth)
    return _plain_row(kind, value, depth) if kind.kind == "struct" else _as_text(kind, value)


def _plain_map(kind: Type, value: exp.Expression, depth: int) -> exp.Expression:
    key_kind, value_kind = kind.children
    names = f"k{depth}", f"v{depth}"
    if key_kind.kind not in KEYS:
        value = _call("transform_keys", value, _each(lambda key, _: _as_text(key_kind, key, depth + 1), *names))
    if not _is_plain(value_kind):
        value = _call("transform_values", value, _each(lambda _, one: _plain(value_kind, one, depth + 1), *names))
    return value


def _plain_row(kind: Type, value: exp.Expression, depth: int) -> exp.Expression:
    from sqlglot import exp

    fields = [exp.Dot(this=value.copy(), expression=exp.to_identifier(name, quoted=True)) for name in kind.names]
    row = exp.Struct(expressions=[_plain(*field, depth) for field in zip(kind.children, fields, strict=True)])
    is_there = exp.Not(this=exp.Is(this=value.copy(), expression=exp.Null()))
    return exp.Case(ifs=[exp.If(this=is_there, true=exp.cast(row, _plain_type(kind)))])


def _plain_type(kind: Type) -> exp.DataType:
    """Return the type of a value that `_plain` has made."""
    from sqlglot import exp

    if kind.kind not in NESTED:
        return exp.DataType.build(str(kind) if kind.kind in VALUES else "string", dialect="hive")
    inner: list[exp.Expression] = [_plain_type(child) for child in kind.children]
    if kind.kind == "map" and kind.children[0].kind not in KEYS:
        inner[0] = exp.DataType.build("varchar")
    if kind.kind == "struct":
        names = [exp.to_identifier(name, quoted=True) for name in kind.names]
        inner = [exp.ColumnDef(this=name, kind=one) for name, one in zip(names, inner, strict=True)]
    return exp.DataType(this=exp.DataType.Type[kind.kind.upper()], expressions=inner, nested=True)


def _each(make: Callable[..., exp.Expression], *names: str) -> exp.Lambda:
    """Return a lambda: `make` gets its arguments."""
    from sqlglot import exp

    arguments = [exp.to_identifier(name, quoted=True) for name in names]
    return exp.Lambda(this=make(*arguments), expressions=[argument.copy() for argument in arguments])


def _call(name: str, *arguments: exp.Expression) -> exp.Anonymous:
    from sqlglot import exp

    return exp.Anonymous(this=name, expressions=list(arguments))
