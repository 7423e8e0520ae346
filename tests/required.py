"""What some tests need of the machine: skipped where it lacks it, unless that is required of it."""

from __future__ import annotations

import os

import pytest


def skip_without(what: str, reason: str | None) -> None:
    """Skip for a reason, where there is one; with REQUIRE_<WHAT>=1 it is a failure."""
    if reason and os.environ.get(f"REQUIRE_{what}") == "1":
        pytest.fail(f"REQUIRE_{what}=1, but {reason}", pytrace=False)
    if reason:
        pytest.skip(reason)
