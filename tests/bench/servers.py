"""What the contenders run on: one durable PostgreSQL with a database for each measurement, and the peer's server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service import config
from service.database.schema import migrate
from service.security.issuer import OwnIssuer
from tests.bench.samples import CLAIMS
from tests.postgres import Postgres, free_port
from tests.transports import ROOT, START_SECONDS, Gunicorn, wait_until_up

WORKERS = "2"
# Durable, as in production. What is set keeps checkpoints and new WAL files out of a run of a few minutes: a server
# that has run for a day recycles its files, a new one makes each anew and waits for the disk.
SETTINGS = (
    "fsync = on",
    "synchronous_commit = on",
    "max_connections = 100",
    "min_wal_size = 1GB",
    "max_wal_size = 4GB",
    "checkpoint_timeout = 30min",
)
WAL_ROWS = 300_000  # about 1 kB each


class Databases:
    """A PostgreSQL of its own, and the environments of services on it."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.postgres = Postgres(*SETTINGS)
        with self.postgres.connect().cursor() as cursor:
            cursor.execute("SHOW server_version")
            self.version: str = cursor.fetchone()[0]
            cursor.execute(
                f"CREATE TABLE wal AS SELECT repeat(md5(n::text), 30) FROM generate_series(1, {WAL_ROWS}) AS n"
            )
            cursor.execute("DROP TABLE wal")
            cursor.execute("CHECKPOINT")

    def environment(self, name: str) -> dict[str, str]:
        """Create and migrate a database; return the environment of a service that uses it."""
        environment = {
            "DATABASE_URL": self.postgres.create(name),
            "DATA_DIR": str(self._home),
            "LOG_LEVEL": "warn",
            "MAX_BULK_EVENTS": "1000",
        }
        migrate(config.load(environment))
        return environment

    def token(self) -> str:
        """Return a token that services of these environments accept."""
        settings = config.load({"DATABASE_URL": self.postgres.url(), "DATA_DIR": str(self._home)})
        return OwnIssuer(settings).issue(CLAIMS["sub"], [CLAIMS["scope"]], 3600)

    def events(self, name: str) -> int:
        """Return how many whole events a database holds: with a header, and with the entity's place in it."""
        with self.postgres.connect(name).cursor() as cursor:
            cursor.execute(
                """
                SELECT count(*)
                FROM business_events AS event
                JOIN event_headers USING (id)
                JOIN event_entities AS touched ON touched.event_id = event.id
                JOIN entities AS entity ON entity.event_id = event.id
                """
            )
            return int(cursor.fetchone()[0])


@contextmanager
def databases() -> Iterator[Databases]:
    """Start the PostgreSQL of a run; remove it with all it holds at the end."""
    with tempfile.TemporaryDirectory(prefix="headgate-bench-") as home:
        found = Databases(Path(home))
        try:
            yield found
        finally:
            found.postgres.remove()


def lambda_environment(environment: dict[str, str]) -> dict[str, str]:
    """Return the environment as a Lambda function has it: behind an authorizer, one connection."""
    return environment | {"AWS_LAMBDA_FUNCTION_NAME": "bench", "TOKEN_ISSUER": "https://issuer.example.com"}


class Uvicorn:
    """The peer's application under uvicorn, in its fastest form: uvloop, httptools, no access log."""

    OPTIONS = ("tests.bench.peer:app", "--loop=uvloop", "--http=httptools", "--no-access-log", "--log-level=warning")

    def __init__(self, log: Path, **environment: str) -> None:
        self.port = free_port()
        self._output = log.open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", *self.OPTIONS, f"--port={self.port}", f"--workers={WORKERS}"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **environment},
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        wait_until_up(self._process, self.port, log)

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        """Stop it and its workers."""
        self._process.terminate()
        try:
            self._process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            for pid in (*children(self.pid), self.pid):
                os.kill(pid, signal.SIGKILL)
            self._process.wait()
        self._output.close()


Server = Gunicorn | Uvicorn


def gunicorn(log: Path, workers: str = WORKERS, **environment: str) -> Gunicorn:
    """Start the service with the settings of the image."""
    return Gunicorn(log, WEB_WORKERS=workers, **environment)


def resident_megabytes(pid: int | str) -> float:
    """Return the memory that a process has in RAM (VmRSS), in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"process {pid} has ended")


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
