"""What the image does on AWS Lambda beyond answering requests."""

from __future__ import annotations

from typing import Any

import pytest

from service.database.schema import shipped
from tests.docker.conftest import Stack

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]


def test_the_function_migrates_its_database(stack: Stack, first_migration: Any) -> None:
    assert first_migration == {"applied": shipped()}
    assert stack.invoke({"command": "migrate"}) == {"applied": []}


@pytest.mark.parametrize(
    ("event", "keys"),
    [({"command": "drop"}, "command"), ({"what": 1, "is": 2}, "is, what"), ({}, "(none)")],
    ids=["unknown command", "unknown shape", "empty"],
)
def test_an_unknown_event_is_an_error_that_names_its_keys(stack: Stack, event: Any, keys: str) -> None:
    answer = stack.invoke(event)
    assert answer["errorType"] == "UnknownEvent"
    assert answer["errorMessage"] == f"No handler for an event with the keys {keys}"


def test_the_function_survives_an_event_that_it_refused(stack: Stack) -> None:
    assert "errorType" in stack.invoke({"what": 1})
    assert stack.invoke({"command": "migrate"}) == {"applied": []}
