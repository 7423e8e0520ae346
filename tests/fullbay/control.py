"""Driving a stand-in that runs as a process of its own.

GET /__truth__?resource=work-orders    the records, a JSON line each
GET /__control__                       what was asked, and what went wrong
POST /__control__                      {"faults": ["status:500:0.1"], "rotate": {"shop": "default", "key": "new"},
                                        "insert": {"resource": "work-orders", "status": "open"},
                                        "update": {"resource": "work-orders", "id": "1000007"}, "delete": {…}}
"""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from tests.fullbay.messages import Answer, Request, json_answer

if TYPE_CHECKING:
    from tests.fullbay.stand_in import Fullbay


def answer(fullbay: Fullbay, request: Request) -> Answer:
    """Answer a request of a test."""
    if request.path not in ("/__truth__", "/__control__"):
        return json_answer({"error": "Not Found"}, 404)
    try:
        return _truth(fullbay, request.query) if request.path == "/__truth__" else _control(fullbay, request)
    except (KeyError, ValueError) as error:
        return json_answer({"error": "Bad Request", "message": str(error)}, 400)


def _control(fullbay: Fullbay, request: Request) -> Answer:
    done = _change(fullbay, json.loads(request.body)) if request.method == "POST" else {}
    seen = [{"number": one.number, "path": one.path, "query": one.query} for one in fullbay.requests]
    applied = [one._asdict() for one in fullbay.applied]
    counts = {"impolite": fullbay.impolite, "leaks": len(fullbay.leaks), "errors": len(fullbay.errors)}
    return _lines([done | counts | {"requests": seen, "applied": applied}])


def _truth(fullbay: Fullbay, query: dict[str, str]) -> Answer:
    resource = query.get("resource", "work-orders")
    if resource == "invoices":
        return _lines(fullbay.invoices(query.get("shop", "default")))
    return _lines(list(fullbay.records(resource)))


def _change(fullbay: Fullbay, changes: dict[str, Any]) -> dict[str, Any]:
    from tests.fullbay.random_faults import Faults

    if "faults" in changes:
        fullbay.faults = Faults.parse(*changes["faults"])
    if "rotate" in changes:
        fullbay.rotate(**changes["rotate"])
    done: dict[str, Any] = {}
    for name, change in (("insert", fullbay.insert), ("update", fullbay.update), ("delete", fullbay.delete)):
        if name in changes:
            arguments = changes[name]
            if "day" in arguments:
                arguments["day"] = date.fromisoformat(arguments["day"])
            if "updated_at" in arguments:
                arguments["updated_at"] = datetime.fromisoformat(arguments["updated_at"])
            place = [arguments.pop("resource"), *([arguments.pop("id")] if name != "insert" else [])]
            done[name] = change(*place, **arguments)
    return done


def _lines(values: list[dict[str, Any]]) -> Answer:
    lines = (json.dumps(value, default=_plain) for value in values)
    return Answer(body="\n".join(lines).encode(), content_type="application/x-ndjson")


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)
