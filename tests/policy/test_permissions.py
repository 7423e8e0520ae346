"""Least privilege, both ways: what a role may do is what somebody does with it, and what the code does it may do.

The policies are those that IAM is given. What the code does is read from its source; `tests/aws_calls.py` compares the
table with the calls that it makes while tests run.
"""

from __future__ import annotations

import ast
import json
from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, NamedTuple

import boto3
import botocore.session
import pytest
from botocore import xform_name

from service.secrets_manager import SecretsManager
from tests import aws_calls
from tests.aws_calls import ACTIONS, differences
from tests.policy.conftest import ACCOUNT, NAME, Applied, Apply, Values
from tests.secret_stores import Moto
from tests.transports import ROOT

LAMBDA, ATHENA = "Lambda", "Athena"  # who uses the role beside the code


class Use(NamedTuple):
    """What an action is needed for. `by` is the module whose code asks for it, or the service of AWS that does."""

    sid: str
    action: str
    by: str
    why: str


FUNCTION = [
    Use("WriteLogs", "logs:CreateLogStream", LAMBDA, "one stream for each running instance"),
    Use("WriteLogs", "logs:PutLogEvents", LAMBDA, "what the code prints: its log and its metrics"),
    Use(
        "SendTraces", "xray:PutTraceSegments", LAMBDA, "its daemon sends the segments, service/tracing.py's among them"
    ),
    Use("SendTraces", "xray:PutTelemetryRecords", LAMBDA, "the daemon's own counts"),
    Use("MakeNetworkInterfaces", "ec2:CreateNetworkInterface", LAMBDA, "the way into the VPC"),
    Use("KeepNetworkInterfaces", "ec2:AssignPrivateIpAddresses", LAMBDA, "addresses on them"),
    Use("KeepNetworkInterfaces", "ec2:UnassignPrivateIpAddresses", LAMBDA, "addresses on them"),
    Use("KeepNetworkInterfaces", "ec2:DeleteNetworkInterface", LAMBDA, "those of former configurations"),
    Use("FindNetworkInterfaces", "ec2:DescribeNetworkInterfaces", LAMBDA, "whether they are ready"),
    Use("FindNetworkInterfaces", "ec2:DescribeSubnets", LAMBDA, "where they go"),
    Use("SignInToDatabase", "rds-db:connect", "service/database/connection.py", "a token instead of a password"),
    Use("ReadSecrets", "secretsmanager:GetSecretValue", "service/secrets_manager.py", "keys of Fullbay, the partner's"),
    Use("PutJobs", "sqs:SendMessage", "service/jobs/sqs_queue.py", "jobs and their continuations"),
    Use("TakeJobs", "sqs:ReceiveMessage", LAMBDA, "its poller reads the queue"),
    Use("TakeJobs", "sqs:DeleteMessage", LAMBDA, "its poller deletes what has worked"),
    Use("TakeJobs", "sqs:GetQueueAttributes", LAMBDA, "its poller looks how much waits"),
    Use("KeepFailedInvocations", "sqs:SendMessage", LAMBDA, "asynchronous invocations after their last attempt"),
    Use("RunQueries", "athena:StartQueryExecution", "service/exports/lake/athena.py", "the query of an export"),
    Use(
        "RunQueries", "athena:GetQueryExecution", "service/exports/lake/athena.py", "how it is, and where its result is"
    ),
    Use("RunQueries", "athena:GetQueryResults", "service/exports/lake/athena.py", "results of one page"),
    Use("RunQueries", "athena:StopQueryExecution", "service/exports/lake/athena.py", "one that takes too long"),
    Use("ListTables", "glue:GetTable", "service/exports/lake/glue.py", "the columns of a table"),
    Use("ListTables", "glue:GetTables", "service/exports/lake/glue.py", "which tables there are"),
    Use("PlanQueries", "glue:GetDatabase", ATHENA, "the query's database, and `default`"),
    Use("PlanQueries", "glue:GetPartition", ATHENA, "where a table's partitions are"),
    Use("PlanQueries", "glue:GetPartitions", ATHENA, "where a table's partitions are"),
    Use("PlanQueries", "glue:BatchGetPartition", ATHENA, "where a table's partitions are"),
    Use("ReadLake", "s3:GetObject", ATHENA, "the files of tables"),
    Use("FindLake", "s3:GetBucketLocation", ATHENA, "whether the bucket is in its region"),
    Use("FindLake", "s3:ListBucket", ATHENA, "which files a table has"),
    Use("KeepResults", "s3:GetObject", "service/exports/lake/athena_result.py", "results of more than one page"),
    Use("KeepResults", "s3:PutObject", ATHENA, "the result"),
    Use("KeepResults", "s3:AbortMultipartUpload", ATHENA, "large results"),
    Use("KeepResults", "s3:ListMultipartUploadParts", ATHENA, "large results"),
    Use("FindResults", "s3:GetBucketLocation", ATHENA, "whether the bucket is in its region"),
    Use("FindResults", "s3:ListBucket", ATHENA, "what it has written"),
    Use("FindResults", "s3:ListBucketMultipartUploads", ATHENA, "large results"),
]
BY_CODE = [use for use in FUNCTION if use.by.startswith("service/")]

