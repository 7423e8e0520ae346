"""What may be read, on whose behalf, and what follows a run: for the job, the command and the routes alike."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from flask import Flask, current_app

from service import jobs, metrics
from service.config import Config, ConfigError
from service.database import Database, holding
from service.errors import Invalid, ServiceUnavailable, violation
from service.ingestion import engine, freshness, queries, runs
from service.ingestion.engine import Report, Result
from service.ingestion.fullbay.credentials import Credentials
from service.ingestion.fullbay.invoices import InvoicesSource
from service.ingestion.fullbay.work_orders import WorkOrders
from service.ingestion.records import Stream
from service.ingestion.runs import Busy
from service.ingestion.source import Source
from service.times import as_utc

JOB = "ingest"
BUSY = "BUSY"
INTERRUPTED = "interrupted; the next run goes on from here"

log = logging.getLogger(__name__)


class Ingestion:
    """Every source, and the database that it is read into. Opens nothing before it is used."""

    def __init__(self, config: Config, database: Database) -> None:
        self._database = database
        self.credentials = Credentials(config.fullbay)
        sources: tuple[Source, ...] = (
            WorkOrders(config, self.credentials),
            InvoicesSource(config, self.credentials),
        )
        self.sources: Mapping[str, Source] = {source.name: source for source in sources}

    def streams(self, source: str, resource: str | None = None, shop: str | None = None) -> list[Stream]:
        """Return what is meant: a resource (by default the one that the source is named after), of one shop or of all.

        Raises `Invalid` for a source, resource or shop that is not known, `ConfigError` where no shop has a key.
        """
        if source not in self.sources:
            raise Invalid([violation("source", f"Must be one of {', '.join(self.sources)}")])
        resource = resource or source
        known = self.sources[source].resources
        if resource not in known:
            raise Invalid([violation("resource", f"Must be one of {', '.join(known)}")])
        shops = self.credentials.shops()
        if shop is not None and shop not in shops:
            raise Invalid([violation("shop", f"Must be a shop that has a key: {', '.join(shops) or 'none has'}")])
        if not shops:
            self.credentials.key("default")
        return [Stream(source, resource, found) for found in ([shop] if shop else shops)]

    def read(
        self,
        stream: Stream,
        request: Mapping[str, Any],
        execution_id: str | None = None,
        report: Report = lambda progress: None,
        is_queued: bool = True,
    ) -> Result | None:
        """Read a stream (see `engine.run`); where a deadline ends the leg, queue the next one, or end the run."""
        source = self.sources[stream.source]
        result = engine.run(self._database, source, stream, dict(request), execution_id, report)
        self._tell_freshness(stream.source)
        if result is not None and result.status == "CONTINUES":
            if not is_queued:
                return self._end(result)
            put(stream, result.execution_id, result.delay_seconds)
        return result

    def measure_freshness(self, source: str | None = None) -> None:
        """Measure how old what is read is, of one source or of all. Raises `ConfigError`, `ServiceUnavailable`."""
        freshness.record(self._database, self.credentials.shops(), source)

    def _tell_freshness(self, source: str) -> None:
        """Measure at the end of a run where nobody asks for it between runs: on Lambda."""
        if metrics.exposition() is None:
            try:
                self.measure_freshness(source)
            except (ConfigError, ServiceUnavailable) as error:
                log.warning("freshness was not measured", extra={"reason": jobs.reason_of(error)})

    def _end(self, result: Result) -> Result:
        """End a run that nobody is to go on with: whoever stops a command does not want a worker to take it up."""
        with self._database.transaction() as cursor:
            queries.close_dead(cursor, result.execution_id, INTERRUPTED)
        return Result(result.execution_id, "FAILED", INTERRUPTED)

    def announce(self, stream: Stream, request: Mapping[str, Any]) -> str:
        """Note a run and queue its job; return the run's id. Raises `Busy`, or `ServiceUnavailable` without a queue."""
        endpoint = self.sources[stream.source].endpoint(stream)
        execution_id = runs.announce(self._database, stream, dict(request), endpoint)
        try:
            put(stream, execution_id)
        except ServiceUnavailable as error:
            reason = error.reason if isinstance(error, jobs.NotQueued) else "the queue cannot be reached"
            with suppress(ServiceUnavailable):  # then it is closed as one whose continuation did not come
                self._database.statement(queries.withdraw, execution_id, f"its job could not be queued: {reason}")
            raise
        return execution_id

    def resume(self, execution_id: str) -> Result | None:
        """Begin or go on with a run that was announced, continues or failed; return None where it has ended well."""
        with self._database.transaction() as cursor:
            found = queries.find_request(cursor, execution_id)
        if found is None:
            raise jobs.InvalidJob(f"There is no run {execution_id!r}")
        stream, request = found
        if stream.source not in self.sources:
            raise jobs.InvalidJob(f"No source is named {stream.source!r}")
        return self.read(stream, request, execution_id)


