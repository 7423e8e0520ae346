from __future__ import annotations

from typing import Any

import pytest

from service.exports.lake import athena_sql
from service.exports.lake.catalog import Column
from service.exports.lake.types import parse
from service.exports.selection.statement import Statement


def statement(limit: int | None = None, condition: Any = None, **types: str) -> Statement:
    columns = tuple(Column(name, parse(kind)) for name, kind in types.items())
    return Statement("t", columns, condition, (), limit)


def column(kind: str) -> str:
    """Return what a column `c` of a type is asked for by."""
    sql = athena_sql.select("d", "t", statement(c=kind)).sql
    return sql.removeprefix("SELECT ").removesuffix(' AS "c" FROM "d"."t"')


@pytest.mark.parametrize(
    "kind", ["bigint", "string", "decimal(38,10)", "double", "date", "timestamp", "char(3)", "boolean", "time", "uuid"]
)
def test_simple_values_are_asked_for_as_they_are(kind: str) -> None:
    assert column(kind) == '"c"'


@pytest.mark.parametrize(
    "kind",
    [
        "array<string>",
        "array<array<decimal(38,10)>>",
        "map<bigint,date>",
        "map<boolean,struct<a:float>>",
        "struct<a:date,b:varchar(3),c:map<string,tinyint>>",
    ],
)
def test_what_trino_casts_to_json_is_cast_as_it_is(kind: str) -> None:
    assert column(kind) == 'JSON_FORMAT(CAST("t"."c" AS JSON))'


@pytest.mark.parametrize(
    ("kind", "sql"),
    [
        ("binary", 'TO_BASE64("c")'),
        ("array<binary>", 'JSON_FORMAT(CAST(TRANSFORM("t"."c", "e0" -> TO_BASE64("e0")) AS JSON))'),
        ("array<timestamp>", 'JSON_FORMAT(CAST(TRANSFORM("t"."c", "e0" -> CAST("e0" AS VARCHAR)) AS JSON))'),
        (
            "array<array<uuid>>",
            'JSON_FORMAT(CAST(TRANSFORM("t"."c", "e0" -> TRANSFORM("e0", "e1" -> CAST("e1" AS VARCHAR))) AS JSON))',
        ),
        (
            "map<date,time>",
            'JSON_FORMAT(CAST(TRANSFORM_VALUES(TRANSFORM_KEYS("t"."c", ("k0", "v0") -> CAST("k0" AS VARCHAR)),'
            ' ("k0", "v0") -> CAST("v0" AS VARCHAR)) AS JSON))',
        ),
        (
            "struct<`a b`:timestamptz,x:map<binary,int>>",
            'JSON_FORMAT(CAST(CASE WHEN NOT "t"."c" IS NULL THEN CAST(ROW(CAST("t"."c"."a b" AS VARCHAR),'
            ' TRANSFORM_KEYS("t"."c"."x", ("k0", "v0") -> TO_BASE64("k0")))'
            ' AS ROW("a b" VARCHAR, "x" MAP(VARCHAR, INTEGER))) END AS JSON))',
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_trino_cannot_cast_is_a_text_before(kind: str, sql: str) -> None:
    assert column(kind) == sql


def test_every_identifier_is_quoted() -> None:
    from sqlglot import exp

    named = Statement(
        't"', (Column('a"b', parse("bigint")),), exp.condition('"select" = ?', dialect="athena"), ("1",), 7
    )
    assert athena_sql.select('d"', 't"', named) == (
        'SELECT "a""b" AS "a""b" FROM "d"""."t""" WHERE "select" = ? LIMIT 7',
        ("'1'",),
    )
    assert athena_sql.count('d"', 't"', named) == ('SELECT COUNT(*) FROM "d"""."t""" WHERE "select" = ?', ("'1'",))
    assert named.condition is not None
    assert named.condition.parent is None
