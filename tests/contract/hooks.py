"""What schemathesis cannot take from the document: formats of ours, ids that exist, rules between two fields.

Loaded by schemathesis itself (`hooks` in schemathesis.toml), in a process of its own.
"""

from __future__ import annotations

import json
import math
import os
import unicodedata
from datetime import UTC, datetime
from typing import Any

import schemathesis

from service.pages import Key, encode_cursor

# Variables of paths and ids that exist: {"goalId": "…", …}
MADE: dict[str, str] = json.loads(os.environ.get("HEADGATE_MADE", "{}"))

CURSOR = encode_cursor(Key(datetime(2026, 1, 15, tzinfo=UTC), "CAR-1", 0))

OF_AN_EXPORT = {
    "table": "local_customers_silver",
    "columns": ["customer_id", "email"],
    "where_clause": "region = 'US'",
    "date_filter": "last_7_days",
    "filters": [{"column": "visits", "op": "ge", "value": 10}],
    "limit": 100,
}
OF_A_RUN = {"shop": "default", "since": "2026-01-15", "backfill": {"from": "2026-01-15", "to": "2026-01-15"}}


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Let two of three requests be about something that exists."""
    for name, value in (path_parameters or {}).items():
        is_wrong = name == "rejectId" and not (isinstance(value, int) and 0 <= value < 2**63)  # on purpose
        if path_parameters and name in MADE and not is_wrong and hash(str(value)) % 3:
            path_parameters[name] = MADE[name]
    return path_parameters


@schemathesis.hook
def before_call(context: Any, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    """Make of a case that keeps the document's rules one that keeps the others too."""
    if not (case.meta and case.meta.generation.mode.is_positive):
        return
    query = case.query or {}
    if "cursor" in query:
        query["cursor"] = CURSOR
    for name in ("since", "until"):  # a fraction of a millisecond is for bodies: a query has no numbers, only digits
        if isinstance(query.get(name), float):
            query[name] = int(query[name])
    for first, last in (("startDate", "endDate"), ("from", "to")):
        if first in query and last in query:
            query[last] = query[first]
    case.body = rounded(case.body)
    read_what_is_there(case)
    export_what_is_there(case)
    for name in ("firstName", "lastName"):  # schemathesis takes characters that Unicode has not assigned for marks
        if isinstance(case.body, dict) and isinstance(case.body.get(name), str):
            case.body[name] = "".join("a" if unicodedata.category(sign) == "Cn" else sign for sign in case.body[name])
    target = case.body.get("target") if isinstance(case.body, dict) else None
    if isinstance(target, dict) and None not in (target.get("minValue"), target.get("maxValue")):
        target["minValue"], target["maxValue"] = sorted((target["minValue"], target["maxValue"]))


def read_what_is_there(case: schemathesis.Case) -> None:
    """Let a run be asked for of a shop that has a key, and from a moment in the past."""
    if case.path == "/api/v1/ingestion/runs" and isinstance(case.body, dict):
        case.body |= {name: value for name, value in OF_A_RUN.items() if name in case.body}


def export_what_is_there(case: schemathesis.Case) -> None:
    """Let rows be asked for of a table that is there, by its columns and in the language of clauses."""
    if case.path == "/api/v1/exports" and isinstance(case.body, dict):
        case.body |= {name: value for name, value in OF_AN_EXPORT.items() if name in case.body}
    elif case.path == "/export" and case.query:
        texts = OF_AN_EXPORT | {"filters": json.dumps(OF_AN_EXPORT["filters"])}
        case.query.update({name: value for name, value in texts.items() if name in case.query})


def rounded(value: Any) -> Any:
    """Return a body whose numbers have six decimal places at the most, which JSON Schema cannot ask for exactly."""
    if isinstance(value, float):
        return round(value, 6) or (math.copysign(0.000001, value) if value else 0)
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value
