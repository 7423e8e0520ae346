"""What Terraform would make of the application: its real plan, on a foundation that is told.

AWS is moto, where the foundation's state lies as Terraform leaves it. Nothing is made.
"""

from __future__ import annotations

import json
import re
import shutil
import uuid
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest

from service import config
from tests.policy.test_configuration_document import rows
from tests.secret_stores import REGION, Moto, lead_to
from tests.terraform import program

ACCOUNT = "123456789012"  # moto's
DIGEST = f"sha256:{'1' * 64}"
EVERYTHING = "all"  # an environment that is nobody's: with each setting, a domain and web origins
LAMBDA = {  # set by Lambda itself
    "AWS_LAMBDA_FUNCTION_NAME": "headgate",
    "AWS_LAMBDA_FUNCTION_VERSION": "1",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
    "AWS_EXECUTION_ENV": "AWS_Lambda_Image",
    "AWS_REGION": REGION,
}

_ADDRESSES = {"none": 0, "single": 1, "per_zone": 3}

Values = dict[str, Any]


class Plan(NamedTuple):
    """The resources that would be made, by their addresses."""

    resources: dict[str, Values]

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the function would have."""
        (environment,) = self.resources["module.function.aws_lambda_function.this"]["environment"]
        found: dict[str, str] = environment["variables"]
        return found

    @property
    def config(self) -> config.Config:
        """What the service would read on Lambda. Raises `ConfigError` where it would not start."""
        return config.load(self.environment | LAMBDA)

    def of_type(self, kind: str) -> dict[str, Values]:
        """Return the resources of a type by what `for_each` calls them, or by their addresses."""
        found = {address: values for address, values in self.resources.items() if f".{kind}." in address}
        return {re.sub(r'^.*\["(.*)"\]$', r"\1", address): values for address, values in found.items()}


Planned = Callable[[str], Plan]


def foundation_of(environment: str, nat: str) -> dict[str, Values]:
    """Return what the foundation of an environment would have for outputs."""
    name, here = f"headgate-{environment}", f"{REGION}:{ACCOUNT}"
    pool = f"{REGION}_AbCdEfGhI"
    queues = {key: f"{name}-{key.replace('_', '-')}" for key in ("jobs", "dead_letters", "undelivered")}
    return {
        "network": {
            "private_subnet_ids": ["subnet-a", "subnet-b"],
            "function_security_group_id": "sg-a",
            "nat_addresses": [f"203.0.113.{number + 1}" for number in range(_ADDRESSES[nat])],
        },
        "registry": {"repository_url": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{name}"},
        "database": {
            "endpoint": f"{name}.cluster-c1.{REGION}.rds.amazonaws.com",
            "port": 5432,
            "name": "headgate",
            "app_user": "headgate",
            "migration_user": "headgate_migrate",
            "connect_resource_id": "cluster-ABC",
            "cluster_identifier": name,
            "min_capacity": 0,
            "max_capacity": 2,
            "deadline_seconds": 4.5,
            "proxy_name": None,
        },
        "identity": {
            "user_pool_id": pool,
            "user_client_id": "users",
            "issuer": f"https://cognito-idp.{REGION}.amazonaws.com/{pool}",
            "partner_client_ids": {"acme": "partner"},
            "smoke_client_id": "smoke",
            "client_ids": ["users", "partner", "smoke"],
            "token_url": f"https://{name}.auth.{REGION}.amazoncognito.com/oauth2/token",
            "scope_prefix": "headgate/",
        },
        "lake": {
            "workgroup": name,
            "workgroup_arn": f"arn:aws:athena:{here}:workgroup/{name}",
            "database_name": name.replace("-", "_"),
            "bucket": f"{name}-lake",
            "bucket_arn": f"arn:aws:s3:::{name}-lake",
            "results_bucket": f"{name}-results",
            "results_bucket_arn": f"arn:aws:s3:::{name}-results",
        },
        "queues": {
            key: {
                "url": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{queue}",
                "arn": f"arn:aws:sqs:{here}:{queue}",
                "name": queue,
                **({"visibility_timeout_seconds": 1800} if key == "jobs" else {}),
            }
            for key, queue in queues.items()
        },
        "secrets": {
            "shared": {"arn": f"arn:aws:secretsmanager:{here}:secret:{name}-AbCdEf", "name": name},
            "partner": {
                "arn": f"arn:aws:secretsmanager:{here}:secret:{environment}/api/credentials-AbCdEf",
                "name": f"{environment}/api/credentials",
            },
        },
        "pipeline": {"permissions_boundary_arn": f"arn:aws:iam::{ACCOUNT}:policy/{name}-boundary"},
    }


def settings_of_the_document() -> Values:
    """Return a value for every attribute of the variable `settings`: the example of docs/configuration.md."""
    names = re.findall(r"^    (\w+)\s+= optional\(", block_of("settings"), re.MULTILINE)
    examples = {row["name"].lower(): row["example"].strip(" `") for row in rows()}
    settings: Values = {name: examples[name] for name in names}
    settings["fullbay_ip_services"] = settings["fullbay_ip_services"].split()
    settings["export_tables"] = json.loads(settings["export_tables"])
    stand_ins = ("fullbay_api_base_url", "fullbay_app_base_url")  # on a laptop; the function cannot reach any
    return settings | dict.fromkeys(stand_ins, "https://fullbay.example.com")


def block_of(variable: str) -> str:
    """Return how a variable of the application is written."""
    text = (program.TERRAFORM / "application" / "variables.tf").read_text()
    return text.split(f'variable "{variable}" {{\n')[1].split("\n}\n")[0]


@pytest.fixture(scope="session")
def planned(terraform: None, moto: Moto, tmp_path_factory: pytest.TempPathFactory) -> Planned:
    """Gives the plan of an environment, or of `EVERYTHING`. Each is made once."""
    copy: Path = tmp_path_factory.mktemp("application") / "terraform"
    shutil.copytree(program.TERRAFORM, copy, ignore=shutil.ignore_patterns(".terraform"))
    root, bucket = copy / "application", f"state-{uuid.uuid4()}"

    def prepare() -> None:
        boto3.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        told = {"bucket": bucket, "key": "application.tfstate", "region": REGION}
        program.worked(root, "init", "-no-color", *(f"-backend-config={key}={value}" for key, value in told.items()))

    def plan(environment: str) -> Plan:
        values, nat = _values_of(environment, copy)
        state = json.dumps(_state(foundation_of(environment, nat)))
        boto3.client("s3").put_object(Bucket=bucket, Key=f"headgate/{environment}/foundation.tfstate", Body=state)
        told = {"environment": environment, "region": REGION, "state_bucket": bucket, "image_digest": DIGEST}
        variables = [f"-var={name}={value}" for name, value in told.items()]
        program.worked(root, "plan", "-no-color", "-lock=false", f"-var-file={values}", "-out=made", *variables)
        made = json.loads(program.worked(root, "show", "-json", "made"))
        modules = made["planned_values"]["root_module"]["child_modules"]
        resources = [one for module in modules for one in module["resources"]]
        return Plan({one["address"]: one.get("values", {}) for one in resources})  # none: known after apply

    @cache
    def give(environment: str) -> Plan:
        with pytest.MonkeyPatch.context() as patch:
            lead_to(moto.url, patch)
            if not (root / ".terraform").exists():
                prepare()
            return plan(environment)

    return give


def _values_of(environment: str, copy: Path) -> tuple[Path, str]:
    """Return the file with an environment's values, and the NAT of its foundation."""
    if environment != EVERYTHING:
        folder = copy / "environments" / environment
        (nat,) = re.findall(r'^  nat\s+= "(\w+)"$', (folder / "foundation.tfvars").read_text(), re.MULTILINE)
        return folder / "application.tfvars", nat
    certificate = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/1"
    values = {
        "settings": settings_of_the_document(),
        "cors_origins": ["https://app.example.com"],
        "domain": {"name": "api.example.com", "certificate_arn": certificate, "base_path": "headgate"},
    }
    path = copy / "everything.tfvars.json"
    path.write_text(json.dumps(values))
    return path, "single"


def _state(outputs: dict[str, Values]) -> Values:
    told = {name: {"value": value, "type": _type(value)} for name, value in outputs.items()}
    return {"version": 4, "terraform_version": "1.11.0", "serial": 1, "lineage": "", "outputs": told, "resources": []}


def _type(value: Any) -> Any:
    """Return the type of a value, as states write it."""
    if isinstance(value, dict):
        return ["object", {name: _type(each) for name, each in value.items()}]
    if isinstance(value, list):
        return ["tuple", [_type(each) for each in value]]
    if value is None:
        return "dynamic"
    return "string" if isinstance(value, str) else "number"
