"""What is asked for: columns and rows of a table. Jobs, schedules, commands and routes ask in the same words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from service.exports.selection.filters import Filter
from service.exports.selection.schemas import ExportInput, ExportQuery
from service.validation import load

_INPUT, _QUERY = ExportInput(), ExportQuery(partial=True)


@dataclass(frozen=True)
class Request:
    """An export that is asked for. None is all columns, all days, all rows, as many as are allowed."""

    table: str
    columns: tuple[str, ...] | None = None
    date_filter: str | None = None
    where_clause: str | None = None
    filters: tuple[Filter, ...] = ()
    limit: int | None = None
    mode: str = "full"


def request_of(arguments: Mapping[str, Any]) -> Request:
    """Return what some arguments ask for. Raises `Invalid`, which names each field and the rule that it breaks.

    `columns`, `filters` and `limit` may be texts, as they are in a query: `a,b`, JSON, digits.
    """
    texts = {name: arguments[name] for name in ("columns", "filters", "limit") if isinstance(arguments.get(name), str)}
    return loaded(load(_INPUT, {**arguments, **load(_QUERY, texts)}))


def loaded(asked: Mapping[str, Any]) -> Request:
    """Return what is asked for by arguments that `ExportInput` or `ExportQuery` has loaded."""
    columns, filters = asked.get("columns"), asked.get("filters", [])
    return Request(
        table=asked["table"],
        columns=None if columns is None else tuple(columns),
        date_filter=asked.get("date_filter"),
        where_clause=asked.get("where_clause"),
        filters=tuple(Filter(each["column"], each["op"], _exact(each.get("value", True))) for each in filters),
        limit=asked.get("limit"),
        mode=asked["mode"],
    )


def _exact(value: Any) -> Any:
    """Return a value with decimals for floats, which some readers of JSON make of numbers."""
    if isinstance(value, list):
        return [_exact(each) for each in value]
    return Decimal(repr(value)) if isinstance(value, float) else value


def as_json(request: Request) -> dict[str, Any]:
    """Return a request as JSON that `request_of` reads again."""
    filters = [{"column": each.column, "op": each.op, "value": _plain(each.value)} for each in request.filters]
    found = {
        "table": request.table,
        "columns": None if request.columns is None else list(request.columns),
        "date_filter": request.date_filter,
        "where_clause": request.where_clause,
        "filters": filters or None,
        "limit": request.limit,
        "mode": request.mode,
    }
    return {name: value for name, value in found.items() if value is not None}


def _plain(value: Any) -> Any:
    """Return a value without decimals, which JSON's writers do not know: a number if that is exact, else its digits."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if not isinstance(value, Decimal) or not value.is_finite():
        return value
    number = int(value) if value == value.to_integral_value() else float(value)
    return number if value == Decimal(repr(number)) else str(value)
