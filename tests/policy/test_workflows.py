"""Rules of the house that the workflows can be checked for. actionlint and zizmor check the rest (`make check`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
GITHUB = ROOT / ".github"
FILES = sorted((GITHUB / "workflows").glob("*.yml"))
ENVIRONMENTS = {path.name for path in (ROOT / "terraform" / "environments").iterdir()}
TARGETS = set(re.findall("^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
CHANGES_AWS = re.compile("make (infrastructure|publish|release|rollback|teardown)")
PIN = re.compile(r"[a-z-]+/[a-z-]+@[0-9a-f]{40} # v[0-9]+\.[0-9]+\.[0-9]+")
SAME_COMMIT = "$/.github/workflows/deploy.yml"

Workflow = dict[Any, Any]

every_workflow = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


def load(name: str) -> Workflow:
    workflow: Workflow = yaml.safe_load((GITHUB / "workflows" / name).read_text())
    return workflow


def triggers(workflow: Workflow) -> dict[str, Any]:
    found: dict[str, Any] = workflow[True]  # YAML reads the key `on` as a truth value
    return found


def steps(workflow: Workflow) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job.get("steps", [])


def runs(job: dict[str, Any]) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def deploys(workflow: Workflow) -> bool:
    calls = any(job.get("uses") == SAME_COMMIT for job in workflow["jobs"].values())
    return calls or any(CHANGES_AWS.match(step.get("run", "")) for step in steps(workflow))


def test_these_are_all_workflows() -> None:
    assert {path.name for path in FILES} == {
        "ci.yml",
        "deploy.yml",
        "destroy.yml",
        "drift.yml",
        "pr.yml",
        "release.yml",
    }


@every_workflow
def test_rights_are_given_to_jobs_and_to_nothing_else(path: Path) -> None:
    workflow = load(path.name)
    assert workflow["permissions"] == {}
    assert all("permissions" in job for job in workflow["jobs"].values())


@every_workflow
def test_runs_do_not_meet_and_a_deployment_is_never_cut_off(path: Path) -> None:
    workflow = load(path.name)
    assert workflow["concurrency"]["group"]
    assert workflow["concurrency"]["cancel-in-progress"] is (path.name == "ci.yml")
    assert not (deploys(workflow) and workflow["concurrency"]["cancel-in-progress"])


def test_what_deploys_to_an_environment_waits_for_what_takes_it_down() -> None:
    group = load("deploy.yml")["concurrency"]["group"]
    assert group.replace("${{ inputs.environment }}", "dev") == load("destroy.yml")["concurrency"]["group"]
    assert group not in {load("pr.yml")["concurrency"]["group"], load("release.yml")["concurrency"]["group"]}


@every_workflow
def test_actions_are_pinned_to_commits_and_say_their_versions(path: Path) -> None:
    used = re.findall("uses: (.*)", path.read_text())
    assert all(use == SAME_COMMIT or PIN.fullmatch(use) for use in used), used


def test_an_action_has_one_version_everywhere() -> None:
    used = {use for path in FILES for use in re.findall("uses: (.*@.*)", path.read_text())}
    assert len(used) == len({use.partition("@")[0] for use in used}) > 3


@every_workflow
def test_no_credentials_are_left_in_the_checkout(path: Path) -> None:
    for step in steps(load(path.name)):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@every_workflow
def test_every_job_ends(path: Path) -> None:
    for name, job in load(path.name)["jobs"].items():
        assert "uses" in job or job["timeout-minutes"] <= 90, name


@every_workflow
def test_a_step_is_a_target_or_a_script(path: Path) -> None:
    for name, job in load(path.name)["jobs"].items():
        for run in runs(job) if "steps" in job and name != "green" else []:
            target = re.fullmatch("make ([a-z-]+)", run)
            script = re.fullmatch(r"\.github/scripts/[a-z-]+", run)
            assert (target and target[1] in TARGETS) or (script and (ROOT / run).is_file()), run


@every_workflow
def test_no_key_and_no_secret_is_stored_at_github(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"secrets\b|access-key|AWS_ACCESS_KEY_ID|AWS_SECRET", text)
    for job in load(path.name)["jobs"].values():
        for step in job.get("steps", []):
            if step.get("uses", "").startswith("aws-actions/configure-aws-credentials@"):
                assert set(step["with"]) == {"aws-region", "role-to-assume"}
                assert job["permissions"]["id-token"] == "write"
                assert job["environment"]


@every_workflow
def test_code_of_a_fork_gets_no_token_for_aws(path: Path) -> None:
    workflow = load(path.name)
    assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(triggers(workflow))
    if "pull_request" in triggers(workflow):
        for job in workflow["jobs"].values():
            of_this_repository = "github.event.pull_request.head.repo.full_name == github.repository"
            assert "id-token" not in job["permissions"] or job["if"].startswith(of_this_repository)


def test_a_deployment_has_three_phases_in_order() -> None:
    jobs = load("deploy.yml")["jobs"]
    assert list(jobs) == ["plan", "deploy"]
    assert runs(jobs["plan"]) == ["make plan", ".github/scripts/comment"]
    assert jobs["deploy"]["needs"] == "plan"
    assert runs(jobs["deploy"]) == ["make infrastructure", "make publish", "make release", ".github/scripts/comment"]
    by_run = {step.get("run"): step for step in jobs["deploy"]["steps"]}
    assert by_run["make release"]["env"] == {
        "DIGEST": f"${{{{ steps.{by_run['make publish']['id']}.outputs.digest }}}}"
    }
    assert not any("if" in step or "continue-on-error" in step for step in jobs["deploy"]["steps"][:-1])


def test_plans_are_made_by_the_role_that_reads_and_deployments_by_the_one_that_applies() -> None:
    for name, job in [(path.name, job) for path in FILES for job in load(path.name)["jobs"].values()]:
        used = [step for step in job.get("steps", []) if "role-to-assume" in step.get("with", {})]
        for step in used:
            plans = job["environment"] if isinstance(job["environment"], str) else job["environment"]["name"]
            role = "PLAN_ROLE_ARN" if plans.endswith("-plan") else "APPLY_ROLE_ARN"
            assert step["with"]["role-to-assume"] == f"${{{{ vars.{role} }}}}", name
            assert any(CHANGES_AWS.match(run) for run in runs(job)) == (role == "APPLY_ROLE_ARN"), name


def test_a_pull_request_is_deployed_to_dev_and_what_is_merged_to_prod() -> None:
    pull_request, release = load("pr.yml"), load("release.yml")
    assert triggers(pull_request) == {"pull_request": {"branches": ["main"]}}
    assert triggers(release) == {"push": {"branches": ["main"]}}
    (dev,), (prod,) = pull_request["jobs"].values(), release["jobs"].values()
    assert (dev["uses"], dev["with"]["environment"]) == (SAME_COMMIT, "dev")
    assert (prod["uses"], prod["with"]["environment"]) == (SAME_COMMIT, "prod")


def test_every_environment_is_looked_at_each_night() -> None:
    drift = load("drift.yml")
    assert triggers(drift)["schedule"]
    (job,) = drift["jobs"].values()
    assert set(job["strategy"]["matrix"]["environment"]) == ENVIRONMENTS
    assert runs(job) == ["make plan"]
    assert "env" not in job["steps"][-1]  # such as ALLOW_CHANGES


def test_only_dev_is_taken_down_and_only_by_somebody_who_types_its_name() -> None:
    destroy = load("destroy.yml")
    assert set(triggers(destroy)) == {"workflow_dispatch"}
    (job,) = destroy["jobs"].values()
    assert job["environment"] == job["env"]["ENVIRONMENT"] == "dev"
    assert job["steps"][-1]["run"] == "make teardown"
    assert job["steps"][-1]["env"]["CONFIRM"] == "${{ inputs.confirm }}"


@pytest.mark.parametrize("path", sorted((GITHUB / "scripts").iterdir()), ids=lambda path: path.name)
def test_a_script_says_what_it_is_for_and_needs(path: Path) -> None:
    text = path.read_text()
    if path.name == "preamble":
        assert "set -euo pipefail" in text
        return
    assert path.stat().st_mode & 0o111
    if text.startswith("#!/usr/bin/env bash\n"):
        assert text.splitlines()[1].startswith("# ")
        assert 'source "$(dirname "$0")/preamble"\nneeds ' in text
