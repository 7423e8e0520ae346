"""Installations for tests of whole runs: a database of their own each, and a service that uses it."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import psycopg2
import pytest
from flask import Flask

from service import config, deadline, jobs
from service.app import create_app
from service.database.schema import migrate
from tests.postgres import Postgres

T = TypeVar("T")


class Installation:
    """A database that is this test's alone, with every migration, and the environment of a service that uses it."""

    defaults: ClassVar[dict[str, str]] = {}

    def __init__(self, url: str, **environ: str) -> None:
        self.url = url
        self.environ = {"DATABASE_URL": url, **self.defaults, **environ}
        self._lock = threading.Lock()
        self._connection: Any = None

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run SQL; return the rows."""
        with self._lock:
            if self._connection is None or self._connection.closed:
                self._connection = psycopg2.connect(self.url, application_name="test")
                self._connection.autocommit = True
            with self._connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return cursor.fetchall() if cursor.description else []

    def wait_until_left(self, seconds: float = 10) -> None:
        """Wait until the server knows that every process has left that was killed."""
        expires_at = time.monotonic() + seconds
        others = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        while self.sql(others):
            assert time.monotonic() < expires_at, f"somebody is still connected after {seconds} s"
            time.sleep(0.01)

    @contextmanager
    def app(self, **environ: str) -> Iterator[Flask]:
        """The service, in an application context."""
        app = create_app(config.load(self.environ | environ))
        try:
            with app.app_context():
                yield app
        finally:
            app.extensions["database"].close()

    def within(self, seconds: float, work: Callable[..., T], *arguments: Any) -> T:
        """Do work that has a deadline; return what it returns."""
        deadline.start(seconds)
        try:
            return work(*arguments)
        finally:
            deadline.clear()

    def put(self, name: str, **arguments: Any) -> None:
        """Put a job into the table."""
        with self.app():
            jobs.get_queue().put(name, arguments)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


class Installations:
    """Makes installations of one kind, each with a copy of a template."""

    def __init__(
        self, kind: type[Installation], postgres: Postgres, of: str, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        self.made: list[Any] = []
        self._kind = kind
        self._postgres = postgres
        self._template = of
        self._tmp_path_factory = tmp_path_factory

    def __call__(self, **environ: str) -> Any:
        name = f"{self._template}_{len(self.made)}"
        connection = self._postgres.connect()
        with connection.cursor() as cursor:
            cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{self._template}"')
        connection.close()
        data_dir: Path = self._tmp_path_factory.mktemp("data")
        self.made.append(self._kind(self._postgres.url(name), **{"DATA_DIR": str(data_dir), **environ}))
        return self.made[-1]


def template(postgres: Postgres, kind: str) -> str:
    """Make a database with every migration and nothing else, which nobody uses; return its name."""
    name = f"{kind}_{uuid.uuid4().hex}"
    migrate(config.load({"DATABASE_URL": postgres.create(name)}))
    return name
