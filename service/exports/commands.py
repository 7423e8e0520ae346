"""The command `export`: a table goes to the partner from here, from this process, with no queue between."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import click

from service import terminal
from service.database import get_database
from service.errors import ServiceUnavailable
from service.exports import answers, reads
from service.exports.progress import Exporting
from service.exports.runs import Busy
from service.exports.selection.request import request_of
from service.exports.selection.schemas import MODES
from service.exports.service import BUSY, INTERRUPTED, Exports, get_exports
from service.terminal.application import checked, opened
from service.terminal.display import Display, duration
from service.terminal.interruption import CODE, Interrupted, Interruption

Object = dict[str, Any]

CODES = {"SUCCEEDED": 0, "FAILED": 1, "PARTIAL": 4, BUSY: 5, "CANCELLED": 6}


@click.command()
@click.argument("table")
@click.option("--columns", metavar="A,B", help="Which columns.  [default: all]")
@click.option("--date", "date_filter", metavar="WHEN", help="Rows of today, yesterday, last_7_days, a day, DAY/DAY.")
@click.option("--where", "where_clause", metavar="CLAUSE", help="A condition in SQL, such as \"region = 'US'\".")
@click.option("--filters", metavar="JSON", help='Such as \'[{"column": "region", "op": "eq", "value": "US"}]\'.')
@click.option("--limit", type=int, help="At most so many rows.  [default: MAX_RECORDS]")
@click.option("--mode", type=click.Choice(MODES), help="Every row, or what the partner has not.  [default: full]")
@click.option("--json", "as_json", is_flag=True, help="Print the run as one JSON object.")
def export(table: str, as_json: bool, **asked: Any) -> None:
    """Send rows of a table of the lake to the partner, here and now.

    All that is asked for must hold at once; without options it is every row, up to MAX_RECORDS. Who has no partner
    starts one that is none with `make partner`, which prints the command to paste.

    Safe to run beside `make run` and a worker. Ctrl-C or SIGTERM ends the run behind the batches at hand, a second one
    at once; `exports retry` sends the rest. Whatever is sent again is sent under the same Idempotency-Key.

    \b
    Examples:
      python -m service export local_customers_silver
      python -m service export local_orders_silver --date last_7_days --columns order_id,total
      python -m service export local_customers_silver --where "region = 'US'" --mode changed

    \b
    Exit codes:
      130 interrupted          3 the database or the lake cannot be reached
      2 wrong usage or configuration (the message names the field or the variable)
      1 FAILED                 4 PARTIAL: some rows were rejected
      0 SUCCEEDED              5 BUSY: another run compares the table
                               6 CANCELLED by somebody else
    """
    given = {name: value for name, value in asked.items() if value is not None}
    request = checked(lambda: request_of({"table": table, **given}))
    run_here(table, as_json, lambda exports: checked(lambda: exports.announce(request, "command")))


def run_here(name: str, as_json: bool, begin: Callable[[Exports], str]) -> None:
    """Begin a run and work on it to its end, in sight of whoever waits for it; exit with its code.

    `name` is what it is called until its end.
    """
    settings = terminal.settings()
    try:
        with opened(settings), Interruption(settings.graceful_seconds, "batches", INTERRUPTED) as interruption:
            code = _work(get_exports(), name, as_json, begin, interruption)
            interruption.check()
    except Interrupted:
        sys.exit(CODE)
    sys.exit(code)


def _work(
    exports: Exports, name: str, as_json: bool, begin: Callable[[Exports], str], interruption: Interruption
) -> int:
    gauge, began_at = Exporting(), time.monotonic()
    run_id = None
    with Display(name, gauge) as display:
        interruption.display = display
        try:
            run_id = begin(exports)
            exports.work(run_id, gauge.report, is_continued=False)
        except Busy as busy:
            run: Object = {"id": busy.run_id, "table": name, "status": BUSY, "errorMessage": str(busy)}
        except (Interrupted, ServiceUnavailable) as error:
            if run_id is not None:
                why = "interrupted; " if isinstance(error, Interrupted) else ""
                display.say(f"{why}{_goes_on(run_id)}")
            raise
        else:
            run = found(run_id) | {"seconds": round(time.monotonic() - began_at, 3)}
    click.echo(json.dumps(run) if as_json else sentence(run))
    if not as_json and (advice := _advice(run)):
        click.echo(f"headgate: {advice}", err=True)
    return CODES[run["status"]]


def found(run_id: str) -> Object:
    """Return a run that there is."""
    row = get_database().statement(reads.run, run_id)
    assert row is not None  # noqa: S101
    return answers.run_in_full(row)


def sentence(run: Mapping[str, Any]) -> str:
    """Return what became of a run."""
    name, status = run["table"], run["status"]
    if status == BUSY:
        return f"{name}: BUSY: {run['errorMessage']}"
    told = counts(run)
    if run["endedAt"] is None:
        return f"{name}: {status}: {told} so far"
    took = duration(_seconds_of(run))
    if status != "SUCCEEDED":
        reason = f": {run['errorMessage']}" if run["errorMessage"] else ""
        return f"{name}: {status} after {took}{reason} ({told})"
    if not run["rowsSelected"]:
        seen = f": {run['rowsUnchanged']:,} rows are as the partner has them" if run["rowsUnchanged"] else ""
        return f"{name}: nothing to send{seen} ({took})"
    return f"{name}: {told} in {took}"


def _seconds_of(run: Mapping[str, Any]) -> float:
    """Return how long this process has worked on a run, or how long it took from its begin to its end."""
    if "seconds" in run:
        return float(run["seconds"])
    return (datetime.fromisoformat(run["endedAt"]) - datetime.fromisoformat(run["createdAt"])).total_seconds()


def counts(run: Mapping[str, Any]) -> str:
    """Return how many rows were selected, and what became of them."""
    parts = [f"{run['rowsSelected']:,} selected", f"{run['rowsSent']:,} sent"]
    for label, key in (("rejected", "rowsRejected"), ("remaining", "rowsRemaining"), ("unchanged", "rowsUnchanged")):
        parts += [f"{run[key]:,} {label}"] if run[key] else []
    if run["truncated"]:
        parts.append("cut at the limit" + (f" (there are {run['rowsAvailable']:,})" if run["rowsAvailable"] else ""))
    return ", ".join(parts)


def _advice(run: Mapping[str, Any]) -> str | None:
    """Return what to do next."""
    if run["status"] in ("FAILED", "CANCELLED"):
        return _goes_on(run["id"])
    if run["status"] == "PARTIAL":
        name = "rejects" if run["rowsRejected"] else "show"
        return f"see `python -m service exports {name} {run['id']}`, and docs/exports.md for what to do"
    if run["status"] == BUSY and run["id"]:
        return f"see `python -m service exports show {run['id']}`"
    return None


def _goes_on(run_id: str) -> str:
    return f"`python -m service exports retry {run_id}` goes on from here"
