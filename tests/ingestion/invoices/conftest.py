"""A place to store invoices in."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import cursor as Cursor  # noqa: N812

from service import config
from service.database.schema import migrate
from service.ingestion.records import Stream
from tests.postgres import Postgres

STREAM = Stream("invoices", "invoices", "north")


class Counting(Cursor):
    """A cursor that notes what it was told to do."""

    statements: list[str]

    def execute(self, query: Any, values: Any = None) -> None:
        self.statements.append(" ".join(query.split()))
        super().execute(query, values)


@pytest.fixture(scope="session")
def begin(postgres: Postgres) -> Iterator[Callable[[], Any]]:
    """Begins transactions that leave nothing behind, in a database of their own: `with begin() as cursor`."""
    url = postgres.create(f"invoices_{uuid.uuid4().hex}")
    migrate(config.load({"DATABASE_URL": url}))
    connection = psycopg2.connect(url)

    @contextmanager
    def transaction() -> Iterator[Counting]:
        try:
            with connection.cursor(cursor_factory=Counting) as cursor:
                cursor.statements = []
                yield cursor
        finally:
            connection.rollback()

    yield transaction
    connection.close()