def put(stream: Stream, execution_id: str, delay_seconds: float = 0) -> None:
    """Queue a leg of a run."""
    jobs.get_queue().put(JOB, {"source": stream.source, "run": execution_id}, delay_seconds)


def request_of(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is asked for as a run keeps it, of `since`, or `from` and `to`, or `full`. Raises `Invalid`.

    Moments are ISO 8601, UTC where they name no offset. Nothing asked for means what is new.
    """
    flaws: list[dict[str, str]] = []
    moments = {name: _moment(arguments[name], name, flaws) for name in ("since", "from", "to") if arguments.get(name)}
    is_full = arguments.get("full") or False
    if not isinstance(is_full, bool):
        flaws.append(violation("full", "Must be true or false"))
    if ("from" in moments) != ("to" in moments):
        flaws.append(
            violation("from" if "to" in moments else "to", "Must be given: a backfill has a first and a last day")
        )
    if ("since" in moments) + ("from" in moments) + bool(is_full) > 1:
        flaws.append(violation("", "Only one of since, backfill and full can be asked for"))
    if flaws:
        raise Invalid(flaws)
    if "from" in moments and moments["from"] > moments["to"]:
        raise Invalid([violation("to", "Must not be before from")])
    now = datetime.now(UTC)
    late = [violation(name, "Must not be in the future") for name in ("since", "from") if moments.get(name, now) > now]
    if late:
        raise Invalid(late)
    return {name: moment.isoformat() for name, moment in moments.items()} | ({"full": True} if is_full else {})


def _moment(value: Any, name: str, flaws: list[dict[str, str]]) -> datetime:
    try:
        return as_utc(datetime.fromisoformat(value))
    except (TypeError, ValueError, OverflowError):
        flaws.append(violation(name, "Must be a day or a moment, such as 2026-01-15 or 2026-01-15T10:30:00Z"))
        return datetime.now(UTC)


def init_app(app: Flask, config: Config) -> None:
    """Give the application its sources."""
    app.extensions["ingestion"] = Ingestion(config, app.extensions["database"])
    metrics.at_scrape(record_freshness)


def get_ingestion() -> Ingestion:
    """Return the sources of the current application."""
    ingestion: Ingestion = current_app.extensions["ingestion"]
    return ingestion


def record_freshness() -> None:
    """Measure how old what is read is, when /metrics is asked for."""
    get_ingestion().measure_freshness()


@jobs.job(JOB)
def ingest(arguments: dict[str, Any]) -> dict[str, Any]:
    """Read a source: `{"source", "resource"?, "shop"?, "since"? | "from", "to" | "full"?}`; or a run's next leg: `run`.

    Without a shop every shop is read; where there are several, each by a job of its own. That another run is at work
    is no failure.
    """
    ingestion = get_ingestion()
    if arguments.get("run"):
        return _attempt(lambda: _resume_or_wait(ingestion, str(arguments["run"])))
    request = request_of(arguments)
    streams = ingestion.streams(arguments.get("source", ""), arguments.get("resource"), arguments.get("shop"))
    if len(streams) > 1:
        for stream in streams:
            jobs.get_queue().put(JOB, {**arguments, "resource": stream.resource, "shop": stream.shop})
        return {"queued": [stream.shop for stream in streams]}
    return _attempt(lambda: _read_or_go_on(ingestion, streams[0], request))


def _resume_or_wait(ingestion: Ingestion, execution_id: str) -> Result | None:
    try:
        return ingestion.resume(execution_id)
    except Busy as busy:
        if busy.execution_id == execution_id:  # perhaps its process is dead, and the server does not know it yet
            put(busy.stream, execution_id, holding.SILENT_SECONDS)
        raise


def _read_or_go_on(ingestion: Ingestion, stream: Stream, request: Mapping[str, Any]) -> Result | None:
    try:
        return ingestion.read(stream, request)
    except Busy as busy:
        if busy.execution_id and busy.due_seconds is not None:
            put(stream, busy.execution_id, busy.due_seconds)  # whoever was to queue it may have died before that
        raise


def _attempt(read: Any) -> dict[str, Any]:
    try:
        result: Result | None = read()
    except Busy as busy:
        log.info("nothing is read", extra={"reason": str(busy), "run": busy.execution_id})
        return {"status": BUSY, "run": busy.execution_id, "message": str(busy)}
    if result is None:
        return {"status": "ENDED"}
    if result.status == "FAILED":
        raise jobs.RunFailed(result.message or "the run failed")
    return {"status": result.status, "run": result.execution_id, "message": result.message}
