"""The commands `runs`, `rejects` and `coverage`: what was read, what could not be stored, and what is missing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from service.database import get_database
from service.errors import Conflict, NotFound
from service.ingestion import answers, reads
from service.ingestion import coverage as coverages
from service.ingestion import rejects as replaying
from service.ingestion.commands import Object, name_of, sentence
from service.ingestion.records import Rejected, Stream
from service.ingestion.service import Ingestion, get_ingestion
from service.terminal.application import opened
from service.terminal.listing import MAX_SHOWN, Listing, as_json_option, limit_option, short
from service.terminal.tables import print_table

EVERY = 1_000_000
NOW_SECONDS = 60
WHOLE_IN_LIST_BYTES = 16 * 1024  # of payloads
WHOLE_BYTES = 1 << 30


@click.group(cls=Listing)
def runs() -> None:
    """See what was read, when, and how it ended.

    `runs` alone lists the newest runs.
    """


@runs.command(name="list")
@click.option("--source", help="Of one source only.")
@limit_option
@as_json_option
def list_runs(source: str | None, limit: int, as_json: bool) -> None:
    """List the newest runs, the newest first; times are UTC."""
    filters = {"source": source, "resource": None, "shop": None, "statuses": None}
    with opened():
        found = [answers.run(row) for row in get_database().statement(reads.runs, filters, None, limit)]
    if as_json:
        click.echo(json.dumps(found))
        return
    print_table(
        ("RUN", "STARTED", "STATUS", "WHAT", "READ", "NEW"),
        [
            (
                run["executionId"],
                short(run["startTime"]),
                run["status"],
                name_of(run),
                run["recordsProcessed"],
                run["recordsInserted"],
            )
            for run in found
        ],
        flexible=3,
        nothing="there are no runs",
    )


@runs.command(name="show")
@click.argument("id")
@as_json_option
def show_run(id: str, as_json: bool) -> None:  # noqa: A002
    """Show a run, and the windows that it has read."""
    with opened():
        row = get_database().statement(reads.run, id)
        windows = get_database().statement(reads.windows_of_run, id)
    if row is None:
        raise click.ClickException(f"there is no run {id!r}")
    run = answers.run_with_windows(row, windows)
    if as_json:
        click.echo(json.dumps(run))
        return
    is_over = run["endTime"] is not None
    so_far = f"{name_of(run)}: {run['status']}: {run['recordsProcessed']:,} read so far"
    click.echo(sentence(run) if is_over else so_far)
    click.echo(
        f"started {run['startTime']}, ended {run['endTime'] or 'not yet'}; begun or continued {run['legs']} times"
    )
    click.echo(f"asked for {json.dumps(run['request']) if run['request'] else 'what is new'}\n")
    _print_windows(run["windows"])


@click.group(cls=Listing)
def rejects() -> None:
    """See and mend the records that could not be stored.

    `rejects` alone lists them.
    """


@rejects.command(name="list")
@click.option("--source", help="Of one source only.")
@click.option("--resource", help="Of one resource only.")
@click.option("--shop", help="Of one shop only.")
@click.option("--all", "has_closed", is_flag=True, help="Also those that are stored since.")
@limit_option
@as_json_option
def list_rejects(
    source: str | None, resource: str | None, shop: str | None, has_closed: bool, limit: int, as_json: bool
) -> None:
    """List the records that wait, the last seen first."""
    filters = {"source": source, "resource": resource, "shop": shop, "is_open": None if has_closed else True}
    with opened():
        rows = get_database().statement(reads.rejects, filters, None, limit, WHOLE_IN_LIST_BYTES)
    if as_json:
        click.echo(f"[{', '.join(answers.reject(row) for row in rows)}]")
        return
    print_table(
        ("ID", "LAST SEEN", "SEEN", "WHAT", "RECORD", "REASON"),
        [
            (each["id"], short(each["lastSeenAt"]), each["seen"], name_of(each), each["recordId"] or "", _reason(each))
            for each in (json.loads(answers.reject(row)) for row in rows)
        ],
        flexible=5,
        nothing="there are no rejects",
    )


@rejects.command(name="show")
@click.argument("id", type=int)
@as_json_option
def show_reject(id: int, as_json: bool) -> None:  # noqa: A002
    """Show a reject with the record as it was sent."""
    with opened():
        row = get_database().statement(reads.reject, id, WHOLE_BYTES)
    if row is None:
        raise click.ClickException(f"there is no reject {id}")
    if as_json:
        click.echo(answers.reject(row))
        return
    found = json.loads(answers.reject(row))
    click.echo(f"{name_of(found)}, record {found['recordId'] or 'without an id'}: {_reason(found)}")
    click.echo(f"first seen {found['firstSeenAt']}, last {found['lastSeenAt']}; seen {found['seen']} times\n")
    click.echo(row[-2])


@rejects.command()
@click.argument("ids", nargs=-1, type=int)
@click.option("--all", "every", is_flag=True, help="Every reject that is not stored yet.")
@as_json_option
def replay(ids: tuple[int, ...], every: bool, as_json: bool) -> None:
    """Try to store rejects again.

    That is for when what was wrong has been mended here. A record that the source has changed since is not brought
    back: it is stale. Ends with code 1 where one of them is rejected once more.
    """
    if every == bool(ids):
        raise click.UsageError("Name the IDs of rejects, or --all.")
    with opened():
        ingestion = get_ingestion()
        if every:
            anything = dict.fromkeys(Stream._fields)
            rows = get_database().statement(reads.rejects, {**anything, "is_open": True}, None, EVERY, 0)
            ids = tuple(sorted(row[0] for row in rows))
        done = [_replay(ingestion, each) for each in ids]
    for one in done:
        told = f"{one['id']}: {one['status']}" + (f": {one['reason']}" if one["reason"] else "")
        click.echo(json.dumps(one) if as_json else told)
    if not done and not as_json:
        click.echo("there are no rejects")
    if any(one["status"] in ("rejected", "unknown") for one in done):
        raise SystemExit(1)


def _replay(ingestion: Ingestion, reject_id: int) -> dict[str, Any]:
    """Replay one; its status is what became of the record, or `rejected`, `resolved` (before) or `unknown`."""
    try:
        outcome = replaying.replay(get_database(), ingestion.sources, reject_id)
    except Rejected as error:
        return {"id": reject_id, "status": "rejected", "reason": str(error)}
    except (Conflict, NotFound) as error:
        return {
            "id": reject_id,
            "status": "unknown" if isinstance(error, NotFound) else "resolved",
            "reason": error.message,
        }
    return {"id": reject_id, "status": outcome, "reason": None}


@click.command()
@click.argument("source")
@click.option("--resource", help="Which of its resources.  [default: the one that the source is named after]")
@click.option("--shop", help="Whose records.  [default: every shop that was ever read]")
@as_json_option
def coverage(source: str, resource: str | None, shop: str | None, as_json: bool) -> None:
    """Show what of a source has been read, and what is missing.

    Of work orders, customers and parts these are moments of change; of invoices, days. The last days of invoices are
    read again by every run (FULLBAY_LOOKBACK_DAYS), though they stand here as read.
    """
    with opened():
        ingestion = get_ingestion()
        if source not in ingestion.sources:
            raise click.UsageError(f"SOURCE must be one of {', '.join(ingestion.sources)}")
        with get_database().transaction() as cursor:
            found = [coverages.of(cursor, each) for each in reads.streams(cursor, source, resource or source, shop)]
    for each in found:
        if as_json:
            click.echo(json.dumps(each))
        else:
            _print_coverage(each)
    if not found and not as_json:
        click.echo("nothing of it was ever to be read")


def _print_coverage(found: Object) -> None:
    click.echo(name_of(found))
    *gaps, last = found["missing"] or [None]
    is_to_come = last is not None and last["from"] is not None and _is_now(last["to"])
    gaps += [] if is_to_come else [last]
    for title, ranges in (("read", found["covered"]), ("missing", [gap for gap in gaps if gap])):
        for index, each in enumerate(ranges or [None]):
            click.echo(f"  {title if index == 0 else '':<9}{_range(each) if each else 'nothing'}")
    if is_to_come:
        click.echo(f"  to come  since {_to_seconds(last['from'])}, with the next run")
    begun = [window for window in found["windows"] if window["state"] == "open"]
    if begun:
        click.echo("  windows that the next run goes on with:")
        _print_windows(begun[:MAX_SHOWN], indent="  ")


def _print_windows(windows: Sequence[Object], indent: str = "") -> None:
    print_table(
        ("WINDOW", "STATE", "READ", "OF", "READ AT", "NOTE"),
        [
            (
                _range(window),
                window["state"],
                window["records"],
                "" if window["expected"] is None else window["expected"],
                short(window["readAt"]),
                window["note"] or "",
            )
            for window in windows
        ],
        flexible=5,
        nothing="nothing was planned yet",
        indent=indent,
    )


def _reason(reject: Object) -> str:
    told = f"{reject['path']}: {reject['reason']}" if reject["path"] else reject["reason"]
    return f"{reject['resolution']}: {told}" if reject["resolution"] else told


def _range(found: Object) -> str:
    """Return a range as a person reads it: days where both ends are midnight."""
    lower, upper = found["from"], found["to"]
    if lower and upper and lower.endswith("T00:00:00Z") and upper.endswith("T00:00:00Z"):
        last = (datetime.fromisoformat(upper) - timedelta(days=1)).date().isoformat()
        return last if lower.startswith(last) else f"{lower[:10]} to {last}"
    return f"{_to_seconds(lower) or 'the beginning'} to {_to_seconds(upper) or 'the newest'}"


def _is_now(moment: str) -> bool:
    return datetime.fromisoformat(moment) > datetime.now(UTC) - timedelta(seconds=NOW_SECONDS)


def _to_seconds(moment: str | None) -> str | None:
    return f"{moment[:19]}Z" if moment else None
