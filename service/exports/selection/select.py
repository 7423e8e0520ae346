"""From what is asked for to a query over a table: each name is one of the table's, all conditions hold at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

from service.errors import Invalid, violation
from service.exports.lake.catalog import Column, Table
from service.exports.selection import conditions, dates, filters
from service.exports.selection.names import find, fold, near, shown
from service.exports.selection.nodes import joined, parameters
from service.exports.selection.request import Request
from service.exports.selection.statement import Statement
from service.exports.selection.values import Misfit

if TYPE_CHECKING:
    from sqlglot import exp


OFFERS = 3


def select(request: Request, table: Table, today: date, max_records: int) -> Statement:
    """Return the query over a table that is asked for, where it is `today` in UTC. Raises `Invalid`."""
    from sqlglot import exp

    columns = _columns(request, table)
    if request.limit is not None and request.limit > max_records:
        raise Invalid([violation("limit", f"Must be at most {max_records}")])
    found = list(_conditions(request, table, today))
    condition = joined(exp.And, found) if found else None
    return Statement(
        table=table.name,
        columns=columns,
        condition=condition,
        parameters=parameters(condition),
        limit=request.limit or max_records,
    )


def _columns(request: Request, table: Table) -> tuple[Column, ...]:
    """Return the columns that are selected; of a table of which only changes are sent, its key is among them."""
    columns = table.columns if request.columns is None else _named(request.columns, table)
    if request.mode == "changed":
        if not table.key:
            raise Invalid([violation("mode", "Must be full: nobody has said which columns are the key of this table")])
        missing = [name for name in table.key if find(columns, name) is None]
        if missing:
            raise Invalid(
                [violation("columns", f"Must hold the key of the table where mode is changed: {', '.join(missing)}")]
            )
    return columns


def _named(names: tuple[str, ...], table: Table) -> tuple[Column, ...]:
    columns: list[Column] = []
    violations: list[dict[str, str]] = []
    counts = Counter(map(fold, names))
    for index, name in enumerate(names):
        if counts[fold(name)] > 1:
            violations.append(violation(f"columns[{index}]", f"Must not stand twice: {shown(name)}"))
        elif column := find(table.columns, name):
            columns.append(column)
        else:
            violations.append(violation(f"columns[{index}]", _unknown(name, table, violations)))
    if violations:
        raise Invalid(violations)
    return tuple(columns)


def _unknown(name: str, table: Table, before: list[dict[str, str]]) -> str:
    """Return what to say of an unknown column; to look for near ones takes time, and is done for the first few."""
    offer = near(name, (column.name for column in table.columns)) if len(before) < OFFERS else ""
    return f"Must be a column of the table, not {shown(name)}{offer}"


def _conditions(request: Request, table: Table, today: date) -> Iterator[exp.Expression]:
    if request.date_filter is not None:
        yield _on_days(request.date_filter, table, today)
    yield from _filtered(request.filters, table)
    if request.where_clause is not None:
        yield conditions.condition_of(request.where_clause, table)


def _on_days(date_filter: str, table: Table, today: date) -> exp.Expression:
    column = find(table.columns, table.date_column) if table.date_column else None
    try:
        if column is None:
            raise Misfit("Must not be given for this table: it has no date column")
        return dates.condition_of(dates.days_of(date_filter, today), column)
    except Misfit as misfit:
        raise Invalid([violation("date_filter", misfit.rule)]) from None


def _filtered(asked: tuple[filters.Filter, ...], table: Table) -> list[exp.Expression]:
    found: list[exp.Expression] = []
    violations: list[dict[str, str]] = []
    for index, each in enumerate(asked):
        path = f"filters[{index}]"
        column = find(table.columns, each.column)
        if column is None:
            violations.append(violation(f"{path}.column", _unknown(each.column, table, violations)))
            continue
        try:
            found.append(filters.condition_of(each, column))
        except filters.Misplaced as misplaced:
            violations.append(violation(f"{path}.{misplaced.place}", misplaced.rule))
    if violations:
        raise Invalid(violations)
    return found
