"""DuckDB as the embedded engine uses it: one query over one table, in a database that knows nothing else.

It reads no file, opens no connection and loads no extension, and nothing in a query can change that.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from service.exports.lake.catalog import Table
from service.exports.lake.engine import QueryRefused, Text
from service.exports.selection.statement import Statement

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection
    from sqlglot import exp

MEMORY = "256MB"
THREADS = 2
LOOK_SECONDS = 0.1  # between looks at whether to stop
MAX_REASON = 300

_PATH = re.compile(r"""(["'])/.*?\1|(?<![\w/])/[^\s'",:]+""")


class Need(NamedTuple):
    """What a query reads: a table, and columns of it."""

    table: str
    columns: tuple[str, ...]


def render(table: Table, statement: Statement) -> Text:
    """Return a statement as DuckDB's SQL."""
    from sqlglot import exp

    query = _query([exp.column(column.name, quoted=True) for column in statement.columns], table, statement)
    return _text(query if statement.limit is None else query.limit(statement.limit), statement)


def render_count(table: Table, statement: Statement) -> Text:
    """Return the query that counts the rows of a statement, without its limit."""
    from sqlglot import exp

    return _text(_query([exp.Count(this=exp.Star())], table, statement), statement)


def _query(columns: list[exp.Column] | list[exp.Count], table: Table, statement: Statement) -> exp.Select:
    from sqlglot import exp

    query = exp.select(*columns).from_(exp.table_(table.name, quoted=True))
    return query if statement.condition is None else query.where(statement.condition.copy())


def _text(query: exp.Select, statement: Statement) -> Text:
    return Text(query.sql("duckdb", identify=True), statement.parameters)


def need(sql: str) -> Need:
    """Return what a query that was rendered here reads."""
    import sqlglot
    from sqlglot import exp

    tree = sqlglot.parse_one(sql, dialect="duckdb")
    table = tree.find(exp.Table)
    if table is None:
        raise QueryRefused("the query reads no table")
    return Need(table.name, tuple(dict.fromkeys(column.name for column in tree.find_all(exp.Column))))


def connect(spill: Path) -> DuckDBPyConnection:
    """Return a database of its own, sealed; what does not fit into its memory is put below `spill`."""
    import duckdb

    connection = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": MEMORY,
            "threads": THREADS,
            "temp_directory": str(spill),
            "autoload_known_extensions": False,
            "autoinstall_known_extensions": False,
        },
    )
    for setting in (
        "TimeZone = 'UTC'",
        "enable_progress_bar = false",
        "enable_external_access = false",  # not before: it would refuse the temp_directory
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")
    return connection


def run(connection: DuckDBPyConnection, text: Text, table: str, source: pa.RecordBatchReader, size: int) -> Rows:
    """Run a query over one table, which is read as it runs; return its rows, `size` at a time."""
    connection.register(table, source)
    with _refusing():
        return Rows(connection.sql(text.sql, params=list(text.parameters) or None).to_arrow_reader(size))


class Rows:
    """The rows of a query that runs, and the names of their columns. To be closed."""

    def __init__(self, reader: pa.RecordBatchReader) -> None:
        self._reader = reader
        self.names: list[str] = reader.schema.names

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Give the rows as they come. Raises `QueryRefused` where the query fails on its way."""
        while True:
            with _refusing():
                batch = next(self._reader, None)
            if batch is None:
                return
            yield batch

    def close(self) -> None:
        """End the query."""
        self._reader.close()


@contextmanager
def _refusing() -> Iterator[None]:
    """Raise the errors of DuckDB, which come as Arrow's where a query runs already, as `QueryRefused`."""
    import duckdb
    from pyarrow import ArrowException

    try:
        yield
    except (duckdb.Error, ArrowException, OSError) as error:
        raise QueryRefused(_reason(error)) from None


@contextmanager
def stopping(connection: DuckDBPyConnection, is_stopped: Callable[[], bool]) -> Iterator[None]:
    """Interrupt what the database does as soon as it is to stop, whoever has said so."""
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(LOOK_SECONDS):
            if is_stopped():
                connection.interrupt()

    watcher = threading.Thread(target=watch, name="query-watcher", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


def _reason(error: Exception) -> str:
    """Return what an error of DuckDB says, without the paths of this machine."""
    return _PATH.sub("a file", str(error).partition("\n")[0])[:MAX_REASON]
