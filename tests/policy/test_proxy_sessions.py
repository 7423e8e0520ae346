"""Sessions behind RDS Proxy, which refuses what the service would say at their start, begin with the same settings."""

from __future__ import annotations

import re

from service.database.connection import session_settings
from tests.terraform.program import TERRAFORM

SECONDS = 10  # the deadline in the module's own test, which plans what is expected here


def test_the_proxy_says_what_the_service_would() -> None:
    test = (TERRAFORM / "modules" / "database" / "database.tftest.hcl").read_text()
    assert f"deadline_seconds = {SECONDS}" in test
    assert dict(re.findall(r'"SET (\w+) = \'(\w+)\'"', test)) == session_settings(SECONDS)
