"""An environment is taken down as a whole, by somebody who means it, and never where it is protected."""

from __future__ import annotations

import pytest

from tests.scripts.conftest import Surroundings

SERVED = "s3://states/headgate/dev/served"


@pytest.fixture(autouse=True)
def deployed(surroundings: Surroundings) -> None:
    surroundings.change(
        application={"image_digest": "sha256:1"},
        foundation={"database": {"cluster_identifier": "headgate-dev"}},
        objects={SERVED: "1\n"},
        addresses=[
            "data.aws_partition.current",
            "module.database.aws_rds_cluster.this",
            "module.database.aws_rds_cluster_instance.this[0]",
            "module.network.data.aws_region.current",
            'module.pipeline.aws_iam_role.this["apply"]',
        ],
    )


def test_the_application_goes_first_and_the_foundation_after_it(surroundings: Surroundings) -> None:
    done = surroundings.run("teardown", CONFIRM="dev")
    assert done.returncode == 0, done.stderr
    assert surroundings.state["calls"] == ["destroy application ", "destroy foundation "]
    assert surroundings.state["objects"] == {}


def test_the_roles_of_the_workflows_can_stay(surroundings: Surroundings) -> None:
    assert surroundings.run("teardown", CONFIRM="dev", KEEP_PIPELINE="true").returncode == 0
    assert surroundings.state["calls"][-1] == "destroy foundation -target=module.database -target=module.network"


@pytest.mark.parametrize("typed", ["", "prod", "yes", "de"])
def test_it_takes_the_name_of_the_environment(surroundings: Surroundings, typed: str) -> None:
    assert surroundings.run("teardown", CONFIRM=typed).returncode == 1
    assert surroundings.state["calls"] == []


def test_what_is_protected_stays_whole(surroundings: Surroundings) -> None:
    surroundings.change(is_protected=True)
    done = surroundings.run("teardown", CONFIRM="dev")
    assert done.returncode == 1
    assert "teardown: deletion protection is on: " in done.stderr
    assert surroundings.state["calls"] == []
