"""What a plan says, and how it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.scripts.conftest import Surroundings


def change(address: str, *actions: str) -> dict[str, Any]:
    return {"address": address, "change": {"actions": list(actions)}}


@pytest.fixture
def summary(surroundings: Surroundings, tmp_path: Path) -> Path:
    surroundings.change(application={"image_digest": "sha256:1", "live_version": "6"})
    surroundings.environ["SUMMARY"] = str(tmp_path / "plan.md")
    return tmp_path / "plan.md"


def test_nothing_to_do_is_said_and_no_error(surroundings: Surroundings, summary: Path) -> None:
    assert surroundings.run("plan").returncode == 0
    assert summary.read_text() == "### Plan of dev\n\n**foundation**: no changes\n\n**application**: no changes\n\n"


def test_it_locks_nothing_and_keeps_the_version_that_serves(surroundings: Surroundings, summary: Path) -> None:
    surroundings.run("plan")
    foundation, application = surroundings.state["calls"]
    assert "-lock=false" in foundation
    assert "-lock=false" in application
    assert application.endswith("-var image_digest=sha256:1 -var live_version=6")


def test_changes_are_counted_and_named(surroundings: Surroundings, summary: Path) -> None:
    resources = [
        change("module.network.aws_vpc.this", "no-op"),
        change("module.lake.aws_s3_bucket.this", "create"),
        change('module.lake.aws_s3_object.this["a"]', "create"),
        change("module.database.aws_rds_cluster.this", "update"),
        change("module.registry.aws_ecr_repository.this", "delete", "create"),
        change("module.queues.aws_sqs_queue.jobs", "delete"),
    ]
    surroundings.change(plans={"foundation": {"resource_changes": resources}})
    assert surroundings.run("plan").returncode == 2
    assert "**foundation**: 1 to change, 2 to create, 1 to delete, 1 to replace\n" in summary.read_text()
    assert "replace module.registry.aws_ecr_repository.this\n" in summary.read_text()
    assert "aws_vpc" not in summary.read_text()
    assert surroundings.run("plan", ALLOW_CHANGES="true").returncode == 0


def test_a_plan_of_outputs_alone_is_a_change(surroundings: Surroundings, summary: Path) -> None:
    surroundings.change(plans={"application": {}})
    assert surroundings.run("plan").returncode == 2
    assert "**application**: only outputs" in summary.read_text()


def test_an_application_that_was_never_released_is_not_planned(surroundings: Surroundings, summary: Path) -> None:
    surroundings.change(application={})
    assert surroundings.run("plan").returncode == 0
    assert "**application**: not released yet" in summary.read_text()


def test_github_is_told(surroundings: Surroundings, summary: Path, tmp_path: Path) -> None:
    files = {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary"), "GITHUB_OUTPUT": str(tmp_path / "output")}
    surroundings.run("plan", GITHUB_ACTIONS="true", **files)
    assert (tmp_path / "summary").read_text() == summary.read_text()
    begin, *lines, end = (tmp_path / "output").read_text().splitlines()
    assert begin == f"summary<<{end}"
    assert "**foundation**: no changes" in lines
