from __future__ import annotations

import json
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from tests.transports import ROOT


class Process:
    """A stand-in that runs as a process of its own."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "tests.partner", "--port", "0", *arguments]
        self.popen = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.popen.stdout
        self.lines = iter(self.popen.stdout)
        self.welcome: list[str] = []
        while not self.welcome or "Ctrl-C" not in self.welcome[-1]:
            self.welcome.append(next(self.lines))
        self.url = self.welcome[0].split("answers at ")[1].split(". ")[0]
        next(self.lines)
        self.commands = [shlex.split(line) for line in self.welcome if line.startswith("  ")]
        self.credentials = json.loads(self.commands[0][0].partition("=")[2])

    def send(self, *rows: Any, key: str = "k1") -> requests.Response:
        form = {name: self.credentials[name] for name in ("client_id", "client_secret")}
        path = self.credentials["token_endpoint"]
        answer = requests.post(self.url + path, data=form | {"grant_type": "client_credentials"}, timeout=5)
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}", "Idempotency-Key": key}
        body = {"batch_number": 1, "total_batches": 1, "records": list(rows)}
        return requests.post(self.url + "/records", json=body, headers=headers, timeout=5)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.popen.send_signal(number)
        self.popen.communicate(timeout=10)
        return self.popen.returncode


@pytest.fixture
def run() -> Iterator[Callable[..., Process]]:
    made: list[Process] = []

    def start(*arguments: str) -> Process:
        made.append(Process(*arguments))
        return made[-1]

    yield start
    assert [process.stop() for process in made if process.popen.poll() is None] in ([], [0])


def test_it_says_what_to_paste(run: Callable[..., Process]) -> None:
    process = run("--client-secret", "it's $ecret")
    export, runs = process.commands
    assert export[1:] == [".venv/bin/python", "-m", "service", "export", "local_customers_silver"]
    assert process.credentials["api_base_url"] == process.url
    assert process.credentials["client_secret"] == "it's $ecret"
    assert runs[-1] == "http://127.0.0.1:8080/api/v1/exports"
    assert "exports:read" in " ".join(runs)


def test_it_tells_others_what_has_arrived_and_each_request_is_a_line(run: Callable[..., Process]) -> None:
    process = run()
    assert process.send({"customer_id": "1"}, key="run-1").status_code == 200
    told = requests.get(process.url + "/_record", timeout=5).json()
    assert told["rows"] == [{"key": "run-1", "row": {"customer_id": "1"}}]
    assert (told["requests"], told["violations"]) == (2, [])
    lines = "".join(next(process.lines) for _ in range(3))
    assert "POST /oauth/token 200 " in lines
    assert "POST /records run-1 200 " in lines
    assert process.credentials["client_secret"] not in lines


def test_it_is_driven_from_outside(run: Callable[..., Process]) -> None:
    process = run("--fault", "status:503:path=records:times=1", "--refuse", "1", "--refusing", "errors", "--quiet")
    assert process.send({"a": 1}).status_code == 503
    assert process.send({"a": 1}).json()["errors"][0]["index"] == 0
    for change, status in (({"faults": ["status:418"], "revoke": True}, 200), ({"faults": ["no"]}, 400)):
        assert requests.post(process.url + "/_control", json=change, timeout=5).status_code == status
    assert requests.post(process.url + "/records", timeout=5).status_code == 418


def test_a_fast_one_is_a_process_too(run: Callable[..., Process]) -> None:
    process = run("--fast")
    assert process.send({"a": 1}).json() == {"status": "ok"}
    assert requests.get(process.url + "/_record", timeout=5).json()["requests"] == 1


def test_ctrl_c_stops_it() -> None:
    assert Process().stop(signal.SIGINT) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fault", "nothing"], "no fault is called nothing"),
        (["--fault", "status:colour=red"], "status has no option colour"),
        (["--port", "{taken}"], "cannot be used (Address already in use); --port 0 takes a free one"),
    ],
    ids=str,
)
def test_what_cannot_be_is_said(arguments: list[str], said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "tests.partner", *(one.format(taken=port) for one in arguments)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