# Where a resource is a pattern, and why.
PATTERNS = {
    "WriteLogs": "Lambda names the streams of the one log group",
    "SendTraces": "X-Ray knows no resources",
    "MakeNetworkInterfaces": "interfaces to come have no ids",
    "KeepNetworkInterfaces": "Lambda's guide asks for it",
    "FindNetworkInterfaces": "EC2 knows no resources for what describes",
    "ListTables": "tables of the one database are made by whoever fills it",
    "PlanQueries": "tables of the one database are made by whoever fills it",
    "ReadLake": "files of the one bucket",
    "KeepResults": "files of the one bucket",
}
# Names of operations that are not of AWS where they stand.
OTHERS = {("service/exports/lake/sample.py", "create_table"): "of the embedded lake's catalog"}


class Called(NamedTuple):
    """An operation of AWS that a module names."""

    module: str
    service: str
    operation: str

    @property
    def action(self) -> str:
        needed = f"{_model(self.service).signing_name}:{self.operation}"
        return ACTIONS.get(needed, needed)

    @property
    def needs_permission(self) -> bool:
        """Tell whether IAM is asked: not for operations that a user's own password or token lets in."""
        return bool(_model(self.service).operation_model(self.operation).auth_type != "none")


@cache
def _model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Give every call in the service's source, with its module."""
    for path in sorted((ROOT / "service").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield path.relative_to(ROOT).as_posix(), node


def texts(call: ast.Call) -> list[str]:
    return [one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]


@cache
def operations() -> frozenset[Called]:
    """Return the operations that the source names, of those services that it makes clients for."""
    known = set(botocore.session.get_session().get_available_services())
    making = {"client", "_client", "_aws", "ask"}
    clients = [texts(call)[:1] for _, call in calls() if ast.unparse(call.func).rpartition(".")[2] in making]
    services = {name for names in clients for name in names if name in known}
    by_name = {xform_name(name): (service, name) for service in services for name in _model(service).operation_names}
    found = {
        Called(module, *by_name[name])
        for module, call in calls()
        for name in [*texts(call), call.func.attr if isinstance(call.func, ast.Attribute) else ""]
        if name in by_name and (module, name) not in OTHERS
    }
    return frozenset(found)


def statements_of(policy: Values) -> list[dict[str, Any]]:
    """Return the statements of a policy, as IAM has them; what may be one text or several is several."""
    several = {"Action", "Resource"}
    return [
        {key: [value] if key in several and isinstance(value, str) else value for key, value in one.items()}
        for one in json.loads(policy["policy"])["Statement"]
    ]


def statements(applied: Applied, role: str) -> list[dict[str, Any]]:
    return statements_of(applied[f"aws_iam_role_policy.{role}"])


def allowed(applied: Applied, role: str = "function") -> set[tuple[str, str]]:
    found = [one for one in statements(applied, role) if one["Effect"] == "Allow"]
    return {(one["Sid"], action) for one in found for action in one["Action"]}


def test_everything_that_the_function_may_do_is_done_by_somebody(permissions: Applied) -> None:
    assert allowed(permissions) == {(use.sid, use.action) for use in FUNCTION}
    assert len(FUNCTION) == len({(use.sid, use.action) for use in FUNCTION})


def test_a_permission_that_is_taken_away_is_missed(apply_permissions: Apply) -> None:
    broken = apply_permissions(name="headgate-broken", without='      "athena:StopQueryExecution",')
    missed = {(use.sid, use.action) for use in FUNCTION} - allowed(broken)
    assert missed == {("RunQueries", "athena:StopQueryExecution")}


@pytest.mark.parametrize("use", BY_CODE, ids=lambda use: use.action)
def test_the_code_that_is_said_to_need_a_permission_names_the_operation(use: Use) -> None:
    if use.action == "rds-db:connect":  # which is no operation: what it lets in is a signature
        assert "generate_db_auth_token" in (ROOT / use.by).read_text()
    else:
        assert (use.by, use.action) in {(called.module, called.action) for called in operations()}


def test_every_call_in_the_code_is_allowed() -> None:
    needed = {called.action for called in operations() if called.needs_permission}
    assert len(needed) > 8
    assert needed - {use.action for use in BY_CODE} == set()


def test_calls_that_no_permission_is_for_are_those_of_users_and_go_out_unsigned() -> None:
    free = {called for called in operations() if not called.needs_permission}
    assert {called.module for called in free} == {"service/accounts/cognito.py"}
    assert {called.operation for called in free} >= {"SignUp", "InitiateAuth", "GetUser"}
    assert "signature_version=UNSIGNED" in (ROOT / "service" / "accounts" / "user_pool.py").read_text()


def test_no_action_is_a_pattern_and_no_resource_without_a_reason(permissions: Applied) -> None:
    for role in ("function", "scheduler"):
        for one in statements(permissions, role):
            assert not any("*" in action for action in one["Action"]), one
            assert one.get("NotAction") is one.get("NotResource") is None, one
    granted = [one for one in statements(permissions, "function") if one["Effect"] == "Allow"]
    assert {one["Sid"] for one in granted if any("*" in resource for resource in one["Resource"])} == set(PATTERNS)
    everything = {one["Sid"] for one in granted if "*" in one["Resource"]}
    assert everything == {"SendTraces", "FindNetworkInterfaces"}


def test_the_code_may_not_touch_what_lambda_may(permissions: Applied) -> None:
    (refused,) = [one for one in statements(permissions, "function") if one["Effect"] == "Deny"]
    assert set(refused["Action"]) == {action for _, action in allowed(permissions) if action.startswith("ec2:")}
    arn = f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:{NAME}"
    assert refused["Condition"] == {"ArnEquals": {"lambda:SourceFunctionArn": arn}}
    assert refused["Resource"] == ["*"]


def test_the_scheduler_may_put_jobs_and_what_could_not_be_put(permissions: Applied) -> None:
    assert allowed(permissions, "scheduler") == {("PutJobs", "sqs:SendMessage")}
    (statement,) = statements(permissions, "scheduler")
    assert {arn.rpartition(":")[2] for arn in statement["Resource"]} == {f"{NAME}-jobs", f"{NAME}-undelivered"}


def test_the_boundary_of_the_pipeline_leaves_all_of_it(permissions: Applied, apply: Apply) -> None:
    """What is not in the boundary is refused on AWS, however much the policy allows it."""
    pipeline = apply(
        "pipeline",
        only="aws_iam_policy.boundary",
        name=NAME,
        environment="dev",
        github_repository="example/headgate",
        oidc_provider_arn=f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com",
        state_bucket="headgate-state",
    )
    bounds = statements_of(pipeline["aws_iam_policy.boundary"])

    def is_within(action: str, resource: str) -> bool:
        return any(
            action in one["Action"] and any(fnmatchcase(resource, pattern) for pattern in one["Resource"])
            for one in bounds
        )

    granted = [
        (action, resource)
        for role in ("function", "scheduler")
        for one in statements(permissions, role)
        if one["Effect"] == "Allow"
        for action in one["Action"]
        for resource in one["Resource"]
    ]
    assert [pair for pair in granted if not is_within(*pair)] == []


def test_a_call_that_is_not_in_the_table_fails_the_run_and_after_the_whole_suite_one_that_was_not_made() -> None:
    needed = {
        ("sqs:SendMessage", "service/jobs/sqs_queue.py"),
        ("s3:GetObject", "service/exports/lake/athena_result.py"),
    }
    asked = {"sqs:SendMessage": {"service/jobs/__init__.py", "service/jobs/sqs_queue.py"}}
    assert differences(asked, needed, is_whole=False) == []
    (missing,) = differences(asked, needed, is_whole=True)
    assert missing.startswith("s3:GetObject was never asked for by service/exports/lake/athena_result.py")
    (unknown,) = differences({**asked, "sqs:DeleteMessage": {"service/jobs/sqs_queue.py"}}, needed, is_whole=False)
    assert unknown.startswith("sqs:DeleteMessage was asked for by service/jobs/sqs_queue.py")
    (elsewhere,) = differences({"sqs:SendMessage": {"service/app.py"}}, needed, is_whole=False)
    assert elsewhere.startswith("sqs:SendMessage was asked for by service/app.py")


def test_calls_of_the_service_are_noted_and_those_of_tests_are_not(aws: Moto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_calls, "calls", defaultdict(set))
    name = aws.create(key="value")
    boto3.client("secretsmanager").get_secret_value(SecretId=name)
    assert aws_calls.calls == {}
    assert SecretsManager(name, None).get("key") == "value"
    assert aws_calls.calls == {"secretsmanager:GetSecretValue": {"service/secrets_manager.py"}}
