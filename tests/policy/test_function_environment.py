"""What Terraform sets on the function is what config.py reads there, no more and no less, and the service takes it."""

from __future__ import annotations

import re

import pytest

from service import config, cors
from tests.policy.application_plan import (
    EVERYTHING,
    LAMBDA,
    Planned,
    block_of,
    foundation_of,
    settings_of_the_document,
)
from tests.policy.test_configuration_document import Recording, named_in_the_source, variables_read
from tests.terraform.program import ENVIRONMENTS, TERRAFORM

pytestmark = pytest.mark.slow  # three plans of Terraform

NAMES = [path.name for path in ENVIRONMENTS]

# What is read, and not for the function: why.
ELSEWHERE = {
    "API_CREDENTIALS": "a secret: API_SECRET_NAME says where it is",
    "AWS_DEFAULT_REGION": "Lambda sets AWS_REGION",
    "AWS_EXECUTION_ENV": "Lambda sets it",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "Lambda sets it",
    "AWS_LAMBDA_FUNCTION_NAME": "Lambda sets it",
    "AWS_LAMBDA_FUNCTION_VERSION": "Lambda sets it",
    "AWS_REGION": "Lambda sets it",
    "AWS_XRAY_DAEMON_ADDRESS": "Lambda sets it",
    "COGNITO_CLIENT_SECRET": "the client that signs people in has none",
    "COMMIT": "the image sets it",
    "DATABASE_PASSWORD": "a secret, and the function signs in with IAM",
    "DATABASE_POOL_SIZE": "Lambda keeps one connection",
    "DATABASE_SECRET_ARN": "the function signs in with IAM",
    "DATABASE_TLS": "with AURORA_ENDPOINT it is verify-full, and nothing less is wanted",
    "DATABASE_URL": "holds a password: AURORA_ENDPOINT and IAM stand for it",
    "DATA_DIR": "the image sets it, and the function keeps nothing",
    "DB_HOST": "for any other PostgreSQL than Aurora",
    "DB_NAME": "DATABASE_NAME is set",
    "DB_PASSWORD": "a secret, and the function signs in with IAM",
    "DB_USER": "DATABASE_USER is set",
    "ENV": "ENVIRONMENT is set",
    "FULLBAY_API_KEY": "a secret: SECRETS_MANAGER_SECRET_NAME says where it is",
    "GRACEFUL_SECONDS": "gunicorn's and the worker's",
    "HOST": "gunicorn's",
    "JOB_LEASE_SECONDS": "the worker's: SQS has its visibility timeout",
    "JOB_MAX_ATTEMPTS": "the worker's: SQS has its maxReceiveCount",
    "JOB_RETRY_SECONDS": "the worker's: SQS has its visibility timeout",
    "JOB_SECONDS": "the worker's: on Lambda it is what the invocation has left",
    "PORT": "gunicorn's",
    "PROMETHEUS_MULTIPROC_DIR": "gunicorn's and the worker's",
    "SCHEDULE_EXPRESSION": "the worker's: EventBridge has the schedules",
    "TOKEN_ISSUER": "the user pool's, of COGNITO_USER_POOL_ID",
    "TOKEN_JWKS_URL": "the user pool's, of COGNITO_USER_POOL_ID",
    "TRUSTED_PROXY_HOPS": "for a load balancer in front of the function; this one has API Gateway",
    "WEB_PROXY_HOPS": "gunicorn's",
    "WEB_THREADS": "gunicorn's",
    "WEB_WORKERS": "gunicorn's",
    "_X_AMZN_TRACE_ID": "Lambda sets it, for each invocation",
}
NOT_EVERYWHERE = {"BASE_PATH", "CORS_ORIGINS", "FULLBAY_SERVER_IP"}  # with a domain, with origins, with one address


def read_by_the_service() -> set[str]:
    """Return every variable that config.py can ask for."""
    return variables_read() | named_in_the_source()


def settings_ranges() -> dict[str, tuple[str, str]]:
    """Return the least and the most that Terraform takes for settings that are numbers."""
    found = re.findall(r"^        (\w+)\s+= \[([\d.]+), ([\d.]+)\]$", block_of("settings"), re.MULTILINE)
    return {name: (low, high) for name, low, high in found}


def test_all_that_the_service_reads_can_be_set_or_is_for_elsewhere(planned: Planned) -> None:
    assert set(planned(EVERYTHING).environment) == read_by_the_service() - ELSEWHERE.keys()


