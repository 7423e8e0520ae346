"""The commands `exports …`: what was sent, what the partner refused, and once more what did not get through."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from itertools import islice

import click

from service.database import get_database
from service.errors import Conflict
from service.exports import answers, reads
from service.exports.commands import Object, counts, found, run_here, sentence
from service.exports.service import Exports, get_exports
from service.terminal.application import opened
from service.terminal.listing import MAX_SHOWN, Listing, as_json_option, limit_option, short
from service.terminal.tables import print_table

PAGE = 500  # rejects that are read at once
SHOWN = 12  # characters of an id, at its end: its beginning is the time, which runs have in common
LONGEST_REASON = 48  # characters of it in a table, beside some of the record


class RunId(click.ParamType[str]):
    """The id of a run, or its end."""

    name = "id"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return it as it is stored."""
        if re.fullmatch(rf"[0-9a-f]{{8,{SHOWN}}}", value.lower()):
            return value.lower()
        try:
            return str(uuid.UUID(value))
        except ValueError:
            self.fail(f"{value!r} is not the id of a run, nor its last {SHOWN} characters", param, ctx)


run_argument = click.argument("run_id", type=RunId(), metavar="RUN")


@click.group(cls=Listing)
def exports() -> None:
    """See what was sent, and send again what did not get through.

    `exports` alone lists the newest runs. RUN is the id of a run, or its end as the list shows it.
    """


@exports.command(name="list")
@click.option("--table", help="Of one table only.")
@limit_option
@as_json_option
def list_runs(table: str | None, limit: int, as_json: bool) -> None:
    """List the newest runs, the newest first; times are UTC."""
    with opened():
        rows = get_database().statement(reads.runs, {"table": table, "statuses": None}, None, limit)
    told = [answers.run(row) for row in rows]
    if as_json:
        click.echo(json.dumps(told))
        return
    print_table(
        ("RUN", "BEGAN", "STATUS", "TABLE", "SELECTED", "SENT", "REJECTED"),
        [
            (
                run["id"][-SHOWN:],
                short(run["createdAt"]),
                run["status"],
                run["table"],
                run["rowsSelected"],
                run["rowsSent"],
                run["rowsRejected"],
            )
            for run in told
        ],
        flexible=3,
        nothing="there are no runs",
    )


@exports.command(name="show")
@run_argument
@as_json_option
def show_run(run_id: str, as_json: bool) -> None:
    """Show a run: what was asked for, and how far it is."""
    with opened():
        run = found(_whole(run_id))
    if as_json:
        click.echo(json.dumps(run))
        return
    click.echo(sentence(run))
    for title, text in _lines(run):
        click.echo(f"  {title:<12}{text}")


def _lines(run: Object) -> Iterator[tuple[str, str]]:
    asked = {name: value for name, value in run["request"].items() if name not in ("table", "mode")}
    yield "run", run["id"]
    yield "asked for", f"{json.dumps(asked) if asked else 'every row'}, mode {run['mode']}, by {run['trigger']}"
    yield "began", run["createdAt"]
    cancelled = f", is to be cancelled since {run['cancelRequestedAt']}" if run["cancelRequestedAt"] else ""
    yield "ended", run["endedAt"] or f"not yet; last heard of {run['heartbeatAt']}{cancelled}"
    yield "processes", f"{run['legs']:,}, one after the other" if run["legs"] > 1 else str(run["legs"])
    yield "query", f"{run['queryId'] or 'not begun'} ({run['engine']})"
    yield "partner", run["destination"]
    yield "rows", counts(run)
    states = ", ".join(f"{number:,} {state}" for state, number in run["batches"].items())
    yield "batches", states or ("none" if run["isPlanned"] else "not planned yet")


@exports.command(name="rejects")
@run_argument
@click.option("--all", "has_sent", is_flag=True, help="Also those that a retry got through.")
@click.option("--limit", type=click.IntRange(1), help=f"At most so many.  [default: {MAX_SHOWN}; all for CSV and JSON]")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, each with its whole record.")
@as_json_option
def list_rejects(run_id: str, has_sent: bool, limit: int | None, as_csv: bool, as_json: bool) -> None:
    """List the rows that the partner refused, in the order of the run."""
    with opened():
        rows = _rejects(_whole(run_id), None if has_sent else True)
        if as_csv:
            click.echo(answers.as_csv([]), nl=False)
            for row in islice(rows, limit):
                click.echo(answers.as_csv([row], has_header=False), nl=False)
        elif as_json:
            click.echo("[", nl=False)
            for place, row in enumerate(islice(rows, limit)):
                click.echo(f"{', ' if place else ''}{answers.reject(row)}", nl=False)
            click.echo("]")
        else:
            _print_rejects(rows, limit or MAX_SHOWN)


def _print_rejects(rows: Iterator[reads.Row], limit: int) -> None:
    shown = list(islice(rows, limit))
    print_table(
        ("ROW", "BATCH", "STATUS", "TRIES", "REASON", "RECORD"),
        [
            (
                *row[1:4],
                row[5],
                reason if len(reason := row[4]) <= LONGEST_REASON else f"{reason[:LONGEST_REASON]}…",
                row[8],
            )
            for row in shown
        ],
        flexible=5,
        nothing="there are no rejects",
    )
    if next(rows, None):
        click.echo(f"headgate: these are the first {len(shown):,}; --limit shows more, --csv each as a whole", err=True)


def _rejects(run_id: str, is_open: bool | None) -> Iterator[reads.Row]:
    after = 0
    while rows := get_database().statement(reads.rejects, run_id, is_open, after, PAGE, None):
        yield from rows
        after = rows[-1][1]


@exports.command()
@run_argument
@as_json_option
def retry(run_id: str, as_json: bool) -> None:
    """Send what did not get through once more, here and now.

    That is what is left, and what was refused. Ends with the codes of `export`.
    """

    def begin(known: Exports) -> str:
        whole = _whole(run_id)
        try:
            known.reopen(whole)
        except Conflict as error:
            raise click.ClickException(f"{whole}: {error.message}") from None
        return whole

    run_here(f"run {run_id[-SHOWN:]}", as_json, begin)


@exports.command()
@run_argument
def cancel(run_id: str) -> None:
    """Stop a run, and its query."""
    with opened():
        whole = _whole(run_id)
        try:
            get_exports().cancel(whole)
        except Conflict as error:
            raise click.ClickException(f"{whole}: {error.message}") from None
        run = found(whole)
    click.echo(sentence(run) if run["endedAt"] else f"{run['table']}: its process is told to stop; see `exports show`")


def _whole(run_id: str) -> str:
    """Return the id of the run that is meant."""
    ids = get_database().statement(reads.ids, run_id)
    if not ids:
        raise click.ClickException(f"there is no run {run_id!r}")
    if len(ids) > 1:
        raise click.ClickException(f"more than one run ends with {run_id}: {', '.join(ids)}")
    return ids[0]
