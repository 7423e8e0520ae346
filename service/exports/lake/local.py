"""The lake without AWS: DuckDB runs the queries over Iceberg tables below DATA_DIR, whose results are files there.

Each query has a thread and a database of its own. How it is stands in the names of its files, so that every process
knows; one that has lost its process may be started again.

A process that ends first stops its queries: a thread that the interpreter cuts off within DuckDB aborts the process.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import IO, TYPE_CHECKING

from service.config import ConfigError
from service.exports.lake import arrow_text, duck, iceberg, sample
from service.exports.lake.catalog import Catalog, Column, Table
from service.exports.lake.engine import EngineError, EngineUnavailable, QueryRefused, QueryState, Result, Text
from service.exports.lake.result_file import ResultFile
from service.exports.lake.spool import Spool
from service.exports.selection.statement import Statement

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import SqlCatalog

DIRECTORY = "lake"
BATCH_ROWS = 2048
END_SECONDS = 10.0  # for the queries of a process that ends

_is_ending = threading.Event()
_queries: set[threading.Thread] = set()


class LocalCatalog:
    """The tables of the embedded lake; see `Catalog`. Its first use makes the sample tables."""

    def __init__(self, directory: Path, environment: str) -> None:
        self._directory = directory
        self._environment = environment

    def names(self) -> tuple[str, ...]:
        """Return the names of all tables."""
        with self.opened() as catalog:
            return tuple(sorted(name for *_, name in catalog.list_tables(iceberg.NAMESPACE)))

    def columns(self, name: str) -> tuple[Column, ...] | None:
        """Return the columns of a table, None where there is no such table."""
        from pyiceberg.exceptions import NoSuchTableError

        with self.opened() as catalog:
            try:
                return iceberg.columns(catalog.load_table((iceberg.NAMESPACE, name)))
            except NoSuchTableError:
                return None

    @contextmanager
    def opened(self) -> Iterator[SqlCatalog]:
        """Open PyIceberg's catalog. Whatever goes wrong with it is `EngineUnavailable`."""
        try:
            sample.provide(self._directory, self._environment)
            with iceberg.opened(self._directory) as catalog:
                yield catalog
        except (EngineError, ConfigError):
            raise
        except Exception as error:
            raise EngineUnavailable(f"the embedded lake cannot be read ({type(error).__name__})") from None


class LocalEngine:
    """Queries through DuckDB; see `Engine`."""

    name = "local"

    def __init__(self, data_dir: Path, environment: str) -> None:
        self._directory = data_dir / DIRECTORY
        self._catalog = LocalCatalog(self._directory, environment)
        self._spool = Spool(self._directory / "results")
        self.catalog: Catalog = self._catalog

    def render(self, table: Table, statement: Statement) -> Text:
        """Return a statement as DuckDB's SQL."""
        return duck.render(table, statement)

    def render_count(self, table: Table, statement: Statement) -> Text:
        """Return the query that counts the rows of a statement, without its limit."""
        return duck.render_count(table, statement)

    def start(self, text: Text, token: str) -> str:
        """Start a query, unless the one of this token runs or has ended; return its id."""
        query_id = blake2b(token.encode(), digest_size=16).hexdigest()
        file = self._spool.begin(query_id)
        if file is not None:
            threading.Thread(target=self._run, args=(query_id, text, file), name="query", daemon=True).start()
        return query_id

    def look(self, query_id: str) -> QueryState:
        """Return how a query is, also one of another process."""
        return self._spool.look(query_id)

    def stop(self, query_id: str) -> None:
        """Stop a query, also one of another process, which sees to it in a moment."""
        self._spool.stop(query_id)

    def result(self, query_id: str) -> Result:
        """Return the rows of a query that has succeeded."""
        return ResultFile(partial(self._spool.open, query_id))

    def _run(self, query_id: str, text: Text, file: IO[bytes]) -> None:
        """Run a query to its end, whichever that is."""
        _queries.add(threading.current_thread())
        try:
            self._write(query_id, text, file)
            self._spool.finish(query_id, file)
        except (EngineError, ConfigError) as error:
            self._fail(query_id, file, str(error), isinstance(error, EngineUnavailable))
        except OSError as error:
            self._fail(query_id, file, f"the result cannot be written ({type(error).__name__})", True)
        finally:
            file.close()
            _queries.discard(threading.current_thread())

    def _fail(self, query_id: str, file: IO[bytes], reason: str, is_retryable: bool) -> None:
        if _is_ending.is_set():
            return  # it was cut off, and whoever looks takes it for lost
        with suppress(OSError, EngineUnavailable):  # whoever looks takes it for lost, and it is worth another try
            self._spool.fail(query_id, file, reason, is_retryable)

    def _is_to_stop(self, query_id: str) -> bool:
        return _is_ending.is_set() or self._spool.is_stopped(query_id)

    def _write(self, query_id: str, text: Text, file: IO[bytes]) -> None:
        """Write the result of a query, or raise what keeps it from being whole."""
        with self._catalog.opened() as catalog, closing(duck.connect(self._directory / "spill")) as connection:
            need = duck.need(text.sql)
            scan = _scan(catalog, need)
            try:
                with (
                    duck.stopping(connection, partial(self._is_to_stop, query_id)),
                    closing(duck.run(connection, text, need.table, scan.reader(), BATCH_ROWS)) as rows,
                ):
                    file.write(arrow_text.header(rows.names))
                    for batch in rows.batches():
                        file.write(arrow_text.lines(batch))
            except QueryRefused as error:
                raise scan.failure or error from None


def _scan(catalog: SqlCatalog, need: duck.Need) -> iceberg.Scan:
    """Return what a query reads. Raises `QueryRefused` where it is not there."""
    from pyiceberg.exceptions import NoSuchTableError

    try:
        table = catalog.load_table((iceberg.NAMESPACE, need.table))
    except NoSuchTableError:
        raise QueryRefused(f"there is no table {need.table!r}") from None
    names = [field.name for field in table.schema().fields]
    for name in need.columns:
        if name not in names:
            raise QueryRefused(f"there is no column {name!r} in the table {need.table!r}")
    return iceberg.Scan(table, need.columns or names[:1])


@atexit.register
def _end() -> None:
    _is_ending.set()
    expires_at = time.monotonic() + END_SECONDS
    for thread in tuple(_queries):
        thread.join(max(0.0, expires_at - time.monotonic()))
