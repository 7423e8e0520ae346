"""PostgreSQL: one statement, or one transaction, on a kept connection.

    rows = database.statement(queries.events, kind)     # one round trip; run once more when the connection was lost
    with database.transaction() as cursor:              # several statements, all or nothing
        ...

Both raise `ServiceUnavailable` for an outage, within the deadline of the work at hand.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, TypeVar

import psycopg2
from flask import current_app
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from service.config import Config
from service.database.connection import Connection, Connector
from service.database.failures import ConnectionLost, unavailable
from service.database.pool import Pool

__all__ = ["ConnectionLost", "Cursor", "Database", "get_database", "json_of"]

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)


class Database:
    """The one way to PostgreSQL. Opens nothing before its first use; safe to share between threads."""

    def __init__(self, config: Config) -> None:
        self._connector = Connector(config.database, config.deadline_seconds)
        self._pool = Pool(self._connector.connect, config.database.pool_size)

    def statement(self, query: Callable[Concatenate[Cursor, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `query(cursor, ...)`, which executes one statement: its own transaction, in one round trip.

        Where the connection was lost it runs once more, so the statement must be one that may be repeated.
        """

        def execute() -> T:
            with self._connection() as connection, connection.cursor() as cursor:
                return query(cursor, *args, **kwargs)

        return self.once_more(execute)

    def once_more(self, work: Callable[[], T]) -> T:
        """Run repeatable work, and run it again where its connection was lost under it."""
        try:
            return work()
        except ConnectionLost as error:
            log.warning("a database connection was lost; the work is repeated", extra={"reason": error.reason})
            return work()

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """Give a cursor in a transaction, which is committed at the end or rolled back by an exception."""
        with self._connection() as connection, connection.cursor() as cursor:
            cursor.execute("BEGIN")
            try:
                yield cursor
            except BaseException:
                if not connection.closed:
                    cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        connection: Connection | None = None
        try:
            connection = self._pool.acquire()
            yield connection
        except psycopg2.Error as error:
            is_closed = connection is not None and connection.closed != 0
            outage = unavailable(error, is_closed)
            if isinstance(outage, ConnectionLost) and connection is not None:
                connection.close()
                self._pool.close()  # what broke one has most likely broken the others
            if outage is None:
                raise
            raise outage from error
        finally:
            if connection is not None:
                self._pool.release(connection)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Give a connection that is kept for this alone, such as one that holds a lock, and close it at the end."""
        connection: Connection | None = None
        try:
            connection = self._connector.connect()
            yield connection
        except psycopg2.Error as error:
            raise (unavailable(error, connection is None or connection.closed != 0) or error) from error
        finally:
            if connection is not None:
                connection.close()

    def close(self) -> None:
        """Close the kept connections."""
        self._pool.close()


def get_database() -> Database:
    """Return the database of the current application."""
    database: Database = current_app.extensions["database"]
    return database


def json_of(cursor: Cursor) -> str | None:
    """Return the JSON text that a statement has answered with, None where it found nothing."""
    row = cursor.fetchone()
    return row[0] if row else None
