"""Both ways to read a result, side by side: its file, as the service does, and page after page, as one could."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from service.exports.lake.athena import AthenaEngine
from service.exports.lake.engine import QueryState, Text


class Read(NamedTuple):
    """How long reading took, and how many rows there were."""

    seconds: float
    rows: int


def run(engine: AthenaEngine, sql: str, token: str, seconds: float = 120) -> str:
    """Run a query to its end; return its id."""
    query_id = engine.start(Text(sql, ()), token)
    expires_at = time.monotonic() + seconds
    while (state := engine.look(query_id)) == QueryState("RUNNING") and time.monotonic() < expires_at:
        time.sleep(0.01)
    assert state.state == "SUCCEEDED", state
    return query_id


def read_file(engine: AthenaEngine, query_id: str) -> Read:
    """Read every row of a result as the service does."""
    started = time.perf_counter()
    result = engine.result(query_id)
    rows = sum(1 for _ in result.rows())
    result.close()
    return Read(time.perf_counter() - started, rows)


def read_pages(client: Any, query_id: str) -> Read:
    """Read every row of a result by GetQueryResults."""
    started = time.perf_counter()
    rows = -1  # the header is one
    for page in client.get_paginator("get_query_results").paginate(QueryExecutionId=query_id):
        for row in page["ResultSet"]["Rows"]:
            _ = [datum.get("VarCharValue") for datum in row["Data"]]
            rows += 1
    return Read(time.perf_counter() - started, rows)