def test_what_is_for_elsewhere_is_read_there() -> None:
    assert ELSEWHERE.keys() <= read_by_the_service()


@pytest.mark.parametrize("environment", [*NAMES, EVERYTHING])
def test_all_that_is_set_is_asked_for_on_lambda(planned: Planned, environment: str) -> None:
    told = planned(environment).environment
    asked = Recording(**told, **LAMBDA)
    config.load(asked)
    assert set(told) <= asked.asked


@pytest.mark.parametrize("environment", NAMES)
def test_an_environment_sets_what_the_deployment_decides_and_its_own_settings(
    planned: Planned, environment: str
) -> None:
    optional = {name.upper() for name in settings_of_the_document()} | NOT_EVERYWHERE
    decided = set(planned(EVERYTHING).environment) - optional
    assert decided <= set(planned(environment).environment) <= decided | optional


@pytest.mark.parametrize("environment", NAMES)
def test_the_service_reads_its_own_environment(planned: Planned, environment: str) -> None:
    found, made = planned(environment).config, foundation_of(environment, "none")
    assert found.environment == environment
    database = found.database
    assert (database.host, database.port, database.name) == (made["database"]["endpoint"], 5432, "headgate")
    assert (database.user, database.migration_user) == ("headgate", "headgate_migrate")
    assert (database.iam_auth, database.tls, database.password) == (True, "verify-full", None)
    assert found.tokens.issuer == made["identity"]["issuer"]
    assert set(found.tokens.audiences) == set(made["identity"]["client_ids"])
    assert found.tokens.scope_prefix == "headgate/"
    assert found.jobs.queue_url == made["queues"]["jobs"]["url"]
    assert found.fullbay.secret_name == made["secrets"]["shared"]["name"]
    assert found.exports.api_secret_name == made["secrets"]["partner"]["name"]
    assert found.exports.athena_workgroup == made["lake"]["workgroup"]
    assert found.exports.athena_database == made["lake"]["database_name"]
    assert found.exports.athena_output == f"s3://{made['lake']['results_bucket']}/"


def test_settings_arrive_as_they_were_meant(planned: Planned) -> None:
    found = planned(EVERYTHING).config
    assert (found.cors_origins, found.base_path) == (("https://app.example.com",), "/headgate")
    assert found.fullbay.server_ip == "203.0.113.1"
    assert found.fullbay.ip_services == ("https://ip.example.com",)
    assert found.exports.tables is not None
    assert [(table.name, table.key, table.date_column) for table in found.exports.tables] == [
        ("dev_orders_silver", ("order_id",), "ordered_at")
    ]
    assert (found.exports.batch_size, found.strict_events, found.log_level) == (500, True, "DEBUG")


def test_numbers_have_the_limits_of_the_service(planned: Planned) -> None:
    ranges = settings_ranges()
    assert set(ranges) == set(re.findall(r"^    (\w+)\s+= optional\(number\)$", block_of("settings"), re.MULTILINE))
    for name, limits in ranges.items():
        for limit in limits:
            config.load(planned(EVERYTHING).environment | LAMBDA | {name.upper(): limit})


def test_no_secret_is_set(planned: Planned) -> None:
    for environment in (*NAMES, EVERYTHING):
        names = planned(environment).environment.keys()
        assert [name for name in names if re.search("PASSWORD|API_KEY|CREDENTIALS|CLIENT_SECRET", name)] == []


def test_the_gateway_answers_preflights_with_the_headers_of_the_service(planned: Planned) -> None:
    (api,) = planned(EVERYTHING).of_type("aws_apigatewayv2_api").values()
    (answered,) = api["cors_configuration"]
    assert set(answered["allow_headers"]) == {name.lower() for name in cors.HEADERS}
    assert set(answered["expose_headers"]) == {name.lower() for name in cors.EXPOSED_HEADERS}
    assert answered["max_age"] == cors.MAX_AGE_SECONDS


def test_the_foundation_gives_what_these_plans_stand_on() -> None:
    for module, told in foundation_of("dev", "none").items():
        text = (TERRAFORM / "modules" / module / "outputs.tf").read_text()
        assert set(told) <= set(re.findall(r'^output "(\w+)"', text, re.MULTILINE)), module
        assert re.search(rf'^output "{module}"', (TERRAFORM / "foundation" / "outputs.tf").read_text(), re.MULTILINE)
