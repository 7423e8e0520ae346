from __future__ import annotations

import json
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.fullbay import Fullbay
from tests.transports import ROOT

KEY = "key-of-nobody"


class Process:
    """A stand-in that runs as a process of its own."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "tests.fullbay", "--port", "0", "--work-orders", "120", *arguments]
        self.popen = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.popen.stdout
        self.lines = iter(self.popen.stdout)
        self.welcome: list[str] = []
        while not self.welcome or "Ctrl-C" not in self.welcome[-1]:
            self.welcome.append(next(self.lines))
        self.url = self.welcome[0].split("answers at ")[1].split(". ")[0]
        next(self.lines)

    def ask(self, path: str, key: str = KEY, **query: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {key}"}
        return requests.get(self.url + path, params=query, headers=headers, timeout=5)

    def control(self, **changes: Any) -> dict[str, Any]:
        return dict(requests.post(f"{self.url}/__control__", json=changes, timeout=5).json())

    def truth(self, resource: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.ask("/__truth__", resource=resource).text.split("\n")]

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.popen.send_signal(number)
        self.popen.communicate(timeout=10)
        return self.popen.returncode


@pytest.fixture
def process() -> Iterator[Process]:
    found = Process()
    yield found
    assert found.stop() == 0


def test_it_says_what_to_paste(process: Process) -> None:
    commands = [shlex.split(line) for line in process.welcome if line.startswith("  ")]
    work_orders, invoices, runs = commands
    end = [".venv/bin/python", "-m", "service", "ingest"]
    assert work_orders == [f"FULLBAY_API_BASE_URL={process.url}", f"FULLBAY_API_KEY={KEY}", *end, "work-orders"]
    assert invoices[-5:] == [*end, "invoices"]
    assert f"FULLBAY_APP_BASE_URL={process.url}" in invoices
    assert runs[-1].endswith("/api/v1/ingestion/runs")


def test_each_request_is_a_line_without_its_key(process: Process) -> None:
    process.ask("/v1/work-orders", limit=2)
    requests.get(f"{process.url}/services/getInvoices.php?key=sesame&token=open&page=1", timeout=5)
    lines = "".join(next(process.lines) for _ in range(2))
    assert "GET /v1/work-orders?limit=2 200 " in lines
    assert "GET /services/getInvoices.php?key=***&token=***&page=1 200 " in lines
    assert KEY not in lines
    assert "sesame" not in lines


def test_it_serves_what_the_same_seed_makes_in_a_test(process: Process) -> None:
    with Fullbay(seed=1, work_orders=120) as fullbay:
        mine = [record["raw"] for record in fullbay.records("work-orders")]
    theirs = process.truth("work-orders")
    assert [record["raw"] for record in theirs] == mine
    assert theirs[0]["updated_at"].endswith("+00:00")
    assert len(process.truth("invoices")) == 400


def test_it_is_driven_from_outside(process: Process) -> None:
    process.control(faults=["status:503:times=1"])
    assert [process.ask("/v1/work-orders").status_code for _ in range(2)] == [503, 200]
    done = process.control(
        insert={"resource": "work-orders", "status": "brand new", "total_amount": "12.50"},
        update={"resource": "work-orders", "id": "1000005", "updated_at": "2026-07-01T00:00:00Z"},
        delete={"resource": "work-orders", "id": "1000006"},
        rotate={"shop": "default", "key": "another"},
    )
    truth = {record["id"]: record for record in process.truth("work-orders")}
    assert truth[done["insert"]["id"]]["total_amount"] == "12.50"
    assert truth["1000005"]["updated_at"] == "2026-07-01T00:00:00+00:00"
    assert "1000006" not in truth
    assert process.ask("/v1/work-orders").status_code == 401
    seen = process.control()
    assert [one["kind"] for one in seen["applied"]] == ["status"]
    assert (len(seen["requests"]), seen["impolite"], seen["leaks"], seen["errors"]) == (3, 0, 0, 0)


@pytest.mark.parametrize(
    ("path", "status"), [("/__nothing__", 404), ("/__truth__?resource=nothing", 400)], ids=["path", "resource"]
)
def test_there_is_nothing_else_to_control(process: Process, path: str, status: int) -> None:
    assert process.ask(path).status_code == status


def test_ctrl_c_stops_it() -> None:
    assert Process("--fault", "timeout:60").stop(signal.SIGINT) == 0


def test_faults_and_shops_are_arguments() -> None:
    process = Process("--fault", "status:418:path=parts", "--shop", "default=one", "--shop", "denver=two")
    answers = [process.ask(path, key).status_code for path in ("/v1/parts", "/v1/customers") for key in ("one", "two")]
    assert answers == [418, 418, 200, 200]
    assert process.stop() == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fault", "nothing"], "no fault is called nothing"),
        (["--fault", "status:colour=red"], "status has no option colour"),
        (["--port", "{taken}"], "cannot be used (Address already in use); --port 0 takes a free one"),
        (["--shop", "denver"], "--shop"),
    ],
    ids=lambda value: str(value),
)
def test_what_cannot_be_is_said(arguments: list[str], said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "tests.fullbay", *(one.format(taken=port) for one in arguments)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
