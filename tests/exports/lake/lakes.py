"""Lakes under test, one an engine, and how a query is run to its end on any of them."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pytest
from sqlglot import exp

from service.exports.lake import iceberg
from service.exports.lake.athena import AthenaEngine
from service.exports.lake.catalog import Table
from service.exports.lake.engine import Engine, QueryState, Text
from service.exports.lake.local import LocalEngine
from service.exports.lake.values import encoder
from service.exports.selection.statement import Statement
from tests.athena import Athena


class Lake(Protocol):
    """An engine, and a way to put tables into its lake."""

    engine: Engine

    def create(self, name: str, table: pa.Table) -> Table:
        """Make a table of rows; return it as the engine's catalog knows it."""


class LocalLake:
    """The embedded engine over a directory."""

    def __init__(self, data_dir: Path) -> None:
        self.directory = data_dir / "lake"
        self.engine = LocalEngine(data_dir, "test")

    def create(self, name: str, table: pa.Table) -> Table:
        with iceberg.opened(self.directory) as catalog:
            catalog.create_table((iceberg.NAMESPACE, name), table.schema).append(table)
        columns = self.engine.catalog.columns(name)
        assert columns is not None
        return Table(name, columns)


class AthenaLake:
    """Athena over the emulator. Its clients are made here, so that later tests have the environment to themselves."""

    def __init__(self, athena: Athena) -> None:
        self.athena = athena
        self.engine = AthenaEngine(athena.settings)
        with pytest.MonkeyPatch.context() as patch:
            athena.lead(patch)
            for service in ("athena", "glue", "s3"):
                self.engine._aws._client(service)

    def create(self, name: str, table: pa.Table) -> Table:
        self.athena.create_table(name, table)
        columns = self.engine.catalog.columns(name)
        assert columns is not None
        return Table(name, columns)


def new_name() -> str:
    return f"t_{uuid.uuid4().hex}"


def select(
    table: Table, condition: exp.Expression | None = None, *parameters: str, columns: str = "", limit: int | None = None
) -> Statement:
    """Build a statement over all columns of a table, or over those that are named, with a blank between them."""
    names = columns.split() or [column.name for column in table.columns]
    return Statement(table.name, tuple(filter(None, map(table.column, names))), condition, parameters, limit)


def condition(sql: str) -> exp.Expression:
    """Build a condition such as `"a" > CAST(? AS INT)`."""
    return exp.condition(sql, dialect="athena")


def ended(engine: Engine, query_id: str, seconds: float = 20) -> QueryState:
    """Wait for a query; return how it has ended."""
    expires_at = time.monotonic() + seconds
    while (state := engine.look(query_id)).state == "RUNNING":
        assert time.monotonic() < expires_at, "the query does not end"
        time.sleep(0.002)
    return state


def run(engine: Engine, text: Text) -> str:
    """Run a query that succeeds; return its id."""
    query_id = engine.start(text, new_name())
    assert ended(engine, query_id) == QueryState("SUCCEEDED")
    return query_id


def texts(lake: Lake, table: Table, statement: Statement | None = None) -> list[str]:
    """Return the rows of a statement, or of the whole table, as JSON."""
    statement = statement or select(table)
    encode = encoder(statement.columns)
    result = lake.engine.result(run(lake.engine, lake.engine.render(table, statement)))
    return [encode(located.row) for located in result.rows()]


def records(lake: Lake, table: Table, statement: Statement | None = None) -> list[dict[str, Any]]:
    """Return the rows of a statement, or of the whole table, read back from JSON without loss."""
    return [json.loads(text, parse_float=Decimal) for text in texts(lake, table, statement)]


def column_of(values: Sequence[Any], kind: pa.DataType) -> pa.Table:
    """Return a table of one column, `v`."""
    return pa.table({"v": pa.array(values, kind)})
