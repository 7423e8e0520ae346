"""Whether the process lives, and whether it can do its work."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import psycopg2
import pytest

from service import __version__, config
from service.app import create_app
from service.database.schema import migrate, shipped
from tests.postgres import Postgres
from tests.transports import Client, LambdaClient, event_v2


def test_the_process_says_which_version_it_is(client: Client) -> None:
    answer = client.get("/health", token=None)
    assert (answer.status, answer.json()) == (200, {"status": "healthy", "version": __version__, "commit": None})


def test_a_migrated_database_is_ready(client: Client) -> None:
    answer = client.get("/ready", token=None)
    assert answer.status == 200
    assert answer.json() == {"status": "ready", "database": "connected", "missingMigrations": []}


def ready(url: str) -> tuple[int, Any]:
    answer = create_app(config.load({"DATABASE_URL": url})).test_client().get("/ready")
    return answer.status_code, answer.json


def test_a_database_without_the_migrations_is_not_ready_and_says_what_is_missing(postgres: Postgres) -> None:
    url = postgres.create("bare")
    missing = {"status": "unready", "database": "connected", "missingMigrations": shipped()}
    assert ready(url) == (503, missing)
    migrate(config.load({"DATABASE_URL": url}))
    assert ready(url)[0] == 200
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM _yoyo_migration WHERE migration_id = %s", (shipped()[-1],))
    connection.close()
    assert ready(url) == (503, missing | {"missingMigrations": shipped()[-1:]})


def test_a_database_out_of_reach_is_not_ready(postgres: Postgres) -> None:
    status, body = ready("postgresql://nobody@127.0.0.1:1/nothing")
    assert (status, body["database"]) == (503, "unavailable")


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_a_load_balancer_may_ask_with_head(client: Client, path: str) -> None:
    answer = client.request("HEAD", path, token=None)
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("path", ["/health", "/api/health"])
def test_health_answers_at_both_spellings(client: Client, path: str) -> None:
    assert client.get(path, token=None).json()["status"] == "healthy"


def test_the_root_says_what_this_is_and_where_to_go_on(client: Client) -> None:
    answer = client.get("/", token=None)
    assert answer.status == 200
    body = answer.json()
    assert (body["name"], body["version"]) == ("headgate", __version__)
    for path in body["links"].values():
        assert client.get(path, token=None).status == 200, path


def test_below_a_stage_the_links_bear_its_name(handler: Any) -> None:
    answer = LambdaClient(handler, build=partial(event_v2, stage="prod")).get("/")
    assert answer.status == 200
    assert answer.json()["links"]["docs"] == "/prod/docs"


def test_outside_aws_it_runs_locally(client: Client) -> None:
    answer = client.get("/api/aws-info")
    assert answer.status == 200
    body = answer.json()
    assert body.pop("requestId") == answer.headers["x-request-id"]
    assert body == {
        "environment": "local",
        "region": None,
        "functionName": None,
        "functionVersion": None,
        "memoryMb": None,
        "runtime": None,
    }


def test_on_lambda_it_says_where_it_runs_and_nothing_else_of_its_environment(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, handler: Any
) -> None:
    variables = {
        "ENVIRONMENT": "prod",
        "AWS_REGION": "eu-west-1",
        "AWS_LAMBDA_FUNCTION_NAME": "headgate-prod",
        "AWS_LAMBDA_FUNCTION_VERSION": "42",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "AWS_EXECUTION_ENV": "AWS_Lambda_Image",
        "AWS_SECRET_ACCESS_KEY": "secret-key",
        "TOKEN_ISSUER": "https://issuer.example.com",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    event = event_v2("GET", "/api/aws-info", claims={"sub": "operator", "scope": "platform:read"})
    answer = handler(event)
    assert json.loads(answer["body"]) == {
        "environment": "prod",
        "region": "eu-west-1",
        "functionName": "headgate-prod",
        "functionVersion": "42",
        "memoryMb": 1024,
        "runtime": "AWS_Lambda_Image",
        "requestId": event["requestContext"]["requestId"],
    }


def test_a_function_without_a_name_for_its_installation_says_so() -> None:
    settings = config.load(
        {"AWS_LAMBDA_FUNCTION_NAME": "f", "DATABASE_URL": "postgresql://a@b/c", "TOKEN_ISSUER": "https://a.example"}
    )
    assert settings.environment == "unnamed"


def test_where_it_runs_is_for_operators(client: Client, new_user: Any) -> None:
    assert client.get("/api/aws-info", token=None).status == 401
    assert client.get("/api/aws-info", token=new_user().token).status == 403
