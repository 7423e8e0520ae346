"""The command `ingest`: a source is read here, in this process, with no queue between and no deadline."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click

from service import terminal
from service.database import get_database
from service.errors import ServiceUnavailable
from service.ingestion import answers, reads
from service.ingestion.progress import Reading
from service.ingestion.records import Stream
from service.ingestion.runs import Busy
from service.ingestion.service import BUSY, INTERRUPTED, Ingestion, get_ingestion, request_of
from service.terminal.application import checked, opened
from service.terminal.display import Display, duration
from service.terminal.interruption import CODE, Interrupted, Interruption

Object = dict[str, Any]

COUNTS = ("Processed", "Inserted", "Updated", "Unchanged", "Stale", "Rejected")
CODES = {"SUCCESS": 0, "FAILED": 1, "PARTIAL": 4, BUSY: 5}
WORST_FIRST = (1, 5, 4, 0)


@click.command()
@click.argument("source")
@click.option("--resource", help="What to read of it, such as customers.  [default: what the source is named after]")
@click.option("--shop", help="Whose records.  [default: every shop that has a key, one after the other]")
@click.option("--since", metavar="WHEN", help="Read what changed since a day or a moment (invoices: since that day).")
@click.option("--backfill", nargs=2, metavar="FROM TO", help="Read history, both days included.")
@click.option("--full", is_flag=True, help="Read everything again that was ever to be read.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each run.")
def ingest(
    source: str,
    resource: str | None,
    shop: str | None,
    since: str | None,
    backfill: tuple[str, str] | None,
    full: bool,
    as_json: bool,
) -> None:
    """Read a source into its tables, here and now.

    What is new is read, unless more is asked for. SOURCE is work-orders (also --resource customers and --resource
    parts) or invoices. Days and moments are ISO 8601, UTC where they name no offset.

    Safe to run at any time, beside `make run` and a worker: where another run reads the same, this one says so and
    ends. Ctrl-C or SIGTERM ends the run behind the page at hand, a second one at once; nothing is lost or doubled
    either way, and the next run goes on from there.

    \b
    Examples:
      python -m service ingest work-orders
      python -m service ingest work-orders --resource customers --full
      python -m service ingest invoices --shop denver --backfill 2025-01-01 2025-12-31

    \b
    Exit codes; of several shops the first that applies:
      130 interrupted          3 the database cannot be reached, or lacks migrations
      2 wrong usage or configuration (the message names the variable)
      1 FAILED                 5 BUSY, another run is at work
      4 PARTIAL                0 SUCCESS
    """
    request = checked(lambda: request_of(_asked(since, backfill, full)))
    settings = terminal.settings()
    codes = []
    try:
        with opened(settings), Interruption(settings.graceful_seconds, "page", INTERRUPTED) as interruption:
            ingestion = get_ingestion()
            for stream in checked(lambda: ingestion.streams(source, resource, shop)):
                interruption.check()
                codes.append(_read(ingestion, stream, request, interruption, as_json))
            interruption.check()
    except Interrupted:
        sys.exit(CODE)
    sys.exit(next(code for code in WORST_FIRST if code in codes))


def _asked(since: str | None, backfill: tuple[str, str] | None, full: bool) -> dict[str, Any]:
    first, last = backfill or (None, None)
    return {"since": since, "from": first, "to": last, "full": full}


def _read(
    ingestion: Ingestion, stream: Stream, request: dict[str, Any], interruption: Interruption, as_json: bool
) -> int:
    """Read one stream, and say what became of it; return the exit code."""
    reading = Reading()
    with Display(name_of(stream._asdict()), reading) as display:
        interruption.display = display
        try:
            result = ingestion.read(stream, request, report=reading.report, is_queued=False)
        except Busy as busy:
            run = {"executionId": busy.execution_id, **stream._asdict(), "status": BUSY, "errorMessage": str(busy)}
        except Interrupted:
            display.say(INTERRUPTED)
            raise
        except ServiceUnavailable:
            display.say("the next run goes on where this one stopped")
            raise
        else:
            assert result is not None  # noqa: S101
            run = _found(result.execution_id)
    click.echo(json.dumps(run) if as_json else sentence(run))
    if not as_json and (advice := _advice(run)):
        click.echo(f"headgate: {advice}", err=True)
    return CODES[run["status"]]


def _found(execution_id: str) -> Object:
    row = get_database().statement(reads.run, execution_id)
    assert row is not None  # noqa: S101
    run = answers.run(row[:-1])
    return run | {"seconds": seconds_of(run)}


def seconds_of(run: Object) -> float:
    """Return how long a run took that is over."""
    took = datetime.fromisoformat(run["endTime"]) - datetime.fromisoformat(run["startTime"])
    return round(took.total_seconds(), 3)


def sentence(run: Object) -> str:
    """Return what became of a run that is over."""
    name, status = name_of(run), run["status"]
    if status == BUSY:
        return f"{name}: BUSY: {run['errorMessage']}"
    read, new, changed, unchanged, stale, rejected = (run[f"records{each}"] for each in COUNTS)
    counts = f"{new:,} new, {changed:,} changed, {unchanged:,} unchanged"
    counts += f", {stale:,} older than what is stored" if stale else ""
    counts += f", {rejected:,} rejected" if rejected else ""
    took = duration(seconds_of(run))
    if status != "SUCCESS":
        return f"{name}: {status} after {took}: {run['errorMessage']} ({read:,} read: {counts})"
    if new or changed:
        return f"{name}: {read:,} read in {took}: {counts}"
    if read == 0:
        return f"{name}: nothing new: the source has nothing to read ({took})"
    again = "unchanged" if not stale else f"{unchanged:,} unchanged, {stale:,} older than what is stored"
    return f"{name}: nothing new: {read:,} read again, {again} ({took})"


def _advice(run: Object) -> str | None:
    """Return what to do next."""
    if run["status"] == "FAILED" and run["errorMessage"] != INTERRUPTED:
        return "what was read is stored; run the same command again, and it goes on from there"
    if run["status"] == "PARTIAL":
        see = "rejects list" if run["recordsRejected"] else f"runs show {run['executionId']}"
        return f"all else is stored; see `python -m service {see}`, and docs/ingestion.md for what to do"
    if run["status"] == BUSY and run["executionId"]:
        return f"see `python -m service runs show {run['executionId']}`"
    return None


def name_of(of: Mapping[str, Any]) -> str:
    """Return how to speak of a stream, or of what has one."""
    return f"{of['resource']} ({of['shop']})"
