"""Events per second from 32 keep-alive clients: the service under gunicorn, the peer under uvicorn, in turns.

Both have two workers, on the same PostgreSQL and the same tables. The service verifies a real Bearer token with each
request and the peer verifies none, which is the harder comparison for the service.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.bench import load
from tests.bench.report import Row, Spread
from tests.bench.servers import Databases, Server, Uvicorn, children, gunicorn, resident_megabytes
from tests.bench.turns import say

OURS, PEER = "gunicorn", "FastAPI, uvicorn"
RATIO_AT_LEAST = 1.0
MEMORY_AT_MOST = 90  # MB
EVENTS_BEFORE_MEMORY = 1000


def throughput(databases: Databases, is_quick: bool) -> tuple[list[Row], list[str]]:
    """Measure rates and percentiles; break off if any answer is no 200 or any event is not stored."""
    rounds, seconds = (2, 2.0) if is_quick else (6, 8.0)
    environment, token = databases.environment("throughput"), databases.token()
    ceiling = load.ceiling(1.0 if is_quick else 3.0, token)
    loads: dict[str, list[load.Load]] = {OURS: [], PEER: []}
    with tempfile.TemporaryDirectory() as logs:
        servers: dict[str, Server] = {}
        try:
            servers[OURS] = gunicorn(Path(logs) / "gunicorn", **environment)
            servers[PEER] = Uvicorn(Path(logs) / "uvicorn", **environment)
            answers = 0
            for name, server in servers.items():
                answers += len(_checked(load.run(server.port, token, 1.0), name).times)
            for turn in range(rounds):
                for name in (OURS, PEER) if turn % 2 else (PEER, OURS):
                    found = _checked(load.run(servers[name].port, token, seconds), name)
                    say(f"{name}: {found.rate:,.0f} events/s, p50 {found.percentile(0.5):.1f} ms")
                    loads[name].append(found)
                    answers += len(found.times)
        finally:
            for server in servers.values():
                server.stop()
    stored = databases.events("throughput")
    if stored != answers:
        raise RuntimeError(f"{answers} answers said that an event is stored, and {stored} are")
    rates = {name: Spread.of([found.rate for found in runs]) for name, runs in loads.items()}
    rows = [Row("events per second, 32 clients", "/s", rates[OURS], PEER, rates[PEER], ratio_at_least=RATIO_AT_LEAST)]
    for share in (0.5, 0.99):
        times = {name: Spread.of([found.percentile(share) for found in runs]) for name, runs in loads.items()}
        rows.append(Row(f"  p{share * 100:.0f} of their answers", "ms", times[OURS], PEER, times[PEER]))
    notes = [
        f"Throughput: {rounds} rounds of {seconds:g} s each; {answers:,} answers, all of them 200, and as many events"
        " stored. The service verifies a Bearer token, the peer none. The load generator alone, against a server that"
        f" does nothing, reaches {ceiling.rate:,.0f} requests per second.",
    ]
    return rows, notes


def memory(databases: Databases, _is_quick: bool) -> list[Row]:
    """Measure the memory of a worker after 1,000 events."""
    say("memory of a worker")
    environment, token = databases.environment("memory"), databases.token()
    with tempfile.TemporaryDirectory() as logs:
        found = {}
        for name, start in ((OURS, gunicorn), (PEER, Uvicorn)):
            server = start(Path(logs) / "log", **environment)
            try:
                events = 0
                workers = len(children(server.pid))
                while events < EVENTS_BEFORE_MEMORY * workers:
                    events += len(_checked(load.run(server.port, token, 0.5), name).times)
                sizes = [resident_megabytes(child) for child in children(server.pid)]
            finally:
                server.stop()
            found[name] = Spread.of([max(sizes)])
    name = f"resident, a worker after {EVENTS_BEFORE_MEMORY:,} events"
    return [Row(name, "MB", found[OURS], PEER, found[PEER], at_most=MEMORY_AT_MOST)]


def _checked(found: load.Load, name: str) -> load.Load:
    if found.errors:
        raise RuntimeError(f"{name} gave {found.errors} answers that are no 200, the first: {found.first_error}")
    return found
