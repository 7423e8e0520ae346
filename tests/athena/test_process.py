"""The emulator as a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from service.exports.lake.athena import AthenaEngine
from service.exports.settings import load
from service.variables import Reader
from tests.athena.reading import read_file, run
from tests.transports import ROOT

COMMAND = [sys.executable, "-m", "tests.athena", "--port", "0"]


class Process:
    """An emulator that runs as a process of its own, and the environment that it says."""

    def __init__(self, *arguments: str) -> None:
        self.popen = subprocess.Popen([*COMMAND, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.popen.stdout
        self.lines = iter(self.popen.stdout)
        self.welcome: list[str] = []
        while not self.welcome or "Ctrl-C" not in self.welcome[-1]:
            self.welcome.append(next(self.lines))
        next(self.lines)
        exports = [line.split() for line in self.welcome if line.startswith("  export ")]
        self.environ = dict(variable.split("=", 1) for _, variable in exports)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.popen.send_signal(number)
        self.popen.communicate(timeout=10)
        return self.popen.returncode


@pytest.fixture
def process() -> Iterator[Process]:
    found = Process("--rows", "1200")
    yield found
    assert found.stop() == 0


def test_what_it_says_leads_the_service_to_it(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in process.environ.items():
        monkeypatch.setenv(name, value)
    settings = load(Reader(dict(os.environ)), "local", is_lambda=False)
    engine = AthenaEngine(settings)
    assert engine.catalog.names() == ("local_customers_silver", "local_orders_silver", "local_products_silver")
    columns = engine.catalog.columns("local_orders_silver")
    assert columns
    assert str({column.name: column.type for column in columns}["items"]).startswith("array<struct<sku:string")
    query_id = run(engine, f'SELECT * FROM "{settings.athena_database}"."local_customers_silver"', "first")
    assert read_file(engine, query_id).rows == 1200
    lines = [next(process.lines).split()[1:] for _ in range(3)]
    assert lines == [["GetTables", "200"], ["GetTable", "200"], ["StartQueryExecution", "200"]]


def test_ctrl_c_stops_it() -> None:
    assert Process("--rows", "1").stop(signal.SIGINT) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "{taken}"], "cannot be used (Address already in use); --port 0 takes a free one"),
        (["--fault", "nothing"], "kind must be one of throttle"),
    ],
    ids=["port", "fault"],
)
def test_what_cannot_be_is_said(arguments: list[str], said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [*COMMAND, *(one.format(taken=port) for one in arguments)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
