"""The image reads a source: as the Lambda function, on a schedule's event and on messages, and as Compose's worker."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.docker import engine
from tests.docker.conftest import Stack
from tests.fullbay import Fullbay
from tests.ingestion.function import SCHEDULED, record
from tests.ingestion.model import assert_invoices_equal, assert_table_equals
from tests.postgres import free_port

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

KEY = "marker-key-in-docker"
PORT = 8099
SIZES = {"work_orders": 300, "customers": 40, "parts": 0, "invoices": 30, "invoice_days": 5}


@pytest.fixture(scope="module")
def fullbay() -> Iterator[Fullbay]:
    """What the stand-in of `run` serves: its twin, to compare with."""
    with Fullbay(shops={"default": KEY}, **SIZES) as fullbay:
        yield fullbay


@pytest.fixture
def run(stack: Stack) -> Callable[..., Any]:
    """Runs a container of a service of Compose beside the others, with a Fullbay on its loopback: `run("worker")`."""
    url = f"http://127.0.0.1:{PORT}"
    environ = {
        "FULLBAY_API_BASE_URL": url,
        "FULLBAY_APP_BASE_URL": url,
        "FULLBAY_SERVER_IP": "127.0.0.1",
        "FULLBAY_API_KEY": KEY,
        "FULLBAY_PAUSE_MS": "0",
    }
    sizes = [word for name, size in SIZES.items() for word in (f"--{name.replace('_', '-')}", str(size))]
    serve = ["tests.fullbay", "--port", str(PORT), "--shop", f"default={KEY}", *sizes]

    @contextmanager
    def start(service: str, *options: str) -> Iterator[str]:
        with stack.run(service, *options, environ=environ, companion=serve) as name:
            try:
                yield name
            finally:
                assert KEY not in engine.logs(name)

    return start


def test_the_function_reads_a_source(run: Any, database: Any, fullbay: Fullbay, first_migration: Any) -> None:
    port = free_port()
    emulated = database("emulated")
    with run("emulator", f"--publish 127.0.0.1:{port}:8080"):
        engine.wait_for_function(port)
        assert engine.invoke(port, SCHEDULED)["status"] == "SUCCESS"
        assert_table_equals(fullbay, emulated.sql)
        messages = [{"job": "nothing"}, {"job": "ingest", "source": "work-orders", "resource": "customers"}]
        records = [record(f"message-{at}", json.dumps(body)) for at, body in enumerate(messages)]
        assert engine.invoke(port, {"Records": records}) == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}
        assert_table_equals(fullbay, emulated.sql, "customers")
        assert engine.invoke(port, SCHEDULED)["status"] == "SUCCESS"
    runs = emulated.sql("SELECT resource, status, legs, records_inserted FROM ingestion_metadata ORDER BY start_time")
    assert runs == [
        ("work-orders", "SUCCESS", 1, 300),
        ("customers", "SUCCESS", 1, 40),
        ("work-orders", "SUCCESS", 1, 0),
    ]


def test_the_worker_reads_every_source_by_itself(
    run: Any, database: Any, fullbay: Fullbay, no_other_worker: None
) -> None:
    installation = database("headgate")
    ended = "SELECT source FROM ingestion_metadata WHERE status = 'SUCCESS' ORDER BY source"
    with run("worker"):
        engine.wait_for(
            lambda: installation.sql(ended) == [("invoices",), ("work-orders",)], "both sources are read", 90
        )
    assert_table_equals(fullbay, installation.sql)
    assert_invoices_equal(fullbay, installation.sql)
    assert installation.sql("SELECT * FROM jobs") == []
