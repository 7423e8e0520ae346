"""A database of its own for each test of a whole run, and a Fullbay to read."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from flask import Flask

from service import config, deadline, jobs
from service.app import create_app
from service.database.schema import migrate
from service.ingestion.engine import Result
from service.ingestion.records import Stream
from service.ingestion.service import Ingestion
from tests.fullbay import Fullbay
from tests.ingestion.function import as_function as as_function
from tests.ingestion.function import moto as moto
from tests.ingestion.function import queue as queue
from tests.ingestion.running import Forks
from tests.postgres import Postgres

EMPTY = """
TRUNCATE ingestion_metadata, ingestion_windows, ingestion_rejects, jobs, job_schedules, fullbay_work_orders,
    fullbay_customers, fullbay_parts, fullbay_invoices, fullbay_line_items, fullbay_invoice_differences RESTART IDENTITY
"""
QUICK = {"FULLBAY_PAGE_SIZE": "20", "FULLBAY_PAUSE_MS": "0", "SCHEDULE_EXPRESSION": "rate(1 day)"}


class Installation:
    """A database that is this test's alone, with every migration, and the environment of a service that uses it."""

    def __init__(self, url: str, **environ: str) -> None:
        self.url = url
        self.environ = {"DATABASE_URL": url, **QUICK, **environ}
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

    def empty(self) -> None:
        """Take all that was ever read out again."""
        self.sql(EMPTY)

    def put_schedules_off(self) -> None:
        """Let workers put no jobs of their own."""
        self.sql(
            """
            INSERT INTO job_schedules (name, expression, due_at)
            SELECT name, %s, now() + interval '1 day' FROM unnest(ARRAY['work-orders', 'invoices']) AS name
            """,
            self.environ["SCHEDULE_EXPRESSION"],
        )

    def wait_until_left(self, seconds: float = 10) -> None:
        """Wait until the server knows that every process has left that was killed."""
        expires_at = time.monotonic() + seconds
        others = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        while self.sql(others):
            assert time.monotonic() < expires_at, f"somebody is still connected after {seconds} s"
            time.sleep(0.01)

    def read_from(self, fullbay: Fullbay) -> None:
        """Let the service read a stand-in, with the keys of its shops."""
        keys = {f"FULLBAY_API_KEY_{shop.upper()}": key for shop, key in fullbay.shops.items()}
        urls = {"FULLBAY_API_BASE_URL": fullbay.url, "FULLBAY_APP_BASE_URL": fullbay.url}
        self.environ |= keys | urls | {"FULLBAY_SERVER_IP": "127.0.0.1"}

    @contextmanager
    def app(self, **environ: str) -> Iterator[Flask]:
        """The service, in an application context."""
        app = create_app(config.load(self.environ | environ))
        try:
            with app.app_context():
                yield app
        finally:
            app.extensions["database"].close()

    def read(
        self,
        source: str = "work-orders",
        resource: str | None = None,
        shop: str = "default",
        seconds: float = 60,
        environ: dict[str, str] | None = None,
        **request: Any,
    ) -> Result | None:
        """Read a stream in this process; return how that ended."""
        with self.app(**(environ or {})) as app:
            ingestion: Ingestion = app.extensions["ingestion"]
            return self.within(seconds, ingestion.read, Stream(source, resource or source, shop), request)

    def within(self, seconds: float, work: Callable[..., Result | None], *arguments: Any) -> Result | None:
        """Do work that has a deadline; return how it ended."""
        deadline.start(seconds)
        try:
            return work(*arguments)
        finally:
            deadline.clear()

    def put(self, name: str, **arguments: Any) -> None:
        """Put a job into the table."""
        with self.app():
            jobs.get_queue().put(name, arguments)

    def book(self) -> Any:
        """All that was ever read and noted, to compare."""
        tables = ("fullbay_work_orders", "fullbay_invoices", "ingestion_windows", "ingestion_metadata")
        return [self.sql(f"SELECT to_jsonb(t) FROM {table} AS t ORDER BY id") for table in tables]

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


@pytest.fixture(scope="session")
def ingestion_template(postgres: Postgres) -> str:
    """The name of a database with every migration and nothing else, which nobody uses."""
    name = f"ingestion_{uuid.uuid4().hex}"
    migrate(config.load({"DATABASE_URL": postgres.create(name)}))
    return name


@pytest.fixture(scope="session")
def install(postgres: Postgres, ingestion_template: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Makes installations with databases of their own: `install(fullbay, JOB_SECONDS="3")`."""
    made: list[Installation] = []

    def make(fullbay: Fullbay | None = None, **environ: str) -> Installation:
        name = f"{ingestion_template}_{len(made)}"
        connection = postgres.connect()
        with connection.cursor() as cursor:
            cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{ingestion_template}"')
        connection.close()
        data_dir: Path = tmp_path_factory.mktemp("data")
        made.append(Installation(postgres.url(name), DATA_DIR=str(data_dir), **environ))
        if fullbay:
            made[-1].read_from(fullbay)
        return made[-1]

    make.made = made  # type: ignore[attr-defined]
    return make


@pytest.fixture(autouse=True)
def _hang_up(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave no connection of a test open: the server has so many for all of them."""
    yield
    if "install" in request.fixturenames:
        for installation in request.getfixturevalue("install").made:
            installation.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Fullbay]]:
    """Starts stand-ins: `serve(work_orders=300)`."""
    started: list[Fullbay] = []

    def start(**options: Any) -> Fullbay:
        sizes = {"work_orders": 0, "customers": 0, "parts": 0, "invoices": 0}
        fullbay = Fullbay(**{**sizes, **options})
        started.append(fullbay)
        return fullbay.__enter__()

    yield start
    for fullbay in started:
        fullbay.__exit__(None)


@pytest.fixture(scope="session")
def _forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    with Forks(tmp_path_factory.mktemp("forks")) as forks:
        yield forks


@pytest.fixture
def forks(_forks: Forks) -> Iterator[Forks]:
    """Processes that read a source, and die or freeze where they are told to."""
    yield _forks
    _forks.end()
