"""Athena's SQL as DuckDB's: sqlglot translates most of it; what goes by types, or differs in meaning, is done here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.tokens import TokenType

from tests.athena.texts import INTEGERS, TypeMismatch, as_json, kind, shown, trino

COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Like)
FAMILIES = {
    **dict.fromkeys((*INTEGERS, "hugeint", "float", "double", "decimal"), "number"),
    **dict.fromkeys(("date", "timestamp", "timestamp_ms", "timestamp_s", "timestamp with time zone"), "moment"),
}
LITERALS = (exp.Literal, exp.Boolean, exp.Null, exp.Neg, exp.Cast)

Variables = dict[str, Any]  # the arguments of lambdas around an expression, and their types


class SyntaxMistake(Exception):
    """Athena cannot read the query."""


def bind(sql: str, parameters: list[str]) -> str:
    """Put parameters in the place of question marks, in the order of the text. Each must be a literal."""
    tokens = sqlglot.Dialect.get_or_raise("athena").tokenize(sql)
    marks = [token.start for token in tokens if token.token_type == TokenType.PLACEHOLDER]
    if len(marks) != len(parameters):
        raise TypeMismatch(f"Incorrect number of parameters: expected {len(marks)} but found {len(parameters)}")
    for at, parameter in reversed(list(zip(marks, parameters, strict=True))):
        if not isinstance(_parsed(parameter), LITERALS):
            raise TypeMismatch(f"Execution parameters must be literals: {parameter}")
        sql = sql[:at] + parameter + sql[at + 1 :]
    return sql


def query(sql: str) -> exp.Query:
    """Return the one query that a text is. Raises `SyntaxMistake`."""
    try:
        found = sqlglot.parse(sql, read="athena")
    except sqlglot.errors.SqlglotError as error:
        raise SyntaxMistake(f"line 1:1: mismatched input. {str(error).splitlines()[0]}") from error
    if len(found) != 1 or not isinstance(found[0], exp.Query):
        raise SyntaxMistake("Only one sql statement is allowed, and it must be a query")
    return found[0]


def _parsed(text: str) -> exp.Expr | None:
    try:
        return sqlglot.parse_one(text, read="athena")
    except sqlglot.errors.SqlglotError:
        return None


class Translation:
    """Translates one query. `type_of` returns the type of the one column of DuckDB's query, or None."""

    def __init__(self, type_of: Callable[[str], Any], has_legacy_rows: bool) -> None:
        self._type_of = type_of
        self._has_legacy_rows = has_legacy_rows
        self._scopes = [""]

    def duckdb(self, found: exp.Query) -> str:
        """Return the query in DuckDB's words. Raises `TypeMismatch` where Trino would refuse its types."""
        return self._rewritten(found, {}).sql("duckdb")

    def _rewritten(self, node: exp.Expr, variables: Variables) -> exp.Expr:
        if isinstance(node, exp.Select):
            parts = [node.args.get("from_"), *(node.args.get("joins") or [])]
            self._scopes.append(" ".join(part.sql("duckdb") for part in parts if part))
        name = node.name.upper() if isinstance(node, exp.Anonymous) else ""
        if isinstance(node, exp.Transform) or name in ("TRANSFORM_KEYS", "TRANSFORM_VALUES"):
            return self._transformed(node, name, variables)
        for child in list(node.iter_expressions()):
            child.replace(self._rewritten(child, variables))
        if isinstance(node, exp.Select):
            self._scopes.pop()
        return self._changed(node, variables)

    def _changed(self, node: exp.Expr, variables: Variables) -> exp.Expr:
        if isinstance(node, exp.JSONFormat):
            return exp.cast(node.this, "varchar")
        if isinstance(node, exp.Cast):
            return self._cast(node, variables)
        if isinstance(node, (*COMPARISONS, exp.Between, exp.In)):
            others = [node.args.get(part) for part in ("expression", "low", "high")]
            self._compare(node, [one for one in (*others, *node.expressions) if one], variables)
        if isinstance(node, (exp.Div, exp.Mod)):
            return self._divided(node, variables)
        return node

    def _cast(self, node: exp.Cast, variables: Variables) -> exp.Expr:
        wanted = node.to.this
        if wanted == exp.DType.DECIMAL and not node.to.expressions:
            node.set("to", exp.DataType.build("decimal(38, 0)"))  # what it is to Trino
        if wanted not in (exp.DType.JSON, exp.DType.VARCHAR):
            return node
        found, sql = self._type(node.this, variables), node.this.sql("duckdb")
        if found is None:
            return node
        if wanted == exp.DType.JSON:
            return exp.Var(this=f"CAST({as_json(found, sql, self._has_legacy_rows)} AS JSON)")
        if kind(found) in ("list", "map", "struct", "blob", "json"):
            raise TypeMismatch(f"Cannot cast {trino(found)} to varchar")
        text = f"({shown(found, sql)})"
        return exp.Var(this=f"{text}[1:{node.to.expressions[0].name}]" if node.to.expressions else text)

    def _transformed(self, node: exp.Expr, name: str, variables: Variables) -> exp.Expr:
        source, function = (node.this, node.expression) if isinstance(node, exp.Transform) else node.expressions
        source = self._rewritten(source, variables)
        found = self._type(source, variables)
        if found is None or kind(found) not in ("list", "map"):
            raise TypeMismatch(f"Unexpected parameters ({found and trino(found)}, function) for function transform")
        names = [argument.name for argument in function.expressions]
        children = dict(found.children)
        if not name:
            inner = variables | {names[0]: children["child"]}
            body = self._rewritten(function.this, inner).sql("duckdb")
            return exp.Var(this=f'list_transform({source.sql("duckdb")}, lambda "{names[0]}": {body})')
        inner = variables | dict(zip(names, (children["key"], children["value"]), strict=True))
        body = self._rewritten(function.this, inner).sql("duckdb")
        lists = {"KEYS": f"map_keys({source.sql('duckdb')})", "VALUES": f"map_values({source.sql('duckdb')})"}
        # The other argument of the lambda stands for nothing here; one that is used is an error of DuckDB's.
        which = name.rpartition("_")[2]
        lists[which] = f'list_transform({lists[which]}, lambda "{names[which == "VALUES"]}": {body})'
        return exp.Var(this=f"map({lists['KEYS']}, {lists['VALUES']})")

    def _compare(self, node: exp.Expr, others: list[exp.Expr], variables: Variables) -> None:
        """Refuse what Trino refuses and DuckDB converts: `bigint = varchar`."""
        mine = self._type(node.this, variables)
        for other in others:
            yours = self._type(other, variables)
            if mine is not None and yours is not None and _family(mine) != _family(yours):
                raise TypeMismatch(f"Cannot apply operator: {trino(mine)} {node.key} {trino(yours)}")

    def _divided(self, node: exp.Div | exp.Mod, variables: Variables) -> exp.Expr:
        """Integers are divided as integers, and by zero never."""
        types = [self._type(side, variables) for side in (node.left, node.right)]
        if isinstance(node, exp.Div) and all(found is not None and kind(found) in INTEGERS for found in types):
            return exp.Var(this=f"({node.left.sql('duckdb')} // {node.right.sql('duckdb')})")
        return node

    def _type(self, node: exp.Expr, variables: Variables) -> Any:
        """Return the type of an expression, None where it cannot be told."""
        known = ", ".join(f'CAST(NULL AS {found}) AS "{name}"' for name, found in variables.items())
        scope = self._scopes[-1] or "FROM (SELECT 1)"
        joined = f"{scope}, (SELECT {known})" if known else scope
        return self._type_of(f"SELECT {node.sql('duckdb')} {joined}")


def _family(found: Any) -> str:
    return FAMILIES.get(kind(found), kind(found))
