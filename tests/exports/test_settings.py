"""What the environment says about exports: which lake, which tables, which account, how much and how fast."""

from __future__ import annotations

import dataclasses
import json

import pytest

from service import config
from service.config import ConfigError
from service.exports.settings import ExportsConfig, TableRule, table_prefix

LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": "headgate",
    "TOKEN_ISSUER": "https://issuer.example.com",
    "DATABASE_URL": "postgresql://a@b/c",
}


def load(**environ: str) -> ExportsConfig:
    return config.load(environ).exports


def test_a_laptop_has_the_embedded_lake_and_no_partner() -> None:
    found = load()
    assert found == ExportsConfig()
    assert (found.athena_workgroup, found.tables, found.api_secret_name, found.api_credentials) == (None,) * 4


@pytest.mark.parametrize(
    ("name", "value"),
    [("ATHENA_WORKGROUP", "primary"), ("ATHENA_DATABASE", "lake"), ("ATHENA_OUTPUT_BUCKET", "results")],
)
def test_any_part_of_athena_means_athena(name: str, value: str) -> None:
    assert load(**{name: value}).athena_workgroup == "primary"
    assert load(ATHENA_WORKGROUP="wg", **({} if name == "ATHENA_WORKGROUP" else {name: value})).athena_workgroup == "wg"


def test_on_lambda_the_lake_and_the_secret_have_the_names_of_old() -> None:
    found = load(**LAMBDA, ENV="dev")
    assert (found.athena_database, found.athena_workgroup) == ("glue_catalog", "primary")
    assert found.athena_output == "s3://athena-results-dev/"
    assert found.api_secret_name == "dev/api/credentials"
    assert load(**LAMBDA, ENV="dev", API_SECRET_NAME="other").api_secret_name == "other"
    assert load(**LAMBDA, API_CREDENTIALS="{}").api_secret_name is None


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"ENV": "dev"}, "dev"),
        ({"ENVIRONMENT": "prod", "ENV": "dev"}, "prod"),
        ({"ENVIRONMENT": "", "ENV": "dev"}, "dev"),
        ({}, "local"),
        (LAMBDA, "unnamed"),
    ],
)
def test_the_environment_has_a_name_of_old(environ: dict[str, str], name: str) -> None:
    found = config.load(environ)
    assert found.environment == name
    assert found.exports.athena_output == f"s3://athena-results-{name}/"


def test_the_defaults_are_those_of_old() -> None:
    found = load()
    assert (found.batch_size, found.max_records, found.concurrency) == (100, 10_000, 4)


@pytest.mark.parametrize(
    ("text", "output"),
    [("results", "s3://results/"), ("a.b-c", "s3://a.b-c/"), ("results/exports", "s3://results/exports/")],
)
def test_a_bucket_may_have_a_prefix(text: str, output: str) -> None:
    assert load(ATHENA_OUTPUT_BUCKET=text).athena_output == output
    assert load(ATHENA_OUTPUT_BUCKET=f"{text}/x/").athena_output == f"{output}x/"


@pytest.mark.parametrize(
    ("text", "tables"),
    [
        ("dev_orders_silver", (TableRule("dev_orders_silver"),)),
        ("a_b_silver, c_silver  d_silver", tuple(map(TableRule, ("a_b_silver", "c_silver", "d_silver")))),
        ("{}", ()),
        ('{"a": {}}', (TableRule("a"),)),
        ('{"a": {"key": ["x", "y"], "date": "z"}}', (TableRule("a", ("x", "y"), "z"),)),
        ('{"a": {"key": ["X y"]}, "b": {"date": "z"}}', (TableRule("a", ("X y",)), TableRule("b", (), "z"))),
    ],
)
def test_tables_are_names_or_rules(text: str, tables: tuple[TableRule, ...]) -> None:
    assert load(EXPORT_TABLES=text).tables == tables


@pytest.mark.parametrize(
    "text",
    [
        "Orders",
        "orders;",
        "lake.orders",
        "x" * 256,
        "{",
        "[" * 100_000,
        "{" * 100_000,
        '{"a": []}',
        '{"a": null}',
        '{"A": {}}',
        '{"a": {"keys": ["x"]}}',
        '{"a": {"key": "x"}}',
        '{"a": {"key": [1]}}',
        '{"a": {"date": 1}}',
        '{"a": {"date": null}}',
        '["a"]',
    ],
    ids=lambda text: text[:24],
)
def test_tables_that_are_none_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match="EXPORT_TABLES must list names of tables, or be JSON such as"):
        load(EXPORT_TABLES=text)


@pytest.mark.parametrize(
    ("name", "field", "good", "bad"),
    [
        ("BATCH_SIZE", "batch_size", {"1": 1, "10000": 10_000}, ["0", "10001", "-1", "1.5", "x"]),
        ("MAX_RECORDS", "max_records", {"1": 1, "100000000": 100_000_000}, ["0", "100000001", "x"]),
        ("EXPORT_CONCURRENCY", "concurrency", {"1": 1, "32": 32}, ["0", "33"]),
        ("EXPORT_REQUESTS_PER_SECOND", "requests_per_second", {"0": 0, "0.5": 0.5}, ["-1", "10001", "nan", "inf"]),
        ("EXPORT_MAX_RETRIES", "max_retries", {"0": 0, "10000": 10_000}, ["-1", "10001"]),
        ("EXPORT_TIMEOUT_SECONDS", "timeout_seconds", {"0.1": 0.1, "900": 900}, ["0", "901", "nan"]),
        ("EXPORT_QUERY_SECONDS", "query_seconds", {"1": 1, "86400": 86_400}, ["0", "86401"]),
        ("ATHENA_OUTPUT_BUCKET", "athena_output", {"abc": "s3://abc/"}, ["ab", "A_B", "s3://abc", "abc/x?y", "a" * 64]),
        ("API_SECRET_NAME", "api_secret_name", {"dev/api/credentials": "dev/api/credentials"}, ["a b", "a\nb", "ä"]),
    ],
)
def test_numbers_and_names_have_bounds(name: str, field: str, good: dict[str, object], bad: list[str]) -> None:
    for text, value in good.items():
        assert getattr(load(**{name: text}), field) == value
    for text in bad:
        with pytest.raises(ConfigError, match=name):
            load(**{name: text})


def test_everything_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as refusal:
        load(BATCH_SIZE="x", EXPORT_TABLES="{", API_SECRET_NAME="a b")
    assert [name for name in ("BATCH_SIZE", "EXPORT_TABLES", "API_SECRET_NAME") if name not in str(refusal.value)] == []


def test_credentials_go_before_the_secret_and_are_never_shown() -> None:
    secret = json.dumps({"client_secret": "marker-secret"})
    found = load(API_CREDENTIALS=secret, API_SECRET_NAME="dev/api/credentials")
    assert (found.api_credentials, found.api_secret_name) == (secret, None)
    assert "marker-secret" not in repr(found)
    assert "marker-secret" not in repr(config.load({"API_CREDENTIALS": secret}))
    assert [field.name for field in dataclasses.fields(ExportsConfig) if not field.repr] == ["api_credentials"]


@pytest.mark.parametrize(
    ("environment", "prefix"), [("dev", "dev"), ("Prod", "prod"), ("eu-west.1", "eu_west_1"), ("a_b", "a_b")]
)
def test_the_names_of_tables_begin_with_the_environment(environment: str, prefix: str) -> None:
    assert table_prefix(environment) == prefix
