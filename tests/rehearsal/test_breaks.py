"""What must turn a rehearsal red: parts of the deployment are taken out, and the right step sees it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.rehearsal import aws_cli, steps
from tests.rehearsal.checkout import Checkout
from tests.rehearsal.cloud import Cloud
from tests.rehearsal.environment import Environment
from tests.rehearsal.lanes import Lanes
from tests.rehearsal.report import Report
from tests.rehearsal.shell import Shell
from tests.terraform.conftest import terraform as terraform

pytestmark = [pytest.mark.docker, pytest.mark.terraform, pytest.mark.slow, pytest.mark.timeout(1500)]

RELEASE = ".github/scripts/release"


def rehearse(environment: Environment, *names: str) -> tuple[str, str] | None:
    """Do steps; return the name of the one that has failed, and why. None where all have worked."""
    wanted = [step for step in steps.STEPS if step.name in names]
    assert len(wanted) == len(names)
    lanes = Lanes({environment.name: environment}, Report(names), threading.Event())
    lanes.run(wanted)
    if lanes.failure is None:
        return None
    step, failed = lanes.failure
    return step.name, "\n".join([str(failed), *failed.details])


@pytest.fixture(scope="module")
def released(terraform: None, cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The environment dev, released."""
    folder = tmp_path_factory.mktemp("rehearsal")
    checkout = Checkout(folder / "dev")
    variables = {**cloud.environment(), "PATH": aws_cli.path(), "TMPDIR": str(folder)}
    (folder / "logs").mkdir()
    environment = Environment("dev", cloud, checkout, Shell(checkout.path, variables, folder / "logs"))
    failure = rehearse(environment, "bootstrap", "dev-infrastructure", "dev-publish", "dev-release")
    assert failure is None, failure
    return environment


@pytest.fixture
def environment(released: Environment) -> Iterator[Environment]:
    """The same, whose clone is put in order after the test."""
    url, digest, commit = released.url, released.digest, released.checkout.commit_id()
    yield released
    released.checkout.discard()
    released.checkout.switch_to(commit)
    released.url, released.digest = url, digest


def test_a_release_that_does_not_migrate_is_seen(environment: Environment) -> None:
    environment.checkout.edit(RELEASE, r"^migrate$", ":")
    step, why = rehearse(environment, "dev-second") or ("", "")
    assert step == "dev-second"
    assert "missingMigrations" in why


def test_a_release_without_its_smoke_test_is_seen(environment: Environment) -> None:
    environment.checkout.edit(RELEASE, r'^"\$scripts/smoke"$', ":")
    step, why = rehearse(environment, "dev-broken") or ("", "")
    assert step == "dev-broken"
    assert "make release: ended with 0, not with 1" in why.replace("--no-print-directory ", "")


def test_a_route_that_is_missing_is_seen(environment: Environment) -> None:
    environment.checkout.edit("terraform/application/routes.auto.tfvars.json", r'^    "GET /ready": \{[^}]*\},$', "")
    step, why = rehearse(environment, "dev-release") or ("", "")
    assert step == "dev-release"
    assert "/ready answered 404" in why


def test_a_gateway_that_may_not_call_the_function_is_seen(environment: Environment) -> None:
    environment.checkout.edit("terraform/modules/api/main.tf", "apigateway.amazonaws.com", "events.amazonaws.com")
    step, why = rehearse(environment, "dev-release") or ("", "")
    assert step == "dev-release"
    assert "/health answered 500" in why


def test_a_second_release_that_deletes_is_seen(environment: Environment) -> None:
    environment.checkout.edit(
        "terraform/modules/api/main.tf", 'aws_lambda_permission" "api"', 'aws_lambda_permission" "gateway"'
    )
    step, why = rehearse(environment, "dev-second") or ("", "")
    assert step == "dev-second"
    assert "the plans of a second release delete nothing" in why
