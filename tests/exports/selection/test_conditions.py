"""What a clause may say, what it comes to, and why it is refused."""

from __future__ import annotations

import inspect
import sys
import unicodedata
from datetime import date

import duckdb
import pytest

from service.errors import Invalid
from service.exports.lake.catalog import Column, Table
from service.exports.lake.types import parse
from service.exports.selection.conditions import condition_of
from service.exports.selection.nodes import parameters
from service.exports.selection.request import Request
from service.exports.selection.select import select
from tests.exports.selection.clauses import lowered, raised
from tests.exports.selection.sample import TABLE, selected

ODD = {
    "processed_date": "date",
    "date": "date",
    "timestamp": "timestamp",
    "order": "int",
    "code": "char(3)",
    "clock": "time",
    "current_date": "string",
    "show": "string",
}
ODD_TABLE = Table("t", tuple(Column(name, parse(kind)) for name, kind in ODD.items()))


@pytest.mark.parametrize(
    ("clause", "condition", "bound"),
    [
        ("region = 'US'", '("region" = CAST(? AS VARCHAR))', ("US",)),
        ("REGION = 'it''s'", '("region" = CAST(? AS VARCHAR))', ("it's",)),
        ("\"Region\" != ''", '("region" <> CAST(? AS VARCHAR))', ("",)),
        ("key = 'k'", '("Key" = CAST(? AS VARCHAR))', ("k",)),
        ("tiny < 1000", '("tiny" < CAST(? AS SMALLINT))', ("1000",)),
        ("value > 0.001", '(CAST("value" AS DECIMAL(13, 3)) > CAST(? AS DECIMAL(13, 3)))', ("0.001",)),
        ("quantity = value", '(CAST("quantity" AS DECIMAL(12, 2)) = "value")', ()),
        ("small < ratio", '(CAST((CASE WHEN NOT IS_NAN("small") THEN "small" END) AS DOUBLE)'
         ' < (CASE WHEN NOT IS_NAN("ratio") THEN "ratio" END))', ()),
        ("day < TIMESTAMP '2024-01-01 10:00:00'", '(CAST("day" AS TIMESTAMP(6)) < CAST(? AS TIMESTAMP(6)))',
         ("2024-01-01 10:00:00.000000",)),
        ("seen >= DATE '2024-01-01'", '("seen" >= CAST(? AS TIMESTAMP(6) WITH TIME ZONE))',
         ("2024-01-01 00:00:00.000000+00:00",)),
        ("region LIKE 'a!_%%\\' ESCAPE '!'", "(\"region\" LIKE CAST(? AS VARCHAR) ESCAPE '\\')", ("a\\_%\\\\",)),
        ("-1 < quantity", '(CAST(? AS INTEGER) < "quantity")', ("-1",)),
        ("upper(name) = 'ẞ'", "(UPPER(REPLACE(\"name\", 'ß', 'ẞ')) = CAST(? AS VARCHAR))", ("ẞ",)),
        ("active", '"active"', ()),
        ("NOT active OR active AND active", '((NOT "active") OR ("active" AND "active"))', ()),
        ("tags IS NOT NULL", '(NOT ("tags" IS NULL))', ()),
    ],
)  # fmt: skip
def test_a_clause_becomes(clause: str, condition: str, bound: tuple[str, ...]) -> None:
    built = condition_of(clause, TABLE)
    assert built.sql("athena") == condition
    assert parameters(built) == bound


@pytest.mark.parametrize(
    "clause",
    [
        "processed_date >= '2024-01-01'",
        "date >= date '2024-01-01' AND timestamp < timestamp '2024-01-01 00:00:00'",
        "order = 5",
        "code = 'US'",
        "\"current_date\" = 'x' AND \"show\" = 'x'",
        "clock IS NULL",
    ],
)
def test_columns_may_be_called_as_words_of_sql_are(clause: str) -> None:
    assert condition_of(clause, ODD_TABLE)


