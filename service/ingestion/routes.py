"""The ingestion API: runs are asked for and watched, rejects are read and replayed."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, url_for

from service import inputs, pages
from service.answers import as_json
from service.config import Config, ConfigError
from service.database import get_database
from service.errors import Conflict, Invalid, NotFound, violation
from service.ingestion import answers, coverage, reads, rejects, service
from service.ingestion.outputs import (
    CoverageOutput,
    RejectList,
    RejectOutput,
    ReplayOutput,
    RunDetail,
    RunList,
    RunOutput,
)
from service.ingestion.records import Rejected, Stream
from service.ingestion.runs import Busy
from service.ingestion.schemas import CoverageQuery, RejectListQuery, RunInput, RunListQuery
from service.ingestion.service import get_ingestion, request_of
from service.operations import Answer, operation
from service.times import rfc3339

IS_OPEN = {"open": True, "resolved": False, "all": None}
# Of payloads: an answer of Lambda has at most 6 MB, in which JSON is written as a text once more.
WHOLE_IN_LIST_BYTES = 16 * 1024
WHOLE_BYTES = 2 * 1024 * 1024

ingestion = Blueprint("ingestion", __name__, url_prefix="/api/v1/ingestion")


def init_app(app: Flask, config: Config) -> None:
    """Add the routes, and the sources behind them."""
    service.init_app(app, config)
    app.register_blueprint(ingestion)


@ingestion.post("/runs")
@operation(
    "ingestion:run",
    body=RunInput,
    example={"source": "work-orders"},
    answers={202: Answer(RunOutput, description="A job will read it.", headers={"Location": "The run."})},
    errors={409: "Another run of the same is not over (`executionId` names it); or no key of a shop is configured."},
)
def create() -> tuple[Response, int, dict[str, str]]:
    """Ask for a run, which a job begins."""
    asked = inputs.body()
    stream = _only_stream(asked["source"], asked.get("resource"), asked.get("shop"))
    execution_id = _announce(stream, request_of(_flat(asked)))
    found = get_database().statement(reads.run, execution_id)
    assert found is not None  # noqa: S101
    location = url_for("ingestion.show", executionId=execution_id)
    return jsonify(answers.run(found[:-1])), 202, {"Location": location}


def _only_stream(source: str, resource: str | None, shop: str | None) -> Stream:
    try:
        streams = get_ingestion().streams(source, resource, shop)
    except ConfigError as error:
        raise Conflict(str(error), error="Not Configured") from None
    if len(streams) > 1:
        shops = ", ".join(stream.shop for stream in streams)
        raise Invalid([violation("shop", f"Must be one of {shops}: a run reads one shop")])
    return streams[0]


def _flat(asked: dict[str, Any]) -> dict[str, Any]:
    moments = {"since": asked.get("since")}
    if "backfill" in asked:
        moments |= {"from": asked["backfill"]["first"], "to": asked["backfill"]["last"]}
    return {name: rfc3339(moment) for name, moment in moments.items() if moment} | {"full": asked.get("full")}


def _announce(stream: Stream, request: dict[str, Any]) -> str:
    try:
        return get_ingestion().announce(stream, request)
    except Busy as busy:
        raise Conflict(str(busy), executionId=busy.execution_id) from None


@ingestion.get("/runs")
@operation("ingestion:read", query=RunListQuery, answers={200: Answer(RunList, headers=pages.NEXT_PAGE)})
def index() -> Response:
    """List runs, newest first."""
    query = inputs.query()
    filters = _filters(query) | {"statuses": query.get("status")}
    after = pages.decode_cursor(query.get("cursor"))
    rows = get_database().statement(reads.runs, filters, after, query["limit"] + 1)
    found = [answers.run(row) for row in rows]
    return pages.answer("runs", found, [pages.Key(row[6], row[0], 0) for row in rows], query["limit"])


@ingestion.get("/runs/<uuid:executionId>")
@operation("ingestion:read", answers={200: RunDetail})
def show(executionId: uuid.UUID) -> Response:
    """Return a run: what was asked for, how far it is, and its windows."""
    found = get_database().statement(reads.run, str(executionId))
    if found is None:
        raise NotFound("There is no such run")
    windows = get_database().statement(reads.windows_of_run, str(executionId))
    return jsonify(answers.run_with_windows(found, windows))


@ingestion.get("/coverage")
@operation("ingestion:read", query=CoverageQuery, answers={200: CoverageOutput})
def show_coverage() -> Response:
    """Tell what of a resource is read, and what is missing."""
    query = inputs.query()
    with get_database().transaction() as cursor:
        streams = reads.streams(cursor, query["source"], query.get("resource", query["source"]), query.get("shop"))
        found = [coverage.of(cursor, stream) for stream in streams]
    return jsonify(streams=found)


@ingestion.get("/rejects")
@operation("ingestion:read", query=RejectListQuery, answers={200: Answer(RejectList, headers=pages.NEXT_PAGE)})
def index_rejects() -> Response:
    """List records that could not be stored, those that were seen last first."""
    query = inputs.query()
    filters = _filters(query) | {"is_open": IS_OPEN[query["state"]]}
    after, limit = pages.decode_cursor(query.get("cursor")), query["limit"]
    rows = get_database().statement(reads.rejects, filters, after, limit + 1, WHOLE_IN_LIST_BYTES)
    response = as_json(f'{{"rejects": [{", ".join(answers.reject(row) for row in rows[:limit])}]}}', "")
    return pages.linked(response, [pages.Key(row[10], "", row[0]) for row in rows], limit)


@ingestion.get("/rejects/<int:rejectId>")
@operation("ingestion:read", answers={200: RejectOutput})
def show_reject(rejectId: int) -> Response:
    """Return a record that could not be stored."""
    found = get_database().statement(reads.reject, rejectId, WHOLE_BYTES)
    return as_json(answers.reject(found) if found else None, f"There is no reject {rejectId}")


@ingestion.post("/rejects/<int:rejectId>/replay")
@operation(
    "ingestion:run",
    answers={200: ReplayOutput},
    errors={409: "The reject is resolved already.", 422: "The record still cannot be stored, and the reject stays."},
)
def replay(rejectId: int) -> Response:
    """Read a reject again by today's rules, and store it."""
    try:
        outcome = rejects.replay(get_database(), get_ingestion().sources, rejectId)
    except Rejected as error:
        raise Invalid([violation(error.path, error.reason)]) from None
    return jsonify(id=rejectId, resolution="replayed", outcome=outcome)


def _filters(query: dict[str, Any]) -> dict[str, Any]:
    return {name: query.get(name) for name in ("source", "resource", "shop")}
