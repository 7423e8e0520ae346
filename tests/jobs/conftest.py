"""A database with nothing but the jobs of one test, and workers for it: in this process, or processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from flask import Flask

from service import config, jobs
from service.app import create_app
from service.database.schema import migrate
from service.jobs.worker import Worker
from tests.jobs import working
from tests.postgres import Postgres
from tests.transports import ROOT

QUICK = {"JOB_LEASE_SECONDS": "1.5", "JOB_RETRY_SECONDS": "0", "GRACEFUL_SECONDS": "3"}


def wait_for(happens: Callable[[], Any], what: str, seconds: float = 20) -> Any:
    """Wait until something is true; return it."""
    expires_at = time.monotonic() + seconds
    while not (found := happens()):
        assert time.monotonic() < expires_at, f"{what}: not within {seconds} seconds"
        time.sleep(0.05)
    return found


@pytest.fixture(scope="session")
def jobs_environment(postgres: Postgres, data_dir: Path) -> dict[str, str]:
    """The environment of workers that are in a hurry."""
    environment = {"DATABASE_URL": postgres.create(f"jobs_{uuid.uuid4().hex}"), "DATA_DIR": str(data_dir), **QUICK}
    migrate(config.load(environment))
    return environment


@pytest.fixture(scope="session")
def _connection(jobs_environment: dict[str, str]) -> Iterator[Any]:
    connection = psycopg2.connect(jobs_environment["DATABASE_URL"])
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(working.TABLE)
    yield connection
    connection.close()


@pytest.fixture
def sql(_connection: Any) -> Callable[..., list[tuple[Any, ...]]]:
    """Runs SQL on the database of the jobs, which nobody has put anything into yet."""
    lock = threading.Lock()

    def run(statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with lock, _connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    run("TRUNCATE jobs, job_schedules, ran")
    return run


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch, jobs_environment: dict[str, str]) -> None:
    """The jobs of `working`, in this process."""
    monkeypatch.setattr(jobs, "_jobs", {})
    monkeypatch.setenv("DATABASE_URL", jobs_environment["DATABASE_URL"])
    working.register()


@pytest.fixture
def settings(jobs_environment: dict[str, str]) -> config.Config:
    return config.load(jobs_environment)


@pytest.fixture
def app(settings: config.Config, sql: Any) -> Iterator[Flask]:
    app = create_app(settings)
    yield app
    app.extensions["database"].close()


@pytest.fixture
def put(app: Flask) -> Callable[..., None]:
    """Puts a job as the service does."""

    def put(name: str, /, delay_seconds: float = 0, **arguments: Any) -> None:
        with app.app_context():
            jobs.get_queue().put(name, arguments, delay_seconds)

    return put


@pytest.fixture
def work(app: Flask, registered: None, jobs_environment: dict[str, str]) -> Iterator[Callable[..., Worker]]:
    """Starts workers in threads of this process."""
    workers: list[Worker] = []

    def start(alive: Path | None = None, **environ: str) -> Worker:
        worker = Worker(app, config.load(jobs_environment | environ), alive)
        workers.append(worker)
        worker.start()
        return worker

    yield start
    for worker in workers:
        worker.stop(0)
    for worker in workers:
        assert worker.join(15)


class Process:
    """`python -m service worker` with the jobs of `working`, in a process of its own. All it says is in `log`."""

    def __init__(self, log: Path, *arguments: str, **environ: str) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.jobs.working", "worker", *arguments],
                cwd=ROOT,
                env={"PATH": os.environ["PATH"], **environ},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@pytest.fixture
def process(jobs_environment: dict[str, str], sql: Any, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts workers in processes of their own."""
    processes: list[Process] = []

    def start(*arguments: str, **environ: str) -> Process:
        started = Process(tmp_path / f"worker-{len(processes)}", *arguments, **jobs_environment | environ)
        processes.append(started)
        return started

    yield start
    for each in processes:
        with suppress(ProcessLookupError):
            each.kill()
    for each in processes:
        assert working.SECRET not in each.log.read_text()