@pytest.mark.parametrize(
    ("clause", "why"),
    [
        ("regoin = 'US'", "not 'regoin'; did you mean region?"),
        ("trim(region) = ''", "Must use no function but abs, coalesce, length, lower, substr, upper: 'trim'"),
        ("quantity = '5'", "Must not bring int and a text together"),
        ("region = 5", "Must not bring string and a number together"),
        ("day = '2024-13-01'", "Must be a date, such as 2026-01-15: \"day = '2024-13-01'\""),
        ("at = seen", "Must not bring timestamp and timestamptz together"),
        ("quantity / 2 = 1", "a division, which fails where it is by zero: '/ 2 = 1'"),
        ("region = NULL", "Must ask for NULL by IS NULL or IS NOT NULL"),
        ("region = 'US' -- x", "Must not hold a comment: '-- x'"),
        ("region \uff1d 'US'", "Must not hold the character U+FF1D outside of quotes"),
        ("1 = 1", "Must name a column on one side of each comparison"),
        ("region = 'US' OR TRUE", "Must be a condition"),
        ("id * id * id > 1", "Must not need more than 38 digits, as many as a decimal has: 57: 'id * id * id'"),
        ("(" * 21 + "active" + ")" * 21, "Must not be nested deeper than 20 levels"),
        ("(" * 400 + "active" + ")" * 400, "Must not be nested deeper than 20 levels"),
        ("NOT " * 21 + "active", "Must not be nested deeper than 20 levels"),
        ("quantity = " + "-(" * 11 + "1" + ")" * 11, "Must not be nested deeper than 20 levels"),
        ("quantity 5", "it cannot be read at '5'"),
        ("tags = 'x'", "it may only be NULL or not"),
        ("region = '" + "x" * 1001 + "'", "Must have at most 1000 characters"),
        ("'a' = region ORDER", "Must name columns of the table only, not 'ORDER'"),
    ],
)
def test_a_refusal_says_why(clause: str, why: str) -> None:
    with pytest.raises(Invalid) as refusal:
        condition_of(clause, TABLE)
    (violation,) = refusal.value.violations
    assert violation["path"] == "where_clause"
    assert why in violation["message"]


@pytest.mark.parametrize(
    ("clause", "why"),
    [
        ("code = 'US '", "Must not end with a space"),
        ("code LIKE 'US%'", "Must use LIKE with a column of texts"),
        ("clock = '10:00:00'", "Must not compare a column of type time"),
        ("current_date = date", "Must not hold what SQL calls CURRENTDATE"),
    ],
)
def test_a_column_that_engines_read_differently_is_refused(clause: str, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        condition_of(clause, ODD_TABLE)


def test_case_changes_character_by_character_as_unicode_says(lake: duckdb.DuckDBPyConnection) -> None:
    characters = [
        chr(code) for code in range(1, 0x20000) if unicodedata.ucd_3_2_0.category(chr(code)) not in ("Cn", "Cs")
    ]
    lake.execute("CREATE TEMP TABLE characters (id BIGINT, it VARCHAR)")
    lake.execute("INSERT INTO characters SELECT unnest(?), unnest(?)", [list(range(len(characters))), characters])
    found = lake.execute("SELECT it, lower(it), upper(replace(it, 'ß', 'ẞ')), length(it) FROM characters").fetchall()
    lake.execute("DROP TABLE characters")
    for character, lower, upper, length in found:
        assert lower == lowered(character)
        assert length == 1
        if (
            len(raised(character)) == 1
        ):  # where it takes more, Unicode has no single character to change into, or a title
            assert upper == raised(character)


def test_nothing_is_compared_as_another_engine_would_not(lake: duckdb.DuckDBPyConnection) -> None:
    def ids(clause: str) -> list[int]:
        return selected(lake, select(Request(TABLE.name, where_clause=clause), TABLE, date(2024, 1, 1), 1000))

    assert ids("ratio > 1") == ids("ratio > 1 AND ratio <= " + "9" * 38) + ids("ratio > " + "9" * 38)
    assert not {4, 13} & set(ids("ratio > 0 OR NOT ratio > 0"))  # NaN
    assert {4, 13} <= set(ids("ratio IS NOT NULL"))
    assert ids("quantity * quantity > 4000000000000000000") == ids(f"abs(quantity) >= {2**31 - 1}")
    assert ids("region = 'us'") != ids("lower(region) = 'us'")
    assert ids("upper(region) = 'STRAẞE'")


def test_a_clause_is_refused_where_the_stack_has_no_room_for_it() -> None:
    def fall(depth: int) -> None:
        if depth:
            fall(depth - 1)
        else:
            condition_of("(" * 20 + "active" + ")" * 20, TABLE)

    fall(150)
    room = sys.getrecursionlimit() - len(inspect.stack(0)) - 200
    with pytest.raises(Invalid, match="Must not be nested as deep"):
        fall(room)
