"""Generated clauses select the rows that a filter in Python selects; any text at all is a condition or refused."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import date

import duckdb
import pytest
import sqlglot
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlglot import exp

from service.errors import Invalid
from service.exports.selection.request import Request
from service.exports.selection.select import select
from service.exports.selection.statement import Statement
from tests.exports.selection import hostile
from tests.exports.selection.clauses import Clause, clauses, expected
from tests.exports.selection.sample import ROWS, TABLE, queries, selected

TODAY = date(2024, 1, 17)
MOST_SECONDS = 0.5  # on a machine that does something else as well
ALLOWED = {
    *(
        exp.Column,
        exp.Identifier,
        exp.Paren,
        exp.And,
        exp.Or,
        exp.Not,
        exp.EQ,
        exp.NEQ,
        exp.LT,
        exp.LTE,
        exp.GT,
        exp.GTE,
    ),
    *(exp.Between, exp.In, exp.Like, exp.Escape, exp.Is, exp.Null, exp.Add, exp.Sub, exp.Mul, exp.Neg, exp.Abs),
    *(exp.Coalesce, exp.Length, exp.Lower, exp.Upper, exp.Replace, exp.Substring, exp.Case, exp.If, exp.IsNan),
    *(exp.Cast, exp.DataType, exp.DataTypeParam, exp.Placeholder, exp.Literal),
}
relaxed = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))


def statement_of(clause: str) -> Statement:
    return select(Request(TABLE.name, where_clause=clause), TABLE, TODAY, 1000)


@relaxed
@given(clauses())
def test_a_clause_selects_what_a_filter_in_python_selects(lake: duckdb.DuckDBPyConnection, clause: Clause) -> None:
    assert selected(lake, statement_of(clause.text)) == expected(clause, ROWS)


@relaxed
@given(clauses(), clauses())
def test_or_does_not_widen_what_stands_beside_a_clause(
    lake: duckdb.DuckDBPyConnection, clause: Clause, other: Clause
) -> None:
    request = Request(TABLE.name, date_filter="2023-12-31/2024-01-01", where_clause=f"{clause.text} OR {other.text}")
    on_days = {row["id"] for row in ROWS if row["day"] and date(2023, 12, 31) <= row["day"] <= date(2024, 1, 1)}
    found = selected(lake, select(request, TABLE, TODAY, 1000))
    assert set(found) == on_days & {*expected(clause, ROWS), *expected(other, ROWS)}


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Draw a clause that somebody has cut, doubled or written over in a few places."""
    mild = ("", "", " ", "1", "(", ")", "'", "region", "=", " OR ", "NOT ", " IS NULL", "''", ".5", '"', "-")
    wild = (
        *"*/;,$?:@[]{}<>\\\x00\u200b",
        " OR 1=1",
        "--",
        *(each for each in hostile.CLAUSES.values() if len(each) < 200),
    )
    pieces = st.one_of(st.sampled_from(mild), st.sampled_from(mild), st.sampled_from(wild))
    text = draw(clauses()).text
    for _ in range(draw(st.integers(1, 2))):
        first = draw(st.integers(0, len(text)))
        last = draw(st.integers(first, min(len(text), first + 4)))
        text = text[:first] + draw(pieces) + text[last:]
    return text


@relaxed
@given(st.one_of(st.text(max_size=60), mutated(), st.text("'\"()- =<>azAZ09.,%_\n", max_size=60)))
@example("region = '\ud800'")
@example("active = active = active")
def test_any_text_is_a_condition_over_the_table_or_refused_soon(lake: duckdb.DuckDBPyConnection, text: str) -> None:
    started = time.perf_counter()
    statement = None
    with suppress(Invalid):
        statement = statement_of(text)
    assert time.perf_counter() - started < MOST_SECONDS
    if statement is not None:
        assert_is_about_the_table_alone(statement)
        selected(lake, statement)


@relaxed
@given(clauses())
def test_what_is_built_holds_nothing_but_columns_and_question_marks(clause: Clause) -> None:
    assert_is_about_the_table_alone(statement_of(clause.text))


def assert_is_about_the_table_alone(statement: Statement) -> None:
    for text in queries(statement):
        for dialect in ("athena", "duckdb"):
            (query,) = sqlglot.parse(text.replace("TRY_CAST", "CAST"), read=dialect)
            assert query is not None
            assert [table.sql() for table in query.find_all(exp.Table)] == [f'"{TABLE.name}"']
            where = query.args["where"].this
            kinds = {type(node) for node in where.walk()}
            assert kinds <= ALLOWED
            for column in where.find_all(exp.Column):
                assert not column.table
                assert TABLE.column(column.name)
            for literal in where.find_all(exp.Literal):
                assert not literal.is_string or literal.this in ("\\", "ß", "ẞ")
            assert len(list(where.find_all(exp.Placeholder))) == len(statement.parameters)


@pytest.mark.parametrize("name", ["deep", "wide"])
def test_the_largest_clauses_render_with_little_stack(name: str, lake: duckdb.DuckDBPyConnection) -> None:
    deep = "abs(" * 10 + "quantity" + ")" * 10 + " + 1" * 11 + " > 1"
    clause = deep if name == "deep" else " AND ".join(["active"] * 99)

    def fall(depth: int) -> list[int]:
        return fall(depth - 1) if depth else selected(lake, statement_of(clause))

    assert fall(150)
