"""Pulling work orders: the engine beside dlt, and beside the bare statements that write the same rows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.bench.pull import KEY
from tests.bench.report import Row, Spread
from tests.bench.servers import Databases
from tests.bench.turns import say
from tests.transports import ROOT

ROWS, ROUNDS = 50_000, 5
QUICK_ROWS, QUICK_ROUNDS = 5_000, 2
PAGE_SIZES = (100, 1000)  # the contract's, and the largest that FULLBAY_PAGE_SIZE allows
PEER_AT_LEAST, MEMORY_AT_MOST, FLOOR_AT_MOST = 3, 0.5, 2
NAMES = {
    "ours": "ours",
    "floor": "bare COPY + INSERT",
    "dlt": "dlt, merge",
    "dlt-csv": "dlt, merge, loading CSV",
}
CLEAR = """
    TRUNCATE fullbay_work_orders;
    TRUNCATE ingestion_metadata, ingestion_windows, ingestion_rejects;
    DROP SCHEMA IF EXISTS peer CASCADE;
    DROP SCHEMA IF EXISTS peer_staging CASCADE
"""


def ingestion(databases: Databases, is_quick: bool) -> tuple[list[Row], list[str]]:
    """Pull all work orders into an empty table, each contender in a process of its own, by turns."""
    rows, rounds = (QUICK_ROWS, QUICK_ROUNDS) if is_quick else (ROWS, ROUNDS)
    database = databases.environment("pull")["DATABASE_URL"]
    table: list[Row] = []
    with _fullbay(rows) as url:
        for page_size in PAGE_SIZES:
            found: dict[str, list[dict[str, Any]]] = {name: [] for name in NAMES}
            for turn in range(rounds + 1):
                for name in NAMES:  # the floor writes what ours has stored just before
                    say(f"{rows:,} work orders, pages of {page_size}, {NAMES[name]}")
                    if name != "floor":
                        _clear(databases)
                    result = _pull(name, url, database, page_size)
                    _check(databases, name, rows)
                    if turn:  # the first one fills caches, the stand-in's too
                        found[name].append(result)
            table += _rows(rows, page_size, found)
    return table, [
        f"{rows:,} work orders, {rounds} rounds, each in a fresh process and an empty table, from a stand-in that"
        " answers out of memory; the time begins behind the imports. dlt keeps nested objects as JSON here and sends no"
        " telemetry; by default it loads with INSERT, and told to load CSV with COPY.",
    ]


@contextmanager
def _fullbay(rows: int) -> Iterator[str]:
    """Start the stand-in as a process; give its URL once it has all its pages."""
    command = [sys.executable, "-m", "tests.fullbay", "--port", "0", "--cached", "--quiet", "--shop", f"default={KEY}"]
    server = subprocess.Popen([*command, "--work-orders", str(rows)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = re.search(r"http://127\.0\.0\.1:[0-9]+", server.stdout.readline())
        if url is None:
            raise RuntimeError("the stand-in did not start")
        yield url[0]
    finally:
        server.terminate()
        server.wait()


def _clear(databases: Databases) -> None:
    connection = databases.postgres.connect("pull")
    with connection, connection.cursor() as cursor:
        cursor.execute(CLEAR)
    connection.close()


def _pull(name: str, source: str, database: str, page_size: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.pull", name, source, database, str(page_size)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name} failed:\n{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _check(databases: Databases, name: str, rows: int) -> None:
    table = "peer.work_orders" if name.startswith("dlt") else "fullbay_work_orders"
    with databases.postgres.connect("pull") as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        count = cursor.fetchone()[0]
    connection.close()
    if count != rows:
        raise RuntimeError(f"{name} stored {count} of {rows} work orders")


def _rows(rows: int, page_size: int, found: dict[str, list[dict[str, Any]]]) -> list[Row]:
    speed = {name: Spread.of([rows / one["seconds"] for one in results]) for name, results in found.items()}
    seconds = {name: Spread.of([one["seconds"] for one in results]) for name, results in found.items()}
    memory = {name: Spread.of([one["peak_mb"] for one in results]) for name, results in found.items()}
    table = []
    for peer in ("dlt", "dlt-csv"):
        name = f"work orders per second, pages of {page_size}"
        table += [
            Row(name, "/s", speed["ours"], NAMES[peer], speed[peer], ratio_at_least=PEER_AT_LEAST),
            Row("  peak memory", "MB", memory["ours"], NAMES[peer], memory[peer], ratio_at_most=MEMORY_AT_MOST),
        ]
    name = f"{rows:,} work orders, pages of {page_size}"
    floor = Row(name, "s", seconds["ours"], NAMES["floor"], seconds["floor"], ratio_at_most=FLOOR_AT_MOST)
    return [*table, floor]
