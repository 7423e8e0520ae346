"""The job `export`: runs that wait, schedules, and files that have come."""

from __future__ import annotations

import logging
import uuid
from typing import Any

from service import jobs
from service.database import get_database, holding
from service.exports import reads, triggers
from service.exports.runs import Busy
from service.exports.selection.request import Request, request_of
from service.exports.service import BUSY, BUSY_SECONDS, JOB, Exports, get_exports, put

Object = dict[str, Any]

log = logging.getLogger(__name__)


@jobs.job(JOB, once=True)
def export(arguments: Object) -> Object:
    """Go on with `{"run"}`; or export `{"table", …}`, or the tables of `{"objects": [{"bucket", "key", "mark"}]}`.

    `event` is what the event is known by that is behind it: one that comes again goes on with the same run. Where
    another run compares the same table, the job comes back later.
    """
    exports = get_exports()
    event = arguments.get("event")
    if "run" in arguments:
        return _resume(exports, _run_id(arguments["run"]))
    if "objects" in arguments:
        return _export_objects(exports, arguments, event)
    request = request_of({name: value for name, value in arguments.items() if name != "event"})
    key = triggers.key_of("schedule", event) if event else None
    return _begin(exports, request, "schedule", key, arguments)


def _export_objects(exports: Exports, arguments: Object, event: str | None) -> Object:
    found = exports.tables_of(arguments["objects"])
    if len(found) == 1:
        ((table, objects),) = found.items()
        request = Request(table=table, mode="changed" if exports.has_key(table) else "full")
        key = triggers.key_of_objects(objects, event and f"{event}/{table}")
        return _begin(exports, request, "object", key, {"objects": objects, "event": event})
    for objects in found.values():
        jobs.get_queue().put(JOB, {"objects": objects, "event": event})
    return {"queued": sorted(found)}


def _begin(exports: Exports, request: Request, kind: str, key: str | None, again: Object) -> Object:
    """Begin a run and work on it, here and now."""
    try:
        run_id = exports.announce(request, kind, key)
    except Busy as busy:
        log.info("an export waits", extra={"reason": str(busy), "run": busy.run_id})
        if busy.run_id:
            put(busy.run_id)  # whoever was to go on with it may be dead
        jobs.get_queue().put(JOB, again, BUSY_SECONDS)
        return {"status": BUSY, "run": busy.run_id, "message": str(busy)}
    return _resume(exports, run_id)


def _run_id(value: Any) -> str:
    try:
        run_id = str(uuid.UUID(value))
    except (ValueError, TypeError, AttributeError):
        raise jobs.InvalidJob("`run` must be the id of a run") from None
    if not get_database().statement(reads.exists, run_id):
        raise jobs.InvalidJob(f"There is no run {run_id}")
    return run_id


def _resume(exports: Exports, run_id: str) -> Object:
    try:
        result = exports.work(run_id)
    except Busy as busy:  # perhaps its process is dead, and the server does not know it yet
        put(run_id, holding.SILENT_SECONDS)
        return {"status": BUSY, "run": run_id, "message": str(busy)}
    if result is None:
        return {"status": "ENDED", "run": run_id}
    if result.status == "FAILED":
        raise jobs.RunFailed(result.message or "the run failed")
    return {"status": result.status, "run": run_id, "message": result.message}
