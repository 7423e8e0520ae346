"""How partners say that some rows of a batch are refused, each in its own way; `batch` refuses all for the sake of one.

Each takes the rows and the reasons of those that are refused by their position, and returns a status and a value of
JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Rows = Sequence[dict[str, Any]]
Reasons = dict[int, str]
Said = tuple[int, Any]

BATCH = "batch"


def errors(rows: Rows, reasons: Reasons, key: tuple[str, ...]) -> Said:
    return 200, {"accepted": len(rows) - len(reasons), "errors": [_at("index", *one) for one in reasons.items()]}


def failures(rows: Rows, reasons: Reasons, key: tuple[str, ...]) -> Said:
    return 202, {"failures": [{"row": at, "reason": reason} for at, reason in reasons.items()]}


def failed(rows: Rows, reasons: Reasons, key: tuple[str, ...]) -> Said:
    return 200, {"status": "partial", "data": {"failed": [{"position": at, "error": {"code": "E1", "message": reason}}
                                                          for at, reason in reasons.items()]}}  # fmt: skip


def rejected(rows: Rows, reasons: Reasons, key: tuple[str, ...]) -> Said:
    return 200, {"rejected": {str(at): reason for at, reason in reasons.items()}}


def rejects(rows: Rows, reasons: Reasons, key: tuple[str, ...]) -> Said:
    return 201, {"rejects": [{"record_index": at, "detail": reason} for at, reason in reasons.items()]}


def keyed(rows: Rows, reasons: Reasons, key: tuple[str, ...]) -> Said:
    named = [{name: rows[at].get(name) for name in key} | {"reason": reason} for at, reason in reasons.items()]
    return 200, {"invalid": named}


def results(rows: Rows, reasons: Reasons, key: tuple[str, ...]) -> Said:
    return 200, {
        "results": [
            {"status": "error", "message": reasons[at]} if at in reasons else {"status": "ok"}
            for at in range(len(rows))
        ]
    }


def verdicts(rows: Rows, reasons: Reasons, key: tuple[str, ...]) -> Said:
    return 200, {"items": [{"success": at not in reasons, "error": reasons.get(at)} for at in range(len(rows))]}


def multi_status(rows: Rows, reasons: Reasons, key: tuple[str, ...]) -> Said:
    return 207, {
        "responses": [
            {"status": 422, "description": reasons[at]} if at in reasons else {"status": 201} for at in range(len(rows))
        ]
    }


def bare(rows: Rows, reasons: Reasons, key: tuple[str, ...]) -> Said:
    return 200, [{"ok": at not in reasons, "reason": reasons.get(at, "")} for at in range(len(rows))]


def _at(name: str, at: int, reason: str) -> dict[str, Any]:
    return {name: at, "message": reason}


SPELLINGS: dict[str, Callable[[Rows, Reasons, tuple[str, ...]], Said]] = {
    each.__name__: each
    for each in (errors, failures, failed, rejected, rejects, keyed, results, verdicts, multi_status, bare)
}
