"""Driving a stand-in that runs as a process of its own.

GET /_record                the rows that were taken, those that were refused, and counts; ?rows=0 leaves the rows out
POST /_control              {"faults": ["status:500:0.1"], "revoke": true}
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.fullbay.messages import Answer, Request, json_answer
from tests.partner.records import Accepted, dumps

if TYPE_CHECKING:
    from tests.partner.stand_in import Partner


def is_meant(target: str) -> bool:
    """Return whether a request is one of a test."""
    return target.startswith("/_")


def answer(partner: Partner, request: Request) -> Answer:
    """Answer a request of a test."""
    if request.path == "/_control" and request.method == "POST":
        return _change(partner, request.body)
    if request.path != "/_record":
        return json_answer({"error": "Not Found"}, 404)
    records = partner.records
    found: dict[str, Any] = {
        "requests": partner.count,
        "tokens": len(partner.tokens),
        "accepted": len(records.rows),
        "refused": len(records.refused),
        "violations": records.violations,
        "impolite": partner.impolite,
        "leaks": len(partner.leaks),
        "errors": len(partner.errors),
    }
    if request.query.get("rows") != "0":
        found |= {"rows": _listed(records.rows), "refused_rows": _listed(records.refused)}
    return Answer(body=dumps(found).encode())


def _listed(rows: list[Accepted]) -> list[dict[str, Any]]:
    return [{"key": one.key, "row": one.row} for one in rows]


def _change(partner: Partner, body: bytes) -> Answer:
    from tests.partner.faults import Faults

    try:
        changes = json.loads(body)
        if "faults" in changes:
            partner.faults = Faults.parse(*changes["faults"])
    except (TypeError, ValueError) as error:
        return json_answer({"error": "Bad Request", "message": str(error)}, 400)
    if changes.get("revoke"):
        partner.revoke()
    return json_answer({})
