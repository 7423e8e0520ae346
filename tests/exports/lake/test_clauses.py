"""Clauses, refused or carried out, over a table of each engine: what `tests/exports/selection` shows without one."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings

from service.errors import Invalid
from service.exports.lake.catalog import Table
from service.exports.selection.request import Request
from service.exports.selection.select import select
from tests.exports.lake.lakes import Lake, new_name, records
from tests.exports.selection.clauses import Clause, clauses, expected
from tests.exports.selection.hostile import CLAUSES
from tests.exports.selection.sample import ROWS, TABLE, connect

TODAY = date(2024, 1, 2)
SPELLED = 'tiny::INTEGER AS tiny, "Key" AS key'  # as Iceberg and Glue have them; Glue has no uuid at all
# Glue has one word for both kinds of moments, so that nobody can tell that these are two.
HOSTILE = {name: clause for name, clause in CLAUSES.items() if clause != "at = seen"}


@pytest.fixture(scope="module")
def table(lake: Lake) -> Table:
    """The table of odd rows, in the lake."""
    connection = connect()
    rows = connection.sql(f'SELECT * EXCLUDE (tiny, code, "Key"), {SPELLED} FROM {TABLE.name}').to_arrow_table()
    connection.close()
    return lake.create(new_name(), rows)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(clauses().filter(lambda clause: "code" not in clause.text.lower()))
def test_a_clause_selects_what_a_filter_in_python_selects(lake: Lake, table: Table, clause: Clause) -> None:
    statement = select(Request(table.name, ("id",), where_clause=clause.text), table, TODAY, 1000)
    assert sorted(row["id"] for row in records(lake, table, statement)) == expected(clause, ROWS)


@pytest.mark.parametrize("clause", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_clause_is_refused_before_any_engine_sees_it(table: Table, clause: str) -> None:
    with pytest.raises(Invalid):
        select(Request(table.name, where_clause=clause), table, TODAY, 1000)
