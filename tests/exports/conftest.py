"""A database of its own for each test of a whole run, a lake to read, and a partner to send to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from service import deadline
from service.exports.delivery import calls, pace
from service.exports.lake import athena_calls, athena_result
from service.exports.lake.athena import AthenaEngine
from service.exports.lake.engine import Engine
from service.exports.runs import Result
from service.exports.selection.request import request_of
from service.exports.service import Exports
from service.exports.watch import Progress
from tests import installations
from tests.athena import Athena
from tests.exports.recorded import Recorded
from tests.exports.rows import RULES, TABLE, Record, arrow
from tests.exports.truth import Run, assert_true
from tests.forks import Forks
from tests.partner import Partner
from tests.postgres import Postgres

DEFAULTS = {"EXPORT_TABLES": RULES, "BATCH_SIZE": "10", "ENVIRONMENT": "test"}
EMPTY = "TRUNCATE export_runs, export_batches, export_rejects, export_fingerprints, jobs RESTART IDENTITY"

Report = Callable[[Progress], None]


class Installation(installations.Installation):
    """An installation that exports a lake to a partner. Its `engine` is the lake, None for what `environ` says."""

    defaults = DEFAULTS

    def __init__(self, url: str, **environ: str) -> None:
        super().__init__(url, **environ)
        directory = Path(self.environ["DATA_DIR"]) / "recorded"
        directory.mkdir(exist_ok=True)
        self.recorded = Recorded(directory)
        self.engine: Engine | None = self.recorded
        self.lake = str(directory)

    def send_to(self, partner: Partner) -> None:
        """Let the service send to a stand-in."""
        self.environ["API_CREDENTIALS"] = json.dumps(partner.credentials)

    def empty(self) -> None:
        """Take all that was ever noted out again."""
        self.sql(EMPTY)

    @contextmanager
    def app(self, **environ: str) -> Iterator[Flask]:
        """The service, in an application context."""
        with super().app(**environ) as app:
            app.extensions["exports"]._engine = self.engine
            yield app

    def begin(self, environ: dict[str, str] | None = None, key: str | None = None, **request: Any) -> str:
        """Note a run; return its id."""
        with self.app(**(environ or {})) as app:
            exports: Exports = app.extensions["exports"]
            asked = request_of({"table": TABLE, **request})
            return self.within(60, exports.announce, asked, "command", key)

    def work(
        self,
        run_id: str,
        seconds: float = 60,
        report: Report = lambda progress: None,
        is_continued: bool = True,
        **environ: str,
    ) -> Result | None:
        """Go on with a run in this process; return how that ended."""
        with self.app(**environ) as app:
            return self.within(seconds, app.extensions["exports"].work, run_id, report, is_continued)

    def export(self, environ: dict[str, str] | None = None, **request: Any) -> tuple[str, str]:
        """Begin a run and go on with it, leg by leg, until it ends; return its id and how it ended."""
        run_id = self.begin(environ, **request)
        return run_id, self.finish(run_id, **(environ or {}))

    def finish(self, run_id: str, **environ: str) -> str:
        """Go on with a run until it ends; return how."""
        for _ in range(50):
            result = self.work(run_id, **environ)
            assert result is not None
            if result.status != "CONTINUES":
                return result.status
        raise AssertionError(f"{run_id} does not end")

    def cancel(self, run_id: str) -> None:
        with self.app() as app:
            self.within(60, app.extensions["exports"].cancel, run_id)

    def reopen(self, run_id: str, **environ: str) -> None:
        with self.app(**environ) as app:
            self.within(60, app.extensions["exports"].reopen, run_id)

    def retry(self, run_id: str, **environ: str) -> str:
        """Send once more what did not get through; return how that ended."""
        self.reopen(run_id, **environ)
        return self.finish(run_id, **environ)

    def assert_true(self, partner: Partner, run_id: str, rows: list[Record], **how: bool) -> Run:
        """See `truth.assert_true`."""
        return assert_true(partner, self.sql, run_id, rows, **how)


@pytest.fixture(scope="session")
def exports_template(postgres: Postgres) -> str:
    """The name of a database with every migration and nothing else, which nobody uses."""
    return installations.template(postgres, "exports")


@pytest.fixture(scope="session")
def install(postgres: Postgres, exports_template: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Makes installations with databases of their own: `install(partner, rows(300), BATCH_SIZE="20")`."""
    new = installations.Installations(Installation, postgres, exports_template, tmp_path_factory)

    def make(partner: Partner | None = None, records: list[Record] | None = None, **environ: str) -> Installation:
        made: Installation = new(**environ)
        made.recorded.put(records or [])
        if partner:
            made.send_to(partner)
        return made

    make.made = new.made  # type: ignore[attr-defined]
    return make


@pytest.fixture(autouse=True)
def _hang_up(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave no connection of a test open: the server has so many for all of them."""
    yield
    deadline.clear()
    if "install" in request.fixturenames:
        for installation in request.getfixturevalue("install").made:
            installation.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Partner]]:
    """Starts partners that end with the test: `serve(refuses=Refusing(3))`."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(Partner(**options))


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for long before something is tried again."""
    for module in (calls, pace):
        monkeypatch.setattr(module, "FIRST_WAIT_SECONDS", 0.001)
        monkeypatch.setattr(module, "LONGEST_WAIT_SECONDS", 0.005)
    monkeypatch.setattr(pace, "FIRST_DISTANCE_SECONDS", 0.001)
    monkeypatch.setattr(pace, "LONGEST_DISTANCE_SECONDS", 0.005)
    monkeypatch.setattr(athena_calls, "FIRST_WAIT_SECONDS", 0.001)
    monkeypatch.setattr(athena_calls, "THROTTLED_SECONDS", 0.01)
    monkeypatch.setattr(athena_result, "FIRST_WAIT_SECONDS", 0.001)


@pytest.fixture(scope="session")
def _forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    with Forks(tmp_path_factory.mktemp("forks"), "tests.exports.running") as forks:
        yield forks


@pytest.fixture
def forks(_forks: Forks) -> Iterator[Forks]:
    """Processes that export, and die or freeze where they are told to."""
    yield _forks
    _forks.end()


class Cloud:
    """An Athena that is none, and the engine of this process that asks it."""

    def __init__(self, athena: Athena) -> None:
        self.athena = athena
        self.engine = AthenaEngine(athena.settings)
        with pytest.MonkeyPatch.context() as patch:
            athena.lead(patch)
            for service in ("athena", "glue", "s3"):
                self.engine._aws._client(service)

    def put(self, records: list[Record]) -> None:
        """Let the table hold these rows."""
        self.athena.create_table(TABLE, arrow(records))


@pytest.fixture(scope="session")
def _cloud() -> Iterator[Cloud]:
    with Athena() as athena:
        yield Cloud(athena)


@pytest.fixture
def cloud(_cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """A lake on AWS where nothing goes wrong yet."""
    _cloud.athena.lead(monkeypatch)
    _cloud.athena.queries.started.clear()
    return _cloud
