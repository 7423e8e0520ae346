"""The exports API: runs are asked for, watched, tried again and cancelled; what the partner refused is read."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from itertools import accumulate
from typing import TypeVar

from flask import Blueprint, Flask, Response, jsonify, request, url_for
from werkzeug.exceptions import MethodNotAllowed

from service import inputs, pages
from service.answers import as_json
from service.config import Config, ConfigError
from service.database import get_database
from service.errors import Conflict, NotFound
from service.exports import answers, job, reads, service
from service.exports.outputs import ExportDetail, ExportList, ExportOutput, ExportRejectList
from service.exports.runs import Busy
from service.exports.schemas import ExportListQuery, ExportRejectsFileQuery, ExportRejectsQuery
from service.exports.selection.request import Request, loaded
from service.exports.selection.schemas import ExportInput, ExportQuery
from service.exports.service import get_exports
from service.operations import Answer, operation

__all__ = ["init_app", "job"]

CSV = "text/csv"
IS_OPEN = {"open": True, "sent": False, "all": None}
# An answer of Lambda has at most 6 MB, in which JSON is written as a text once more.
WHOLE_IN_LIST_BYTES = 16 * 1024  # of one record
PAGE_CHARACTERS = 1_000_000  # of the records of a page

ACCEPTED = Answer(ExportOutput, description="A job does it.", headers={"Location": "The run."})
REFUSALS = {409: "Another run compares the same table (`exportId` names it); or no partner is configured."}

T = TypeVar("T")

exports = Blueprint("exports", __name__)


def init_app(app: Flask, config: Config) -> None:
    """Add the routes, and the exports behind them."""
    service.init_app(app, config)
    app.register_blueprint(exports)


@exports.post("/api/v1/exports")
@operation(
    "exports:run",
    body=ExportInput,
    example={"table": "local_customers_silver", "where_clause": "region = 'US'", "limit": 100},
    answers={202: ACCEPTED},
    errors=REFUSALS,
)
def create() -> tuple[Response, int, dict[str, str]]:
    """Export rows of a table to the partner."""
    return _begin(loaded(inputs.body()))


@exports.get("/export")
@operation("exports:run", query=ExportQuery, answers={202: ACCEPTED}, errors=REFUSALS)
def create_by_query() -> tuple[Response, int, dict[str, str]]:
    """Export rows of a table to the partner, asked for in the query."""
    if request.method == "HEAD":  # it comes with GET, and whoever sends it wants nothing to happen
        raise MethodNotAllowed(["GET"])
    return _begin(loaded(inputs.query()))


def _begin(asked: Request) -> tuple[Response, int, dict[str, str]]:
    return _accepted(_unless_busy(lambda: get_exports().begin(asked, "request")))


def _accepted(run_id: str) -> tuple[Response, int, dict[str, str]]:
    found = get_database().statement(reads.run, run_id)
    assert found is not None  # noqa: S101
    location = url_for("exports.show", exportId=run_id)
    return jsonify(answers.run(found[:-2])), 202, {"Location": location, "Cache-Control": "no-store"}


def _unless_busy(work: Callable[[], T]) -> T:
    try:
        return work()
    except Busy as busy:
        raise Conflict(str(busy), exportId=busy.run_id) from None
    except ConfigError as error:
        raise Conflict(str(error), error="Not Configured") from None


@exports.get("/api/v1/exports")
@operation("exports:read", query=ExportListQuery, answers={200: Answer(ExportList, headers=pages.NEXT_PAGE)})
def index() -> Response:
    """List runs, newest first."""
    query = inputs.query()
    filters = {"table": query.get("table"), "statuses": query.get("status")}
    after = pages.decode_cursor(query.get("cursor"))
    rows = get_database().statement(reads.runs, filters, after, query["limit"] + 1)
    found = [answers.run(row) for row in rows]
    return pages.answer("exports", found, [pages.Key(row[8], row[0], 0) for row in rows], query["limit"])


@exports.get("/api/v1/exports/<uuid:exportId>")
@operation("exports:read", answers={200: ExportDetail})
def show(exportId: uuid.UUID) -> Response:
    """Return a run: what was asked for, and how far it is."""
    found = get_database().statement(reads.run, str(exportId))
    if found is None:
        raise NotFound("There is no such run")
    return jsonify(answers.run_in_full(found))


@exports.get("/api/v1/exports/<uuid:exportId>/rejects")
@operation("exports:read", query=ExportRejectsQuery, answers={200: Answer(ExportRejectList, headers=pages.NEXT_PAGE)})
def index_rejects(exportId: uuid.UUID) -> Response:
    """List the rows of a run that the partner refused."""
    return _rejects(exportId, lambda rows: as_json(f'{{"rejects": [{", ".join(map(answers.reject, rows))}]}}', ""))


@exports.get("/api/v1/exports/<uuid:exportId>/rejects.csv")
@operation(
    "exports:read",
    query=ExportRejectsFileQuery,
    answers={
        200: Answer(
            media_type=CSV,
            description=(
                "RFC 4180: a header, then a line a row; `record` is JSON. A `reason` that a spreadsheet would run as a"
                " formula has an apostrophe in front."
            ),
            headers=pages.NEXT_PAGE,
        )
    },
)
def index_rejects_as_csv(exportId: uuid.UUID) -> Response:
    """List the rows of a run that the partner refused, as CSV."""
    return _rejects(exportId, lambda rows: Response(answers.as_csv(rows), mimetype=CSV))


def _rejects(export_id: uuid.UUID, told: Callable[[list[reads.Row]], Response]) -> Response:
    query = inputs.query()
    after, limit = pages.decode_cursor(query.get("cursor")), query["limit"]
    position = after.position if after else 0
    rows = get_database().statement(
        reads.rejects, str(export_id), IS_OPEN[query["state"]], position, limit + 1, WHOLE_IN_LIST_BYTES
    )
    if not rows and not get_database().statement(reads.exists, str(export_id)):
        raise NotFound("There is no such run")
    sizes = accumulate(len(row[8]) for row in rows[:limit])
    fitting = max(1, sum(size <= PAGE_CHARACTERS for size in sizes))
    return pages.linked(told(rows[:fitting]), [pages.Key(row[6], "", row[1]) for row in rows], fitting)


@exports.post("/api/v1/exports/<uuid:exportId>/retry")
@operation(
    "exports:run",
    answers={202: ACCEPTED},
    errors={409: "The run is not over, every row got through, or another run compares the same table."},
)
def retry(exportId: uuid.UUID) -> tuple[Response, int, dict[str, str]]:
    """Send what did not get through once more: what is left, and what was refused."""
    _unless_busy(lambda: get_exports().retry(str(exportId)))
    return _accepted(str(exportId))


@exports.post("/api/v1/exports/<uuid:exportId>/cancel")
@operation(
    "exports:run",
    answers={202: ACCEPTED},
    errors={409: "The run has ended already."},
)
def cancel(exportId: uuid.UUID) -> tuple[Response, int, dict[str, str]]:
    """Stop a run, and its query."""
    get_exports().cancel(str(exportId))
    return _accepted(str(exportId))
