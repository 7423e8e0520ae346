"""No request outlives its deadline, nor the Lambda invocation that carries it."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import psycopg2
import pytest

from service import deadline, lambda_handler
from tests.events.samples import an_event
from tests.transports import LambdaClient


@pytest.fixture
def locked(environment: dict[str, str]) -> Any:
    """The table of events, locked by somebody else."""
    connection = psycopg2.connect(environment["DATABASE_URL"])
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE business_events")
    yield
    connection.close()


@pytest.mark.parametrize(("left", "most"), [(1500, 1.3), (60_000, 5.0)], ids=["a short invocation", "a long one"])
def test_a_request_that_cannot_be_answered_ends_before_its_invocation(
    handler: Any, token: str, locked: Any, left: int, most: float
) -> None:
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: left)
    started = time.monotonic()
    answer = LambdaClient(lambda event: lambda_handler.handler(event, context), token).post(
        "/api/v1/events", json=an_event()
    )
    assert (answer.status, answer.headers["retry-after"]) == (503, "60")
    assert time.monotonic() - started < most


def test_a_request_takes_its_deadline_with_it(handler: Any, token: str) -> None:
    assert LambdaClient(handler, token).post("/api/v1/events", json=an_event()).status == 200
    assert deadline.remaining() > deadline.UNSET_SECONDS - 1
