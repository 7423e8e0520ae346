"""The first event of a fresh process: how long it takes, which modules it brings, how much memory it leaves."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any

from tests.bench.report import Row, Spread
from tests.bench.samples import car_event, invocation
from tests.bench.servers import Databases, lambda_environment
from tests.bench.turns import say
from tests.transports import ROOT

OURS, PEER = "service.lambda_handler", "tests.bench.peer"
BESIDE = "FastAPI + Mangum + asyncpg"
RATIO_AT_MOST = 0.6
MEMORY_AT_MOST = 90  # MB
TOP = 15

_IMPORT_TIME = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| +(\S+)")


class ColdStarts:
    """Cold starts of both, taking turns. The first of each writes the compiled modules and is not counted."""

    def __init__(self, databases: Databases, rounds: int) -> None:
        say(f"{rounds} cold starts of each")
        self.environment = lambda_environment(databases.environment("cold"))
        self.results: dict[str, list[dict[str, Any]]] = {OURS: [], PEER: []}
        for turn in range(rounds + 1):
            for module in (OURS, PEER) if turn % 2 else (PEER, OURS):
                result = json.loads(_run(self.environment, module).stdout.splitlines()[-1])  # behind its metrics
                if result["status"] != 200:
                    raise RuntimeError(f"{module} answered {result}")
                if turn:
                    self.results[module].append(result)
        if databases.events("cold") != 2 * (rounds + 1):
            raise RuntimeError("not every first event was stored")

    def spread(self, module: str, *keys: str, scale: float = 1000) -> Spread:
        """Return the sum of values of each start."""
        return Spread.of([sum(result[key] for key in keys) * scale for result in self.results[module]])

    def unwanted(self) -> list[str]:
        """Return the modules that a first event imports and should not."""
        return sorted({name for result in self.results[OURS] for name in result["unwanted"]})


def cold(databases: Databases, is_quick: bool) -> tuple[list[Row], list[str], str]:
    """Measure cold starts: rows, notes, and the list of the slowest imports."""
    starts = ColdStarts(databases, 3 if is_quick else 15)

    def row(name: str, *keys: str, target: float | None = None) -> Row:
        ours, theirs = starts.spread(OURS, *keys), starts.spread(PEER, *keys)
        return Row(name, "ms", ours, BESIDE, theirs, ratio_at_most=target)

    memory = starts.spread(OURS, "memory", scale=1024 / 1e6), starts.spread(PEER, "memory", scale=1024 / 1e6)
    rows = [
        row("cold start: import and first event", "import", "first", target=RATIO_AT_MOST),
        row("  of which import", "import"),
        row("  of which first event, with connection", "first"),
        Row("resident after the first event (Lambda)", "MB", memory[0], BESIDE, memory[1], at_most=MEMORY_AT_MOST),
    ]
    unwanted = ", ".join(starts.unwanted()) or "none"
    note = f"Of boto3, requests, sqlglot, duckdb and apispec a first event imports: {unwanted} (target: none)."
    return rows, [note], _slowest_imports(starts.environment)


def _slowest_imports(environment: dict[str, str]) -> str:
    found = _IMPORT_TIME.findall(_run(environment, OURS, "-X", "importtime").stderr)
    slowest = sorted(((int(own), int(total), name) for own, total, name in found), reverse=True)[:TOP]
    lines = [f"{own / 1000:8.2f}  {total / 1000:10.2f}  {name}" for own, total, name in slowest]
    title = "slowest imports of a first event (-X importtime, which slows them):"
    return "\n".join(["", title, f"{'own ms':>8}  {'with inner':>10}  module", *lines])


def _run(environment: dict[str, str], module: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *options, "-m", "tests.bench.first_event", module],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        input=json.dumps(invocation(car_event())),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
