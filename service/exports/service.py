"""What may be exported, on whose behalf, and what follows a run: for jobs, commands and routes alike."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING

import psycopg2
from flask import Flask, current_app
from psycopg2.extras import Json
from uuid6 import uuid7

from service import jobs
from service.config import Config, ConfigError
from service.database import Database, holding
from service.errors import Conflict, Invalid, NotFound, ServiceUnavailable, violation
from service.exports import queries, reject_queries, runs, triggers
from service.exports.delivery.credentials import Credentials
from service.exports.lake.catalog import Table
from service.exports.lake.engine import Engine, EngineError
from service.exports.queries import NewRun
from service.exports.runs import Busy, Result
from service.exports.selection.names import near
from service.exports.selection.request import Request, as_json
from service.exports.settings import TableRule, table_prefix
from service.exports.watch import Report

if TYPE_CHECKING:
    from service.exports.delivery.partner import Partner
    from service.exports.leg import Means

JOB = "export"
EMBEDDED = ("duckdb", "pyiceberg")  # without which there is no embedded lake
BUSY = "BUSY"
BUSY_SECONDS = 60.0  # until what could not begin is tried again
INTERRUPTED = "interrupted; `exports retry` goes on from here"

log = logging.getLogger(__name__)


class LakeUnavailable(ServiceUnavailable):
    """The catalog of the lake cannot be read."""


class Exports:
    """The lake, the partner, and the database that keeps the books. Opens nothing before it is used."""

    def __init__(self, config: Config, database: Database) -> None:
        self._config = config
        self._settings = config.exports
        self._database = database
        self._credentials = Credentials(config.exports)
        self._engine: Engine | None = None
        self._lock = threading.Lock()

    @property
    def engine(self) -> Engine:
        """The engine of this installation. Raises `ConfigError` where there is none."""
        with self._lock:
            if self._engine is None:
                self._engine = self._make_engine()
            return self._engine

    def _make_engine(self) -> Engine:
        if self._settings.athena_workgroup:
            from service.exports.lake.athena import AthenaEngine

            return AthenaEngine(self._settings)
        if not all(map(find_spec, EMBEDDED)):
            raise ConfigError("ATHENA_WORKGROUP is not set, and the embedded lake is not installed here")
        from service.exports.lake.local import LocalEngine

        return LocalEngine(self._config.data_dir, self._config.environment)

    def _engine_of(self, name: str) -> Engine:
        """Return the engine that a run was begun with."""
        if self.engine.name != name:
            raise ConfigError(f"the run was begun with the engine {name}, and here it is {self.engine.name}")
        return self.engine

    def _means(self) -> Means:
        from service.exports.leg import Means

        return Means(self._engine_of, self._partner, self._settings)

    def _partner(self) -> Partner:
        from service.exports.delivery.pace import Pace
        from service.exports.delivery.partner import Partner

        pace = Pace(self._settings.requests_per_second)
        return Partner(self._credentials, self._settings, pace, self._config.environment)

    def table(self, name: str) -> Table:
        """Return a table that may be exported. Raises `Invalid` with near matches, `ServiceUnavailable`."""
        rules, catalog = self._rules(), self.engine.catalog
        try:
            columns = catalog.columns(name.lower()) if rules is None or name.lower() in rules else None
            known = () if columns else (tuple(rules) if rules is not None else catalog.names())
        except EngineError as error:
            raise LakeUnavailable(f"the catalog of the lake cannot be read: {error.reason}") from None
        if columns is None:
            raise Invalid([violation("table", f"Must be a table that may be exported{near(name, known)}")])
        rule = (rules or {}).get(name.lower()) or TableRule(name.lower())
        names = {column.name for column in columns}
        if missing := [one for one in (*rule.key, rule.date_column) if one is not None and one not in names]:
            raise ConfigError(f"EXPORT_TABLES names the column {missing[0]}, which {rule.name} has not")
        return Table(rule.name, columns, rule.key, rule.date_column)

    def _rules(self) -> dict[str, TableRule] | None:
        if self._settings.tables is not None:
            return {rule.name: rule for rule in self._settings.tables}
        if self._settings.athena_workgroup:
            return None
        from service.exports.lake.sample import rules

        return {rule.name: rule for rule in rules(self._config.environment)}

    def announce(self, request: Request, kind: str, key: str | None = None) -> str:
        """Note a run, which a job or a command begins; return its id, of an event that has begun one the same.

        Raises `Invalid`, `Busy` where another run compares the table, `ConfigError`, `ServiceUnavailable`.
        """
        from service.exports.selection.select import select

        if key and (known := self._database.statement(queries.run_of_event, key)):
            return known
        table = self.table(request.table)
        statement = select(request, table, datetime.now(UTC).date(), self._settings.max_records)
        limit = statement.limit or self._settings.max_records
        is_comparing = request.mode == "changed"
        # One row more tells whether there are more. What is compared is counted behind the comparison.
        asked = replace(statement, limit=None if is_comparing else limit + 1)
        text = self.engine.render(table, asked)
        destination = self._credentials.account().records_url
        new = NewRun(
            id=str(uuid7()),
            trigger_kind=kind,
            trigger_key=key,
            table_name=table.name,
            destination=destination,
            mode=request.mode,
            request=Json(as_json(request)),
            engine=self.engine.name,
            columns=Json(runs.stored_columns(statement.columns)),
            key_columns=list(table.key) if set(table.key) <= {column.name for column in statement.columns} else [],
            query_sql=text.sql,
            query_parameters=list(text.parameters),
            count_sql=self.engine.render_count(table, asked).sql,
            row_limit=limit,
            batch_size=self._settings.batch_size,
        )
        try:
            return self._database.statement(queries.insert_run, new)
        except psycopg2.errors.UniqueViolation as error:
            if error.diag.constraint_name == "export_runs_pkey":  # the answer was lost, and it was stored once more
                return new.id
            found = self._database.statement(queries.comparing, table.name, destination)
            raise Busy(found, f"another run compares {table.name}: {found or '(new)'}") from None

    def begin(self, request: Request, kind: str, key: str | None = None) -> str:
        """Note a run and queue its job; return the run's id. Raises what `announce` does, or `NotQueued`."""
        run_id = self.announce(request, kind, key)
        self._queue(run_id)
        return run_id

    def _queue(self, run_id: str) -> None:
        try:
            put(run_id)
        except ServiceUnavailable as error:
            reason = error.reason if isinstance(error, jobs.NotQueued) else "the queue cannot be reached"
            with suppress(ServiceUnavailable):
                message = f"its job could not be queued: {reason}"
                self._database.statement(queries.close, run_id, "FAILED", message)
            raise

    def work(self, run_id: str, report: Report = lambda progress: None, is_continued: bool = True) -> Result | None:
        """Begin or go on with a run (see `leg.work`); where a deadline ends the leg, queue the next one, or end it."""
        from service.exports import leg

        result = leg.work(self._database, run_id, self._means(), report, is_continued)
        if result is not None and result.status == "CONTINUES":
            if not is_continued:
                self._database.statement(queries.close, run_id, "FAILED", INTERRUPTED)
                return Result(run_id, "FAILED", INTERRUPTED)
            put(run_id, result.delay_seconds)
        return result

    def cancel(self, run_id: str) -> None:
        """Stop a run and its query; one that has failed is not tried again. Raises `NotFound`, `Conflict`."""
        active = self._active(run_id)
        with self._database.transaction() as cursor:
            if not queries.ask_to_cancel(cursor, run_id):
                raise Conflict(f"The run has ended as {active.status}")
            if holding.is_free(cursor, runs.lock_name(run_id)):
                queries.close(cursor, run_id, "CANCELLED", None)
        if active.query_id and not active.has_result:
            try:
                self.engine.stop(active.query_id)
            except (EngineError, ConfigError) as error:
                log.warning("a query was not stopped", extra={"query": active.query_id, "reason": str(error)})

    def retry(self, run_id: str) -> None:
        """Queue a run once more, for what did not get through. Raises `NotFound`, `Conflict`, `Busy`, `NotQueued`."""
        self.reopen(run_id)
        self._queue(run_id)

    def reopen(self, run_id: str) -> None:
        """Let a run that has ended send what did not get through. Raises `NotFound`, `Conflict`, `Busy`."""
        active = self._active(run_id)
        try:
            with self._database.transaction() as cursor:
                if not queries.reopen(cursor, run_id):
                    raise Conflict("Every row got through" if active.status == "SUCCEEDED" else "The run is not over")
                rejects = reject_queries.repeat_rejects(cursor, run_id, self._settings.batch_size)
                if not rejects and active.status == "PARTIAL":
                    raise Conflict("Nothing is left that could be sent again")
        except psycopg2.errors.UniqueViolation:
            other = self._database.statement(queries.comparing_instead, run_id)
            raise Busy(other, "another run compares the table now; it sends what is missing, too") from None

    def _active(self, run_id: str) -> queries.Active:
        found = self._database.statement(queries.active, run_id)
        if found is None:
            raise NotFound("There is no such run")
        return found

    def tables_of(self, objects: list[Mapping[str, str]]) -> dict[str, list[Mapping[str, str]]]:
        """Return the tables that files belong to and that may be exported, each with its files."""
        prefix = table_prefix(self._config.environment)
        found: dict[str, list[Mapping[str, str]]] = {}
        for one in objects:
            name = triggers.table_of(one["key"], prefix)
            if name is not None:
                found.setdefault(name, []).append(one)
        allowed = {name: files for name, files in found.items() if self._is_allowed(name)}
        if ignored := found.keys() - allowed.keys():
            log.warning("files of tables that may not be exported", extra={"tables": sorted(ignored)[:10]})
        return allowed

    def _is_allowed(self, name: str) -> bool:
        try:
            self.table(name)
        except Invalid:
            return False
        return True

    def has_key(self, name: str) -> bool:
        """Return whether rows of a table can be told apart, and so be compared."""
        return bool(self.table(name).key)


def put(run_id: str, delay_seconds: float = 0) -> None:
    """Queue a leg of a run."""
    jobs.get_queue().put(JOB, {"run": run_id}, delay_seconds)


def init_app(app: Flask, config: Config) -> None:
    """Give the application its exports."""
    app.extensions["exports"] = Exports(config, app.extensions["database"])


def get_exports() -> Exports:
    """Return the exports of the current application."""
    exports: Exports = current_app.extensions["exports"]
    return exports
