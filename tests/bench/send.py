"""`python -m tests.bench.send`: one contender sends all customers of a stand-in lake, in a process of its own.

    ours     the service's export, as the command runs it: query, plan, batches, books
    floor    the same bodies, made before, over as many connections: bare requests
    file     the result of the query, read as the service reads it
    pages    the same by GetQueryResults, page after page

Takes one JSON object; prints the seconds, the rows, and the most memory that the process had, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import requests

from service import config, deadline
from service.app import create_app
from service.exports.lake.athena import AthenaEngine
from service.exports.lake.values import encoder
from service.exports.selection.request import request_of
from service.exports.selection.select import select
from service.exports.service import Exports
from tests.bench.pull import peak_mb

TABLE = "local_customers_silver"

Work = Callable[[], int]


def ours(order: dict[str, Any], settings: config.Config) -> Work:
    """Return what exports the table. Some rows are exported before: AWS's library loads its parts when it uses them."""
    app = create_app(settings)
    exports: Exports = app.extensions["exports"]

    def export(rows: int) -> int:
        with app.app_context():
            deadline.start(3600)
            run_id = exports.announce(request_of({"table": TABLE, "limit": rows}), "command")
            result = exports.work(run_id, is_continued=False)
        if result is None or result.status != "SUCCEEDED":
            raise RuntimeError(f"the run ended as {result}")
        return rows

    export(2000)
    return lambda: export(order["rows"])


def floor(order: dict[str, Any], settings: config.Config) -> Work:
    """Return what sends the same bodies, which it makes first."""
    credentials = json.loads(str(settings.exports.api_credentials))
    base, client = credentials["api_base_url"], (credentials["client_id"], credentials["client_secret"])
    granted = requests.post(
        base + credentials["token_endpoint"], {"grant_type": "client_credentials"}, auth=client, timeout=30
    )
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {granted.json()['access_token']}"}
    bodies = _bodies(order, settings)
    run_id = uuid.uuid4()

    def send(numbers: range) -> None:
        with requests.Session() as session:
            session.headers.update(headers)
            for number in numbers:
                key = {"Idempotency-Key": f"{run_id}-{number}"}
                session.post(f"{base}/records", bodies[number], headers=key, timeout=30).raise_for_status()

    def work() -> int:
        threads = settings.exports.concurrency
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(send, (range(first, len(bodies), threads) for first in range(threads))))
        return int(order["rows"])

    return work


def _bodies(order: dict[str, Any], settings: config.Config) -> list[bytes]:
    """Return the bodies that ours sends."""
    engine, query_id = _queried(order, settings)
    table_columns = engine.catalog.columns(TABLE)
    assert table_columns is not None
    encode = encoder(table_columns)
    result = engine.result(query_id)
    rows = [encode(located.row) for located in result.rows()]
    result.close()
    size = settings.exports.batch_size
    total = -(-len(rows) // size)
    return [
        f'{{"batch_number": {number + 1}, "total_batches": {total}, "records": [{", ".join(some)}]}}'.encode()
        for number, some in enumerate(rows[at : at + size] for at in range(0, len(rows), size))
    ]


def _queried(order: dict[str, Any], settings: config.Config) -> tuple[AthenaEngine, str]:
    """Return an engine, and a query over the whole table that has succeeded."""
    from tests.athena.reading import run  # brings DuckDB and moto along, which must not count as ours

    exports = Exports(settings, create_app(settings).extensions["database"])
    engine = exports.engine
    assert isinstance(engine, AthenaEngine)
    table = exports.table(TABLE)
    asked = request_of({"table": TABLE, "limit": order["rows"]})
    statement = select(asked, table, datetime.now(UTC).date(), order["rows"])
    return engine, run(engine, engine.render(table, statement).sql, str(uuid.uuid4()))


def file(order: dict[str, Any], settings: config.Config) -> Work:
    """Return what reads the result's file."""
    from tests.athena.reading import read_file

    engine, query_id = _queried(order, settings)
    return lambda: read_file(engine, query_id).rows


def pages(order: dict[str, Any], settings: config.Config) -> Work:
    """Return what reads the result by pages."""
    import boto3

    from tests.athena.reading import read_pages

    _, query_id = _queried(order, settings)
    client = boto3.client("athena")
    return lambda: read_pages(client, query_id).rows


def main() -> None:
    """Do it once and tell what it took."""
    order = json.loads(sys.argv[1])
    os.environ.update(order["environ"])
    contenders = {"ours": ours, "floor": floor, "file": file, "pages": pages}
    work = contenders[order["name"]](order, config.load())
    started = time.perf_counter()
    rows = work()
    print(json.dumps({"seconds": time.perf_counter() - started, "rows": rows, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
