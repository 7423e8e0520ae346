"""`python -m tests.bench.pull`: one contender pulls all work orders of a stand-in, in a process of its own.

    ours     the service's engine, as the command runs it
    dlt      its peer: the same pages, with the same client library, merged into PostgreSQL by id; `dlt-csv` with COPY
    floor    the rows that ours has stored, from memory: bare COPY into a temporary table, INSERT ... ON CONFLICT

Prints the seconds, and the most memory that the process had, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import psycopg2

KEY = "key-of-default"
COLUMNS = (
    "shop, fullbay_id, work_order_number, customer_id, customer_name, vehicle_info, status, created_at, updated_at,"
    " total_amount, labor_amount, parts_amount, tax_amount, raw_data, content_hash, ingestion_source"
)


def ours(source: str, database: str, page_size: int) -> Callable[[], None]:
    """Return what pulls with the service's engine."""
    from service import config, deadline
    from service.app import create_app
    from service.ingestion.service import get_ingestion

    settings = config.load(
        {
            "DATABASE_URL": database,
            "FULLBAY_API_BASE_URL": source,
            "FULLBAY_API_KEY": KEY,
            "FULLBAY_PAGE_SIZE": str(page_size),
        }
    )

    app = create_app(settings)

    def pull() -> None:
        with app.app_context():
            deadline.start(3600)
            ingestion = get_ingestion()
            (stream,) = ingestion.streams("work-orders")
            result = ingestion.read(stream, {})
        if result is None or result.status != "SUCCESS":
            raise RuntimeError(f"the run ended as {result}")

    return pull


def dlt(source: str, database: str, page_size: int, file_format: str | None = None) -> Callable[[], None]:
    """Return what pulls with dlt, told to keep nested objects as JSON."""
    import dlt as library
    import requests

    def pages() -> Iterator[Any]:
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {KEY}"
        offset = 0
        while True:
            answer = session.get(f"{source}/v1/work-orders", params={"limit": page_size, "offset": offset}, timeout=30)
            answer.raise_for_status()
            found = answer.json()["data"]
            if not found:
                return
            yield found
            offset += len(found)

    def pull() -> None:
        with tempfile.TemporaryDirectory(prefix="headgate-dlt-") as home:
            pipeline = library.pipeline(
                "peer",
                pipelines_dir=home,
                destination=library.destinations.postgres(database),
                dataset_name="peer",
            )
            resource_ = library.resource(
                pages, name="work_orders", primary_key="id", write_disposition="merge", max_table_nesting=0
            )
            pipeline.run(resource_, loader_file_format=file_format)

    return pull


def floor(_: str, database: str, __: int) -> Callable[[], None]:
    """Return what writes the rows that stand in the table, which it reads and removes first."""
    connection = psycopg2.connect(database)
    rows = BytesIO()
    with connection, connection.cursor() as cursor:
        cursor.copy_expert(f"COPY fullbay_work_orders ({COLUMNS}) TO STDOUT", rows)
        cursor.execute("TRUNCATE fullbay_work_orders")

    def pull() -> None:
        rows.seek(0)
        with connection, connection.cursor() as cursor:
            cursor.execute("CREATE TEMP TABLE incoming (LIKE fullbay_work_orders INCLUDING DEFAULTS) ON COMMIT DROP")
            cursor.execute("ALTER TABLE incoming ALTER id DROP NOT NULL")
            cursor.copy_expert(f"COPY incoming ({COLUMNS}) FROM STDIN", rows)
            assignments = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS.split(", "))
            cursor.execute(
                f"INSERT INTO fullbay_work_orders ({COLUMNS}) SELECT {COLUMNS} FROM incoming"
                f" ON CONFLICT (fullbay_id) DO UPDATE SET {assignments}"
            )

    return pull


def main() -> None:
    """Pull once and tell what it took."""
    name, source, database, page_size = sys.argv[1:]
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    contenders: dict[str, Any] = {"ours": ours, "dlt": dlt, "dlt-csv": partial(dlt, file_format="csv"), "floor": floor}
    pull = contenders[name](source, database, int(page_size))
    started = time.perf_counter()
    pull()
    print(json.dumps({"seconds": time.perf_counter() - started, "peak_mb": peak_mb()}))


def peak_mb() -> float:
    """Return the most memory that this program had; getrusage would tell that of the process which began it."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the kernel tells no VmHWM")


if __name__ == "__main__":
    main()
