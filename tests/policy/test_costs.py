"""The table of terraform/README.md: what the variables say, and every variable in it."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.policy.application_plan import Plan
from tests.terraform.program import ROOTS, TERRAFORM
from tests.terraform.test_modules import blocks

spec = importlib.util.spec_from_file_location("costs", TERRAFORM / "costs.py")
assert spec is not None
assert spec.loader is not None
costs: Any = importlib.util.module_from_spec(spec)
spec.loader.exec_module(costs)


def test_the_table_is_the_one_that_the_variables_make() -> None:
    assert costs.README.read_text() == costs.written(), "run `make costs`, and commit what it writes"
    assert costs.table() in costs.README.read_text()


def test_what_is_on_costs_and_what_is_off_does_not() -> None:
    dev, prod = ({line.what: line.dollars for line in costs.lines(name)} for name in ("dev", "prod"))
    for what in ("RDS Proxy", "NAT gateways with their addresses", "Provisioned concurrency"):
        assert dev[what] == 0 < prod[what]
    assert dev["Aurora, at its least capacity (0: it pauses)"] == 0
    assert sum(dev.values()) < 35


@pytest.mark.parametrize("environment", costs.ENVIRONMENTS)
def test_alarms_are_counted(planned: Callable[[str], Plan], environment: str) -> None:
    alarms = planned(environment).of_type("aws_cloudwatch_metric_alarm")
    assert len(alarms) == costs.ALARMS[environment]


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: root.name)
def test_the_readme_says_what_each_variable_changes(root: Any) -> None:
    named = set(re.findall(r"`(\w+)`", costs.README.read_text()))
    assert set(blocks(root, "variable")) <= named
