"""A database of its own for each test of a whole run, and a Fullbay to read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from service.ingestion.engine import Result
from service.ingestion.records import Stream
from service.ingestion.service import Ingestion
from tests import installations
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


class Installation(installations.Installation):
    """An installation that reads a stand-in."""

    defaults = QUICK

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

    def read_from(self, fullbay: Fullbay) -> None:
        """Let the service read a stand-in, with the keys of its shops."""
        keys = {f"FULLBAY_API_KEY_{shop.upper()}": key for shop, key in fullbay.shops.items()}
        urls = {"FULLBAY_API_BASE_URL": fullbay.url, "FULLBAY_APP_BASE_URL": fullbay.url}
        self.environ |= keys | urls | {"FULLBAY_SERVER_IP": "127.0.0.1"}

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

    def book(self) -> Any:
        """All that was ever read and noted, to compare."""
        tables = ("fullbay_work_orders", "fullbay_invoices", "ingestion_windows", "ingestion_metadata")
        return [self.sql(f"SELECT to_jsonb(t) FROM {table} AS t ORDER BY id") for table in tables]


@pytest.fixture(scope="session")
def ingestion_template(postgres: Postgres) -> str:
    """The name of a database with every migration and nothing else, which nobody uses."""
    return installations.template(postgres, "ingestion")


@pytest.fixture(scope="session")
def install(postgres: Postgres, ingestion_template: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Makes installations with databases of their own: `install(fullbay, JOB_SECONDS="3")`."""
    new = installations.Installations(Installation, postgres, ingestion_template, tmp_path_factory)

    def make(fullbay: Fullbay | None = None, **environ: str) -> Installation:
        made: Installation = new(**environ)
        if fullbay:
            made.read_from(fullbay)
        return made

    make.made = new.made  # type: ignore[attr-defined]
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
    with Forks(tmp_path_factory.mktemp("forks"), "tests.ingestion.running") as forks:
        yield forks


@pytest.fixture
def forks(_forks: Forks) -> Iterator[Forks]:
    """Processes that read a source, and die or freeze where they are told to."""
    yield _forks
    _forks.end()
