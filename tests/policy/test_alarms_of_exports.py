"""The alarms of exports go off on what an export to a partner that refuses it prints, and end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.exports.house import House
from tests.exports.test_lambda import _house as _house
from tests.exports.test_lambda import as_function as as_function
from tests.exports.test_lambda import athena as athena
from tests.exports.test_lambda import house as house
from tests.exports.test_lambda import queue as queue
from tests.exports.test_lambda import scheduled
from tests.exports.test_lambda import stage as stage
from tests.metrics.conftest import fresh as fresh
from tests.partner import Fault
from tests.policy.conftest import ENVIRONMENT
from tests.policy.watching import Watch
from tests.policy.watching import watch as watch


@pytest.fixture
def invoke(as_function: Any, stage: str) -> Callable[[Any], Any]:
    function = as_function(ENVIRONMENT=ENVIRONMENT, API_SECRET_NAME=f"{stage}/api/credentials")
    invoke: Callable[[Any], Any] = function.invoke
    return invoke


def test_rows_that_the_partner_refuses_are_rejects(
    watch: Watch, house: House, invoke: Callable[[Any], Any], stage: str
) -> None:
    watched = watch("export-rejects")
    assert watched.invoke(invoke, scheduled(stage, limit=20))["status"] == "SUCCEEDED"
    assert watched.state == "OK"
    house.renew(lambda row: "it is unknown" if row["customer_id"].endswith("3") else None)
    assert watched.invoke(invoke, scheduled(stage, limit=20))["status"] == "PARTIAL"
    assert watched.state == "ALARM"
    watched.forget()
    assert watched.state == "OK"


def test_exports_that_fail_again_and_again_are_failures(
    watch: Watch, house: House, invoke: Callable[[Any], Any], stage: str
) -> None:
    watched = watch("export-failures")
    house.partner.faults = [Fault("status", status=404)]
    for attempt in range(1, 4):
        assert isinstance(watched.invoke(invoke, scheduled(stage, limit=20)), Exception)
        assert watched.state == ("ALARM" if attempt == 3 else "OK")
    house.partner.faults = []
    watched.forget()
    assert watched.invoke(invoke, scheduled(stage, limit=20))["status"] == "SUCCEEDED"
    assert watched.state == "OK"
