"""Sending a table to a partner: the service beside bare requests, a result's file beside its pages, and memory."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.bench.report import Row, Spread
from tests.bench.servers import Databases
from tests.bench.turns import say
from tests.transports import ROOT

ROWS, ROUNDS = 100_000, 5
MANY_ROWS = 1_000_000
QUICK_ROWS, QUICK_ROUNDS, QUICK_MANY_ROWS = 10_000, 2, 50_000
FLOOR_AT_MOST, PAGES_AT_MOST, MEMORY_AT_MOST = 2, 1 / 5, 150


def exports(databases: Databases, is_quick: bool) -> tuple[list[Row], list[str]]:
    """Send all customers of a lake, each contender in a process of its own, by turns."""
    rows, rounds, many = (QUICK_ROWS, QUICK_ROUNDS, QUICK_MANY_ROWS) if is_quick else (ROWS, ROUNDS, MANY_ROWS)
    database = databases.environment("send")
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in ("ours", "floor", "file", "pages")}
    with _partner() as partner:
        with _athena(rows) as athena:
            environ = {**database, **athena, "API_CREDENTIALS": partner, "MAX_RECORDS": str(many)}
            for turn in range(rounds + 1):
                for name, results in found.items():
                    say(f"{rows:,} rows, {name}")
                    result = _send(name, rows, environ)
                    if turn:  # the first one fills caches
                        results.append(result)
        peaks = [_peak(count, {**environ}) for count in (10_000, many)]
    seconds = {name: Spread.of([one["seconds"] for one in results]) for name, results in found.items()}
    table = [
        Row(
            f"export of {rows:,} rows, 4 connections",
            "s",
            seconds["ours"],
            "bare requests",
            seconds["floor"],
            ratio_at_most=FLOOR_AT_MOST,
        ),
        Row(
            f"reading a result of {rows:,} rows",
            "s",
            seconds["file"],
            "GetQueryResults, pages of 1,000",
            seconds["pages"],
            ratio_at_most=PAGES_AT_MOST,
        ),
        Row(
            f"peak memory, export of {many:,} rows",
            "MB",
            Spread.of([peaks[1]]),
            "of 10,000 rows",
            Spread.of([peaks[0]]),
            at_most=MEMORY_AT_MOST,
        ),
    ]
    return table, [
        f"Exports: rows of 8 columns in batches of 100, {rounds} rounds, each in a fresh process; the time begins"
        " behind the imports and ends with the run. The partner answers at once and keeps nothing; the emulated Athena"
        " answers a query that it knows out of a file. The floor sends bodies that are made before and keeps no books.",
    ]


def _peak(rows: int, environ: dict[str, str]) -> float:
    """Return the most memory that a process has that exports so many rows, in MB."""
    say(f"{rows:,} rows, memory")
    with _athena(rows) as athena:
        peak: float = _send("ours", rows, environ | athena)["peak_mb"]
    return peak


@contextmanager
def _partner() -> Iterator[str]:
    """Start the stand-in of a partner; give its credentials."""
    with _process("tests.partner", "--fast") as lines:
        found = re.search(r"API_CREDENTIALS='([^']*)'", lines("API_CREDENTIALS"))
        assert found is not None
        yield found[1]


@contextmanager
def _athena(rows: int) -> Iterator[dict[str, str]]:
    """Start the emulator with so many customers; give the environment in which it is found."""
    with _process("tests.athena", "--reuse", "--rows", str(rows)) as lines:
        environ = {}
        while "ATHENA_OUTPUT_BUCKET" not in environ:
            name, _, value = lines("export ").strip().removeprefix("export ").partition("=")
            environ[name] = value.strip("'")
        yield environ


@contextmanager
def _process(module: str, *arguments: str) -> Iterator[Any]:
    """Start a stand-in on a free port; give what returns its next line with some words."""
    command = [sys.executable, "-m", module, "--port", "0", "--quiet", *arguments]
    with ExitStack() as stack:
        server = stack.enter_context(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True))
        stack.callback(server.wait)
        stack.callback(server.terminate)
        assert server.stdout is not None
        output = server.stdout

        def line(words: str) -> str:
            for text in output:
                if words in text:
                    return str(text)
            raise RuntimeError(f"{module} did not start")

        yield line


def _send(name: str, rows: int, environ: dict[str, str]) -> dict[str, Any]:
    order = json.dumps({"name": name, "rows": rows, "environ": environ})
    done = subprocess.run([sys.executable, "-m", "tests.bench.send", order], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name} failed:\n{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if result["rows"] != rows:
        raise RuntimeError(f"{name} came to {result['rows']} of {rows} rows")
    return result
