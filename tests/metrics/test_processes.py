"""Processes count in one place: what a dead one has counted stays, and nothing is counted twice."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.metrics.conftest import Samples, samples_of
from tests.metrics.test_requests import scraped_from, total
from tests.postgres import Postgres, free_port
from tests.test_cli import Run
from tests.transports import ROOT, Gunicorn, HttpClient

REQUESTS = ("headgate_requests_total",)


@pytest.fixture
def server(environment: dict[str, str], tmp_path: Path) -> Iterator[Gunicorn]:
    running = Gunicorn(tmp_path / "log", **environment)
    yield running
    assert running.stop() == 0


def workers_of(server: Gunicorn) -> set[int]:
    text = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
    return {int(pid) for pid in text.split()}


def directory_of(server: Gunicorn) -> Path:
    """Return the directory that the workers of a server count in, as the kernel knows it."""
    found = re.findall(
        r"(/\S+)/[a-z]+_[0-9]+\.db", "".join(Path(f"/proc/{pid}/maps").read_text() for pid in workers_of(server))
    )
    (directory,) = set(found)
    return Path(directory)


def wait_for(condition: Any, seconds: float = 20) -> None:
    ends_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends_at
        time.sleep(0.05)


def health(samples: Samples) -> float:
    return total(samples, "headgate_requests_total", route="/health")


def ask(server: Gunicorn, times: int) -> None:
    client = HttpClient(server.port)
    for _ in range(times):
        assert client.get("/health").status == 200


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda number: number.name)
def test_what_a_dead_worker_has_counted_stays_and_its_successor_counts_on(
    server: Gunicorn, token: str, number: signal.Signals
) -> None:
    client = HttpClient(server.port, token)
    ask(server, 40)
    before = health(scraped_from(client))
    files = None
    for _ in range(3):
        workers = workers_of(server)
        files = files or {path.name for path in directory_of(server).glob("*.db")}
        for worker in workers:
            os.kill(worker, number)
        wait_for(lambda old=workers: len(workers_of(server)) == 2 and not workers_of(server) & old)
        wait_until_it_answers(client)
    assert health(scraped_from(client)) == before
    ask(server, 40)
    assert health(scraped_from(client)) == before + 40
    assert {path.name for path in directory_of(server).glob("*.db")} <= {
        f"{kind}_{place}.db" for kind in ("counter", "histogram", "summary") for place in (0, 1)
    }


def wait_until_it_answers(client: HttpClient) -> None:
    def answers() -> bool:
        try:
            return client.get("/metrics").status == 200
        except OSError:
            return False

    wait_for(answers)


def test_a_reload_loses_nothing(server: Gunicorn, token: str) -> None:
    client = HttpClient(server.port, token)
    ask(server, 40)
    before, directory, workers = health(scraped_from(client)), directory_of(server), workers_of(server)
    os.kill(server.pid, signal.SIGHUP)
    wait_for(lambda: len(workers_of(server)) == 2 and not workers_of(server) & workers)
    wait_until_it_answers(client)
    ask(server, 10)
    assert health(scraped_from(client)) == before + 10
    assert directory_of(server) == directory


def test_the_directory_goes_with_the_server(environment: dict[str, str], tmp_path: Path) -> None:
    server = Gunicorn(tmp_path / "log", **environment)
    ask(server, 5)
    directory = directory_of(server)
    assert directory.is_dir()
    assert server.stop() == 0
    assert not directory.exists()


def test_a_directory_that_is_named_is_shared_and_stays(environment: dict[str, str], tmp_path: Path, token: str) -> None:
    """Two servers, as two containers with one volume would: each tells what both have counted."""
    shared = tmp_path / "some" / "where"
    servers = [
        Gunicorn(tmp_path / f"log{number}", **environment, PROMETHEUS_MULTIPROC_DIR=str(shared)) for number in range(2)
    ]
    clients = [HttpClient(server.port, token) for server in servers]
    before = health(scraped_from(clients[0]))
    for server in servers:
        ask(server, 20)
    assert {health(scraped_from(client)) for client in clients} == {before + 40}
    assert servers[0].stop() == 0
    assert health(scraped_from(clients[1])) == before + 40
    assert servers[1].stop() == 0
    assert {path.name for path in shared.glob("*.lock")} == {f"{place}.lock" for place in range(4)}


def test_a_file_that_was_only_begun_is_no_hindrance(server: Gunicorn, token: str) -> None:
    (directory_of(server) / "counter_9.db").touch()
    assert health(scraped_from(HttpClient(server.port, token))) >= 1


JOIN = """
import sys, time
from service import config, metrics
from service.metrics import processes
processes.share(config.load())
processes.join()
metrics.increment_counter("JobRuns", int(sys.argv[1]), Job="pull", Outcome="done")
print("joined", flush=True)
time.sleep(float(sys.argv[2]))
"""


def beside(directory: Path, by: int, seconds: float = 0) -> subprocess.Popen[str]:
    """Start a process that counts job runs in a directory."""
    command = [sys.executable, "-c", JOIN, str(by), str(seconds)]
    environment = {"PATH": os.environ["PATH"], "PROMETHEUS_MULTIPROC_DIR": str(directory)}
    started = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    assert started.stdout.readline() == "joined\n"
    return started


def test_a_worker_of_jobs_is_told_of_by_gunicorn(environment: dict[str, str], tmp_path: Path, token: str) -> None:
    server = Gunicorn(tmp_path / "log", **environment, PROMETHEUS_MULTIPROC_DIR=str(tmp_path / "shared"))
    client = HttpClient(server.port, token)

    def runs() -> float:
        return total(scraped_from(client), "headgate_job_runs_total", job="pull", outcome="done")

    try:
        alive = [beside(tmp_path / "shared", by, 60) for by in (1, 10)]
        assert runs() == 11
        for process in alive:
            process.kill()
            process.communicate()
        assert runs() == 11
        for _ in range(3):
            beside(tmp_path / "shared", 100).communicate()
        assert runs() == 311
        assert len(list((tmp_path / "shared").glob("*.lock"))) == 4
    finally:
        assert server.stop() == 0


def test_the_worker_of_make_run_is_told_of(postgres: Postgres, data_dir: Path, tmp_path: Path, token: str) -> None:
    """It runs in the process that starts gunicorn."""
    url = postgres.create(f"run_{uuid.uuid4().hex}")
    with Run(tmp_path / "output", DATABASE_URL=url, DATA_DIR=str(data_dir)) as run:
        run.curl()
        connection = psycopg2.connect(url)
        with connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO jobs (id, name, arguments) VALUES (%s, 'nothing', '{}')", (str(uuid.uuid4()),))
        connection.close()
        client = HttpClient(run.port, token)
        wait_for(lambda: total(scraped_from(client), "headgate_jobs_dead_total", job="unknown") == 1)
        assert total(scraped_from(client), "headgate_job_runs_total", job="unknown", outcome="failed") == 1


def test_a_directory_that_cannot_be_written_to_is_named(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn", "-c", "docker/gunicorn.conf.py", "service.wsgi:create()"],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "PORT": str(free_port()),
            **environment,
            "PROMETHEUS_MULTIPROC_DIR": "/proc/x",
        },
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("headgate: PROMETHEUS_MULTIPROC_DIR cannot be written to")
    assert done.stderr.count("\n") == 1


def test_the_exposition_of_processes_can_be_read_as_that_of_one(server: Gunicorn, token: str) -> None:
    text = HttpClient(server.port, token).get("/metrics").body.decode()
    assert samples_of(text)
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert types["headgate_requests_total"] == "counter"
    assert types["headgate_latency_seconds"] == "histogram"
    assert "# HELP headgate_requests_total Requests answered, by class of status (2xx, 4xx, …).\n" in text
    assert "pid=" not in text
