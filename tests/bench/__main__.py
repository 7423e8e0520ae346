"""`python -m tests.bench`: every measurement beside its floor or its peer, as one table."""

from __future__ import annotations

import argparse
from typing import Any

from tests.bench.adapters import adapters
from tests.bench.cold import cold
from tests.bench.exports import exports
from tests.bench.ingestion import ingestion
from tests.bench.people import people
from tests.bench.report import Report, Row
from tests.bench.servers import databases
from tests.bench.throughput import memory, throughput
from tests.bench.turns import say
from tests.bench.writes import bulk, single
from tests.transports import ROOT

DOCUMENT = ROOT / "docs" / "benchmarks.md"
MEASUREMENTS: dict[str, Any] = {
    "single": single,
    "bulk": bulk,
    "adapters": adapters,
    "cold": cold,
    "memory": memory,
    "throughput": throughput,
    "people": people,
    "ingestion": ingestion,
    "exports": exports,
}


def main() -> None:
    """Run the measurements that are asked for and print the table. A missed target is no error."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: under a minute, wider spreads")
    parser.add_argument("--only", choices=MEASUREMENTS, action="append", help="one measurement; repeat it for more")
    parser.add_argument("--write", action="store_true", help=f"put the table into {DOCUMENT.relative_to(ROOT)}")
    arguments = parser.parse_args()
    rows: list[Row] = []
    notes: list[str] = []
    sections: list[str] = []
    say("starting PostgreSQL")
    with databases() as found:
        for name, measure in MEASUREMENTS.items():
            if arguments.only and name not in arguments.only:
                continue
            result = measure(found, arguments.quick)
            more_rows, more_notes, *more = result if isinstance(result, tuple) else (result, [])
            rows += more_rows
            notes += more_notes
            if arguments.only:
                sections += more
        report = Report(rows, notes, sections, found.version)
    print(report.text())
    if arguments.write:
        report.write(DOCUMENT)
        say(f"wrote {DOCUMENT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
