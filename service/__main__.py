"""The operator's commands: `python -m service --help`."""

from __future__ import annotations

import json
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import click
import psycopg2

from service import __version__, config, logs, published, terminal, times
from service.app import create_app
from service.config import Config, ConfigError
from service.database import embedded
from service.database.failures import ConnectionLost
from service.database.schema import migrate as run_migrations
from service.errors import ServiceUnavailable
from service.exports import commands as export_commands
from service.exports import run_commands
from service.exports.service import LakeUnavailable
from service.ingestion import commands as ingestion_commands
from service.ingestion import ledger_commands
from service.jobs import commands as jobs_commands
from service.jobs.worker import Worker
from service.metrics import processes
from service.operations import routes as registry
from service.scaffold.commands import endpoint
from service.security.issuer import OwnIssuer
from service.terminal.application import NotMigrated

GUNICORN_CONFIG = Path(__file__).parent.parent / "docker" / "gunicorn.conf.py"
READY_SECONDS = 30
SAMPLE_SCOPES = ("events:read", "events:write")


class Failed(Exception):
    """A command could not do its work; the message says why."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="headgate")
def cli() -> None:
    """Headgate: events in, work orders in, tables out.

    Every command reads the same environment as the service (docs/configuration.md).

    Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 the database cannot be reached; `ingest`
    and `export` have more of them.
    """


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def migrate(as_json: bool) -> None:
    """Bring the database to this version's schema.

    Safe to run at any time and from several places at once: only one of them migrates, the others wait for it.
    """
    applied = run_migrations(embedded.provide(terminal.settings()))
    if as_json:
        click.echo(json.dumps({"applied": applied}))
    else:
        click.echo("\n".join(f"applied {name}" for name in applied) or "nothing to do: every migration has run")


@cli.command()
@click.option(
    "--scope", "scopes", multiple=True, required=True, help="A scope to grant, such as events:write; may be repeated."
)
@click.option("--subject", default="local", show_default=True, help="Whom the token stands for.")
@click.option(
    "--expires-in",
    default=3600,
    show_default=True,
    type=click.IntRange(1, 30 * 24 * 3600),
    help="Seconds until it expires.",
)
def token(scopes: tuple[str, ...], subject: str, expires_in: int) -> None:
    """Print a token for this service.

    Works where the service is its own issuer (TOKEN_ISSUER is not set) and with the service's own DATA_DIR:

    \b
      TOKEN=$(python -m service token --scope events:read --scope events:write)
      curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8080/api/v1/events
    """
    settings = terminal.settings()
    if settings.tokens.issuer:
        raise ConfigError(f"TOKEN_ISSUER is set: tokens come from {settings.tokens.issuer}, not from here")
    granted = " ".join(scopes).replace(",", " ").split()
    click.echo(OwnIssuer(settings).issue(subject, granted, expires_in))


@cli.command()
def run() -> None:
    """Run the whole service here, as `make run` does.

    Starts PostgreSQL below DATA_DIR (unless DATABASE_URL names another), brings the schema up to date, serves on
    HOST:PORT with gunicorn, works off jobs and prints a curl command to try. Ctrl-C stops it all; the data stay.
    """
    settings = terminal.settings()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, terminal.interrupt)
    _expect_free(settings)
    _say("starting PostgreSQL" if settings.database.is_embedded else "using the configured PostgreSQL")
    settings = embedded.provide(settings)
    applied = run_migrations(settings)
    _say(f"migrations: {', '.join(applied) or 'up to date'}")
    url = f"http://{settings.host}:{settings.port}"
    processes.share(settings)
    processes.join()
    worker = None if settings.jobs.queue_url else Worker(create_app(settings), settings)
    # In a session of its own: Ctrl-C reaches this process, which lets gunicorn finish what it has begun.
    server = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "gunicorn", "--config", str(GUNICORN_CONFIG), "service.wsgi:create()"],
        env=config.environment(DATABASE_URL=settings.database.url),
        start_new_session=True,
    )
    try:
        _wait_until_ready(server, url)
        if worker:
            logs.configure(settings.log_level)
            worker.start()
        _say(f"listening on {url}  (Ctrl-C stops everything, data stay in {settings.data_dir})")
        _say(f"every route, to read and to try: {url}/docs")
        if settings.tokens.issuer is None:
            _say("try it:")
            click.echo(_sample_request(settings, url))
        code = server.wait()
        raise Failed(f"gunicorn ended by itself with code {code}; its log stands above")
    except KeyboardInterrupt:
        _say("stopping")
    finally:
        stopping_at = time.monotonic()
        server.terminate()
        if worker:
            worker.stop(settings.graceful_seconds)
        try:
            server.wait(settings.graceful_seconds + 5)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            server.kill()
            server.wait()
        if worker:
            jobs_commands.stop(worker, max(0.0, stopping_at + settings.graceful_seconds - time.monotonic()))
    _say("stopped")


@cli.command()
@click.option("--check", is_flag=True, help="Fail if the generated files are stale; write nothing.")
@click.option("--write", is_flag=True, help="Write the generated files that are stale.")
def routes(check: bool, write: bool) -> None:
    """List the routes, or write what follows from them.

    A line names method, path, who may call it, and how many requests API Gateway lets through per second and at once.

    The routes of API Gateway (terraform/application/routes.auto.tfvars.json) and docs/openapi.json are generated from
    them, with `--write` or `make routes`, in a checkout with the development requirements.
    """
    if not (check or write):
        for route in registry(create_app(Config())):
            rate, burst = route.operation.throttle
            click.echo(f"{route.method:<7}{route.path:<54}{route.operation.access:<16}{rate:>4}/s {burst:>5}")
        return
    found = [str(path.relative_to(published.ROOT)) for path in (published.write() if write else published.stale())]
    if check and found:
        raise Failed(f"stale: {', '.join(found)}; run `make routes` and commit them")
    click.echo("\n".join(f"wrote {name}" for name in found) or "the route table and docs/openapi.json are up to date")


cli.add_command(endpoint)
cli.add_command(jobs_commands.worker)
cli.add_command(jobs_commands.jobs)
cli.add_command(ingestion_commands.ingest)
cli.add_command(ledger_commands.runs)
cli.add_command(ledger_commands.rejects)
cli.add_command(ledger_commands.coverage)
cli.add_command(export_commands.export)
cli.add_command(run_commands.exports)


def _expect_free(settings: Config) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise ConfigError(
                f"Cannot listen on {settings.host}:{settings.port} ({error.strerror}); choose another PORT"
            ) from None


def _wait_until_ready(server: subprocess.Popen[bytes], url: str) -> None:
    expires_at = time.monotonic() + READY_SECONDS
    while server.poll() is None and time.monotonic() < expires_at:
        try:
            with urllib.request.urlopen(f"{url}/ready", timeout=1):  # noqa: S310
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise Failed("the service did not become ready; its log stands above")


def _sample_request(settings: Config, url: str) -> str:
    now = times.now("seconds")
    event = {
        "eventHeader": {"eventName": "Car Created", "eventType": "CarCreated", "createdDate": now},
        "entities": [
            {
                "entityHeader": {"entityId": "CAR-1", "entityType": "Car", "createdAt": now, "updatedAt": now},
                "id": "CAR-1",
                "make": "Tesla",
                "model": "Model S",
            }
        ],
    }
    bearer = OwnIssuer(settings).issue("local", SAMPLE_SCOPES, 24 * 3600)
    return (
        f"\ncurl -sS {url}/api/v1/events \\\n"
        f"  -H 'Authorization: Bearer {bearer}' \\\n"
        f"  -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(json.dumps(event))}\n"
    )


def _say(text: str) -> None:
    click.secho(f"headgate: {text}", err=True, fg="cyan" if sys.stderr.isatty() else None)


def _outage(error: ServiceUnavailable) -> tuple[int, str]:
    """Return the exit code and the text for what cannot be had: the database, or what says by itself what it is."""
    if type(error) in (ServiceUnavailable, ConnectionLost):
        return 3, f"The database cannot be reached: {error.reason}"
    code = 3 if isinstance(error, (LakeUnavailable, NotMigrated)) else 1
    return code, f"{error.reason[:1].upper()}{error.reason[1:]}"


def main(arguments: list[str] | None = None) -> Any:
    """Run a command; turn what it raises into one line and an exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # as process 1 of a container, too
    try:
        return cli(arguments, prog_name="python -m service")
    except ConfigError as error:
        code, text = 2, str(error)
    except ServiceUnavailable as error:
        code, text = _outage(error)
    except Failed as error:
        code, text = 1, str(error)
    except psycopg2.Error as error:
        code, text = 1, f"The database refused: {type(error).__name__}: {str(error).strip()}"
    click.echo(f"headgate: {text}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
