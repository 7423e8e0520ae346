"""An emulator for each module, asked as boto3 asks Athena."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.athena import Athena
from tests.athena.emulator import WORKGROUP


@pytest.fixture(scope="module")
def server() -> Iterator[Athena]:
    with Athena() as it:
        yield it


@pytest.fixture
def athena(server: Athena, monkeypatch: pytest.MonkeyPatch) -> Athena:
    return server.lead(monkeypatch)


@pytest.fixture
def client(athena: Athena) -> Iterator[Any]:
    """A client like everybody's, but for retries."""
    once = Config(retries={"total_max_attempts": 1}, read_timeout=5)
    found = boto3.client("athena", config=once)
    yield found
    found.close()


@pytest.fixture
def start(athena: Athena, client: Any) -> Callable[..., str]:
    """Starts a query and returns its id: `start("SELECT 1", ExecutionParameters=["1"])`."""

    def begin(sql: str, **arguments: Any) -> str:
        usual = {
            "ClientRequestToken": uuid.uuid4().hex,
            "WorkGroup": WORKGROUP,
            "QueryExecutionContext": {"Database": athena.database},
            "ResultConfiguration": {"OutputLocation": f"s3://{athena.bucket}/results/"},
        }
        return str(client.start_query_execution(QueryString=sql, **usual | arguments)["QueryExecutionId"])

    return begin


@pytest.fixture
def end(client: Any) -> Callable[[str], dict[str, Any]]:
    """Waits for the end of a query and returns it."""

    def wait(query_id: str) -> dict[str, Any]:
        expires_at = time.monotonic() + 10
        while time.monotonic() < expires_at:
            found = client.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
            if found["Status"]["State"] not in ("QUEUED", "RUNNING"):
                return dict(found)
            time.sleep(0.005)
        raise TimeoutError(query_id)

    return wait


@pytest.fixture
def rows(client: Any, start: Callable[..., str], end: Any) -> Callable[..., list[list[str | None]]]:
    """Runs a query and returns its rows without the header."""

    def run(sql: str, **arguments: Any) -> list[list[str | None]]:
        query_id = start(sql, **arguments)
        found = end(query_id)
        assert found["Status"]["State"] == "SUCCEEDED", found["Status"]
        result = client.get_query_results(QueryExecutionId=query_id)["ResultSet"]["Rows"]
        return [[datum.get("VarCharValue") for datum in row["Data"]] for row in result[1:]]

    return run
