"""Pulling work orders: the engine beside dlt, and beside the bare statements that write the same rows."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tests.bench.report import Row, Spread
from tests.bench.servers import Databases
from tests.bench.turns import say
from tests.fullbay import Fullbay
from tests.transports import ROOT

ROWS, PAGE_SIZE, ROUNDS = 50_000, 100, 5
QUICK_ROWS, QUICK_ROUNDS = 5_000, 2
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
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in NAMES}
    database = databases.environment("pull")["DATABASE_URL"]
    with Fullbay(work_orders=rows, is_cached=True) as fullbay:
        for turn in range(rounds + 1):
            for name in NAMES:  # the floor writes what ours has stored just before
                say(f"{rows:,} work orders, {NAMES[name]}")
                if name != "floor":
                    with databases.postgres.connect("pull") as connection, connection.cursor() as cursor:
                        cursor.execute(CLEAR)
                    connection.close()
                result = _pull(name, fullbay.url, database)
                _check(databases, name, rows)
                if turn:  # the first one fills caches, the stand-in's too
                    found[name].append(result)
    return _rows(rows, found), [
        f"{rows:,} work orders, pages of {PAGE_SIZE}, {rounds} rounds, each in a fresh process and an empty table; the"
        " time begins behind the imports. dlt keeps nested objects as JSON here and sends no telemetry; by default it"
        " loads with INSERT, and told to load CSV with COPY.",
    ]


def _pull(name: str, source: str, database: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.pull", name, source, database, str(PAGE_SIZE)]
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


def _rows(rows: int, found: dict[str, list[dict[str, Any]]]) -> list[Row]:
    speed = {name: Spread.of([rows / one["seconds"] for one in results]) for name, results in found.items()}
    seconds = {name: Spread.of([one["seconds"] for one in results]) for name, results in found.items()}
    memory = {name: Spread.of([one["peak_mb"] for one in results]) for name, results in found.items()}
    ours = speed["ours"]
    return [
        Row("work orders per second", "/s", ours, NAMES["dlt"], speed["dlt"], ratio_at_least=PEER_AT_LEAST),
        Row("work orders per second", "/s", ours, NAMES["dlt-csv"], speed["dlt-csv"], ratio_at_least=PEER_AT_LEAST),
        Row("  peak memory", "MB", memory["ours"], NAMES["dlt"], memory["dlt"], ratio_at_most=MEMORY_AT_MOST),
        Row("  peak memory", "MB", memory["ours"], NAMES["dlt-csv"], memory["dlt-csv"], ratio_at_most=MEMORY_AT_MOST),
        Row(
            f"{rows:,} work orders", "s", seconds["ours"], NAMES["floor"], seconds["floor"], ratio_at_most=FLOOR_AT_MOST
        ),
    ]
