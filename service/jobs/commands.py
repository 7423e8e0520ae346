"""The commands `worker` and `jobs`."""

from __future__ import annotations

import json
import signal
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from service import config, logs, terminal, times
from service.app import create_app
from service.config import Config, ConfigError
from service.database import Database, embedded
from service.errors import ServiceUnavailable
from service.jobs import queries
from service.jobs.worker import Worker
from service.metrics import processes

WATCH_SECONDS = 1.0


@click.command()
@click.option(
    "--alive-file",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="A file to touch while all is well, for health checks.",
)
def worker(alive_file: Path | None) -> None:
    """Work off the jobs that wait.

    They wait in the database; those that SCHEDULE_EXPRESSION says are due it puts there itself. Any number of workers
    may run at once. SIGTERM or Ctrl-C lets the job that runs end at its next boundary, within GRACEFUL_SECONDS, and
    hands back what did not end. `make run` has a worker of its own.
    """
    settings = _settings(config.load())
    logs.configure(settings.log_level)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, terminal.interrupt)
    if settings.metrics_dir:
        processes.share(settings)
        processes.join()
    run_until_stopped(Worker(create_app(settings), settings, alive_file), settings)


def run_until_stopped(running: Worker, settings: Config) -> None:
    """Run a worker until a signal comes, or until it is stuck."""
    try:
        running.start()
        while not running.join(WATCH_SECONDS):
            if running.is_stuck:
                raise click.ClickException("a job does not end; its lease does, and then another worker runs it")
        raise click.ClickException("the worker has ended by itself; its log stands above")
    except KeyboardInterrupt:
        stop(running, settings.graceful_seconds)


def stop(running: Worker, seconds: float) -> None:
    """Stop a worker; hand back what it does not end in time, or when a second Ctrl-C comes.

    To be called at the end of a process: the job that was handed back goes on until then.
    """
    running.stop(seconds)
    try:
        has_ended = running.join(seconds)
    except KeyboardInterrupt:
        has_ended = False
    if not has_ended:
        try:
            running.hand_back()
        except ServiceUnavailable as error:
            click.echo(f"headgate: a job could not be handed back: {error.reason}", err=True)


@click.group()
def jobs() -> None:
    """See and mend the jobs that wait.

    A job that has failed too often, or that nothing can run, is a dead letter: it stays until it is retried or dropped.
    """


@jobs.command(name="list")
@click.option("--dead", is_flag=True, help="List dead letters only.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def show(dead: bool, as_json: bool) -> None:
    """List the jobs that wait, run or are dead, the dead ones last."""
    found = _database().statement(queries.every_job, dead)
    if as_json:
        click.echo(json.dumps([_as_json(job) for job in found]))
        return
    for job in found:
        arguments = json.dumps(job.arguments)
        since = f"since {_seconds(job.dead_at)}" if job.dead_at else f"due {_seconds(job.run_at)}"
        click.echo(f"{job.id}  {job.state:<7}  {job.name} {arguments}  {since}  attempts: {job.attempts}")
        if job.last_reason:
            click.echo(f"{'':36}  {job.last_reason}")
    if not found:
        click.echo("there are no dead letters" if dead else "there are no jobs")


@jobs.command()
@click.argument("ids", nargs=-1, type=click.UUID)
@click.option("--all-dead", is_flag=True, help="Every dead letter.")
def retry(ids: tuple[uuid.UUID, ...], all_dead: bool) -> None:
    """Let dead letters be run again, with all their attempts."""
    if all_dead == bool(ids):
        raise click.UsageError("Name the IDs of dead letters, or --all-dead.")
    wanted = [str(each) for each in ids]
    done = _database().statement(queries.retry, None if all_dead else wanted)
    for each in done:
        click.echo(f"will be run again: {each}")
    if all_dead and not done:
        click.echo("there are no dead letters")
    if missing := sorted(set(wanted) - set(done)):
        raise click.ClickException(f"no dead letter: {', '.join(missing)}")


@jobs.command()
@click.argument("id", type=click.UUID)
def drop(id: uuid.UUID) -> None:  # noqa: A002
    """Delete a job that waits or is dead."""
    if not _database().statement(queries.drop, str(id)):
        raise click.ClickException(f"no job that could be dropped: {id}")
    click.echo(f"dropped: {id}")


def _settings(settings: Config) -> Config:
    if settings.jobs.queue_url:
        raise ConfigError(
            f"JOBS_QUEUE_URL is set: jobs wait in {settings.jobs.queue_url}, not in the database (docs/operating.md)"
        )
    return embedded.provide(settings)


def _database() -> Database:
    return Database(_settings(terminal.settings()))


def _as_json(job: queries.Listed) -> dict[str, Any]:
    return {
        "id": job.id,
        "job": job.name,
        "arguments": job.arguments,
        "state": job.state,
        "attempts": job.attempts,
        "dueAt": _seconds(job.run_at),
        "createdAt": _seconds(job.created_at),
        "deadAt": _seconds(job.dead_at) if job.dead_at else None,
        "lastReason": job.last_reason,
    }


def _seconds(moment: datetime) -> str:
    return times.rfc3339(moment, "seconds")
