"""Modules of Terraform, applied to an AWS that is none: what a policy or an alarm is, and not how it is written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.policy.application_plan import planned as planned
from tests.secret_stores import REGION, Moto
from tests.terraform import program
from tests.terraform.conftest import terraform as terraform

ACCOUNT = "123456789012"  # moto's
ENVIRONMENT = "dev"
NAME = f"headgate-{ENVIRONMENT}"
SOURCES = ("work-orders", "invoices")
MAX_AGE_SECONDS = 2 * 24 * 3600  # of what is read from a source

Values = dict[str, Any]
Applied = dict[str, Values]
Apply = Callable[..., Applied]


@pytest.fixture(scope="session")
def apply(terraform: None, moto: Moto, tmp_path_factory: pytest.TempPathFactory) -> Apply:
    """Applies a module, or one resource `only`; returns the values of its resources by their addresses in it.

    `without` is a line of its main.tf that is left out.
    """
    provider = {
        "region": REGION,
        "access_key": "test",
        "secret_key": "test",
        "skip_credentials_validation": True,
        "skip_metadata_api_check": True,
    }

    def run(module: str, only: str | None = None, without: str | None = None, **variables: Any) -> Applied:
        root: Path = tmp_path_factory.mktemp(module)
        source = program.TERRAFORM / "modules" / module
        if without:
            source = shutil.copytree(source, root / "broken")
            lines = (source / "main.tf").read_text().splitlines()
            lines.remove(without)
            (source / "main.tf").write_text("\n".join(lines))
        called = {"provider": {"aws": provider}, "module": {"this": {"source": str(source), **variables}}}
        (root / "main.tf.json").write_text(json.dumps(called))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_ENDPOINT_URL", moto.url)
            program.worked(root, "init", "-no-color")
            target = [f"-target=module.this.{only}"] if only else []
            program.worked(root, "apply", "-auto-approve", "-no-color", *target)
        state = json.loads(program.worked(root, "show", "-json"))
        (module_state,) = state["values"]["root_module"]["child_modules"]
        return {one["address"].removeprefix("module.this."): one["values"] for one in module_state["resources"]}

    return run


@pytest.fixture(scope="session")
def apply_permissions(apply: Apply) -> Apply:
    """Applies the permissions of an installation, with names that foundation would give."""
    here = f"{REGION}:{ACCOUNT}"
    return partial(
        apply,
        "permissions",
        name=NAME,
        log_group_name=f"/aws/lambda/{NAME}",
        network={"subnet_ids": ["subnet-a", "subnet-b"], "security_group_ids": ["sg-a"]},
        database={"connect_resource_id": "cluster-ABC", "users": ["headgate", "headgate_migrate"]},
        queues={
            "jobs_arn": f"arn:aws:sqs:{here}:{NAME}-jobs",
            "undelivered_arn": f"arn:aws:sqs:{here}:{NAME}-undelivered",
        },
        secrets={
            "shared_arn": f"arn:aws:secretsmanager:{here}:secret:{NAME}-AbCdEf",
            "partner_arn": f"arn:aws:secretsmanager:{here}:secret:dev/api/credentials-AbCdEf",
        },
        lake={
            "workgroup_arn": f"arn:aws:athena:{here}:workgroup/{NAME}",
            "database_name": "headgate_dev",
            "bucket_arn": f"arn:aws:s3:::{NAME}-lake-{ACCOUNT}",
            "results_bucket_arn": f"arn:aws:s3:::{NAME}-results-{ACCOUNT}",
        },
    )


@pytest.fixture(scope="session")
def permissions(apply_permissions: Apply) -> Applied:
    return apply_permissions()


@pytest.fixture(scope="session")
def observability(apply: Apply) -> Applied:
    """What watches an installation that has everything: schedules, and a proxy."""
    return apply(
        "observability",
        name=NAME,
        environment=ENVIRONMENT,
        function={"name": NAME, "timeout_seconds": 300},
        api={"id": "abc123", "stage": ENVIRONMENT},
        queues={name: f"{NAME}-{name.replace('_', '-')}" for name in ("jobs", "dead_letters", "undelivered")},
        database={"cluster_identifier": NAME, "min_capacity": 0.5, "max_capacity": 8, "proxy_name": NAME},
        freshness={
            source: {"source": source, "resource": source, "max_age_seconds": MAX_AGE_SECONDS} for source in SOURCES
        },
        alert_emails=["ops@example.com"],
    )


@pytest.fixture(scope="session")
def alarms(observability: Applied) -> Applied:
    """Every alarm by what it is about."""
    found = [values for values in observability.values() if "alarm_name" in values]
    return {values["alarm_name"].removeprefix(f"{NAME}-"): values for values in found}
