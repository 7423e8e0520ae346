"""What the environment says, and one error for all that it says wrongly."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from urllib.parse import quote

import pytest

from service import config
from service.config import ConfigError, DatabaseConfig, load

LAMBDA = {"AWS_LAMBDA_FUNCTION_NAME": "headgate"}
AURORA = {
    "AURORA_ENDPOINT": "app.cluster-c1.eu-west-1.rds.amazonaws.com",
    "DATABASE_NAME": "app",
    "DATABASE_USER": "me",
    "DATABASE_PASSWORD": "secret",
}
ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db"


def problem(environ: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as failure:
        load(environ)
    return str(failure.value)


def test_nothing_has_to_be_set_on_a_laptop() -> None:
    settings = load({})
    assert settings.database.is_embedded
    assert settings.tokens == config.TokenConfig(None, ("headgate",), None)
    assert settings.cors_origins == ()
    assert (settings.host, settings.port, settings.log_level) == ("127.0.0.1", 8080, "INFO")
    assert settings.data_dir == Path(".data").absolute()
    assert not settings.is_lambda


def test_empty_and_blank_variables_are_not_set() -> None:
    names = ("DATABASE_URL", "PORT", "TOKEN_ISSUER", "LOG_LEVEL", "DATA_DIR", "CORS_ORIGINS")
    assert load(dict.fromkeys(names, "")) == load({}) == load(dict.fromkeys(names, "  "))


def test_one_error_names_everything_that_is_wrong() -> None:
    environ = LAMBDA | {
        "AURORA_ENDPOINT": "db",
        "PORT": "eighty",
        "LOG_LEVEL": "loud",
        "MAX_BULK_EVENTS": "0",
        "CORS_ORIGINS": "*",
        "DATABASE_IAM_AUTH": "perhaps",
    }
    message = problem(environ)
    for name in (
        "DATABASE_NAME",
        "DATABASE_USER",
        "DATABASE_PASSWORD",
        "TOKEN_ISSUER",
        "PORT",
        "LOG_LEVEL",
        "MAX_BULK_EVENTS",
        "CORS_ORIGINS",
        "DATABASE_IAM_AUTH",
    ):
        assert name in message
    assert "\n" not in message
    assert message.count(";") == 8


def test_on_lambda_a_database_and_an_issuer_are_needed() -> None:
    message = problem(LAMBDA)
    assert "DATABASE_URL or AURORA_ENDPOINT is missing" in message
    assert "TOKEN_ISSUER or COGNITO_USER_POOL_ID is missing" in message
    settings = load(LAMBDA | AURORA | {"TOKEN_ISSUER": "https://issuer.example.com/"})
    assert settings.is_lambda
    assert settings.database.pool_size == 1
    assert settings.tokens.jwks_url == "https://issuer.example.com/.well-known/jwks.json"


WRONG = {
    "a number that is a word": ({"PORT": "http"}, "PORT must be a number from 1 to 65535"),
    "a port of 0": ({"PORT": "0"}, "PORT must be"),
    "a port that is too high": ({"PORT": "65536"}, "PORT must be"),
    "half a port": ({"PORT": "80.5"}, "PORT must be a whole number"),
    "no number at all": ({"DEADLINE_SECONDS": "nan"}, "DEADLINE_SECONDS must be"),
    "an endless deadline": ({"DEADLINE_SECONDS": "inf"}, "DEADLINE_SECONDS must be"),
    "a negative pool": ({"DATABASE_POOL_SIZE": "-1"}, "DATABASE_POOL_SIZE must be"),
    "an unknown choice": ({"EVENT_VALIDATION": "lax"}, "EVENT_VALIDATION must be one of structural, strict"),
    "an unknown TLS mode": ({"DATABASE_TLS": "yes"}, "DATABASE_TLS must be one of"),
    "a host with a port": ({"HOST": "127.0.0.1:80"}, "HOST must be a host name or an IPv4 address"),
    "a URL of another database": ({"DATABASE_URL": "mysql://a@b/c"}, "DATABASE_URL must begin with postgresql://"),
    "a DSN": ({"DATABASE_URL": "host=a dbname=b"}, "DATABASE_URL must begin with postgresql://"),
    "an issuer without TLS": ({"TOKEN_ISSUER": "http://issuer.example.com"}, "TOKEN_ISSUER must begin with https://"),
    "an issuer that looks like loopback": ({"TOKEN_ISSUER": "http://localhost.evil.com"}, "TOKEN_ISSUER must"),
    "an issuer behind a user": ({"TOKEN_ISSUER": "http://127.0.0.1@evil.com"}, "TOKEN_ISSUER must"),
    "keys without TLS": (
        {"TOKEN_ISSUER": "https://a.example", "TOKEN_JWKS_URL": "http://a.example/keys"},
        "TOKEN_JWKS_URL must",
    ),
    "keys in a file": ({"TOKEN_ISSUER": "https://a.example", "TOKEN_JWKS_URL": "file:///etc/passwd"}, "TOKEN_JWKS_URL"),
    "every origin": ({"CORS_ORIGINS": "*"}, "CORS_ORIGINS must list origins"),
    "origins by wildcard": ({"CORS_ORIGINS": "https://*.example.com"}, "CORS_ORIGINS must"),
    "an origin with a path": ({"CORS_ORIGINS": "https://app.example.com/"}, "CORS_ORIGINS must"),
    "an origin without a scheme": ({"CORS_ORIGINS": "app.example.com"}, "CORS_ORIGINS must"),
    "the null origin": ({"CORS_ORIGINS": "null"}, "CORS_ORIGINS must"),
    "a base path without a slash": ({"BASE_PATH": "headgate"}, "BASE_PATH must be a path"),
    "a base path with a query": ({"BASE_PATH": "/a?b"}, "BASE_PATH must be a path"),
}


@pytest.mark.parametrize(("environ", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_value_is_refused_by_name(environ: dict[str, str], words: str) -> None:
    assert words in problem(environ)


@pytest.mark.parametrize("missing", ["DATABASE_NAME", "DATABASE_USER", "DATABASE_PASSWORD"])
@pytest.mark.parametrize("host", ["AURORA_ENDPOINT", "DB_HOST"])
def test_a_host_needs_a_name_a_user_and_a_way_to_sign_in(host: str, missing: str) -> None:
    environ = {host: "db"} | {name: value for name, value in AURORA.items() if name not in ("AURORA_ENDPOINT", missing)}
    message = problem(environ)
    assert missing in message
    assert message.count("missing") == 1


@pytest.mark.parametrize(
    "way",
    [{"DATABASE_PASSWORD": "x"}, {"DATABASE_SECRET_ARN": ARN}, {"DATABASE_IAM_AUTH": "TRUE"}, {"DB_PASSWORD": "x"}],
)
def test_there_are_three_ways_to_sign_in(way: dict[str, str]) -> None:
    environ = {name: value for name, value in AURORA.items() if name != "DATABASE_PASSWORD"}
    database = load(environ | way).database
    assert (database.password, database.secret_arn, database.iam_auth) == (
        "x" if "x" in way.values() else None,
        way.get("DATABASE_SECRET_ARN"),
        "DATABASE_IAM_AUTH" in way,
    )


def test_a_secret_may_name_the_user() -> None:
    environ = {"AURORA_ENDPOINT": "db", "DATABASE_NAME": "app", "DATABASE_SECRET_ARN": ARN}
    assert load(environ).database.user is None


def test_who_migrates_may_be_another_user_that_signs_in_with_iam() -> None:
    iam = {name: value for name, value in AURORA.items() if name != "DATABASE_PASSWORD"} | {"DATABASE_IAM_AUTH": "true"}
    database = load(iam | {"DATABASE_MIGRATION_USER": "owner"}).database
    assert (database.user, database.migration_user) == ("me", "owner")
    for others in (AURORA, {}, {"DATABASE_URL": "postgresql://a@b/c", "DATABASE_IAM_AUTH": "true"}):
        assert "DATABASE_MIGRATION_USER needs DATABASE_IAM_AUTH=true" in problem(
            others | {"DATABASE_MIGRATION_USER": "owner"}
        )


def test_the_short_names_of_the_variables_are_read() -> None:
    environ = {"DB_HOST": "db", "DB_PORT": "6432", "DB_NAME": "app", "DB_USER": "me", "DB_PASSWORD": " s "}
    assert load(environ).database == DatabaseConfig(
        host="db", port=6432, name="app", user="me", password=" s ", tls="prefer"
    )


def test_the_url_goes_before_aurora_and_that_before_any_other_host() -> None:
    others = AURORA | {"DB_HOST": "db", "DB_USER": "you", "DB_NAME": "other", "DB_PASSWORD": "y"}
    database = load(others).database
    assert (database.host, database.user, database.name, database.password) == (
        AURORA["AURORA_ENDPOINT"],
        "me",
        "app",
        "secret",
    )
    database = load(others | {"DATABASE_URL": "postgresql://a@b/c", "DATABASE_IAM_AUTH": "true"}).database
    assert (database.url, database.host, database.iam_auth) == ("postgresql://a@b/c", None, False)


def test_aurora_is_verified_unless_somebody_says_otherwise() -> None:
    assert load(AURORA).database.tls == "verify-full"
    assert load(AURORA | {"DATABASE_TLS": "require"}).database.tls == "require"
    assert load({"DB_HOST": "db"} | AURORA | {"AURORA_ENDPOINT": ""}).database.tls == "prefer"
    modes = re.findall("[a-z-]{5,}", problem(AURORA | {"DATABASE_TLS": "x"}).partition("one of")[2])
    assert len(modes) == len(set(modes)) == 6


NASTY = "p@s/s#w?o%r:d äß"


def test_a_percent_encoded_password_is_accepted() -> None:
    url = f"postgresql://me:{quote(NASTY, safe='')}@db:5432/app?sslmode=require"
    assert load({"DATABASE_URL": url}).database.url == url


@pytest.mark.parametrize("password", ["p@ss", "p/ss@", "p#s@s", "100%", "50%zz", "p?s@s"])
def test_a_url_that_libpq_would_take_apart_wrongly_is_refused_without_a_word_of_it(password: str) -> None:
    message = problem({"DATABASE_URL": f"postgresql://me:{password}@db.internal/app"})
    assert "DATABASE_URL must have its user and password percent-encoded" in message
    assert password not in message
    assert "db.internal" not in message


@pytest.mark.parametrize(
    "environ",
    [AURORA | {"DATABASE_PASSWORD": "marker-1"}, {"DATABASE_URL": "postgresql://me:marker-1@db/app"}],
    ids=["password", "url"],
)
def test_secrets_are_in_no_representation(environ: dict[str, str]) -> None:
    settings = load(environ)
    assert "marker-1" in str(dataclasses.asdict(settings))
    for shown in (repr(settings), str(settings), f"{settings.database!r}", repr([settings])):
        assert "marker-1" not in shown
    assert "marker-1" not in problem(environ | {"PORT": "x", "DATABASE_TLS": "marker-1"})


def test_lists_are_separated_by_commas_or_spaces() -> None:
    settings = load({"CORS_ORIGINS": "https://a.example, http://localhost:3000", "TOKEN_AUDIENCE": "one two,three"})
    assert settings.cors_origins == ("https://a.example", "http://localhost:3000")
    assert settings.tokens.audiences == ("one", "two", "three")


@pytest.mark.parametrize(
    ("written", "level"), [("debug", "DEBUG"), ("Info", "INFO"), ("WARNING", "WARN"), ("warn", "WARN")]
)
def test_the_level_of_the_log_is_read_without_regard_to_case(written: str, level: str) -> None:
    assert load({"LOG_LEVEL": written}).log_level == level


def test_the_configuration_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load({}).port = 1  # type: ignore[misc]


def test_the_environment_for_a_child_is_ours_with_some_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "8081")
    assert config.environment(DATABASE_URL="postgresql://x", HOST=None)["DATABASE_URL"] == "postgresql://x"
    assert config.environment(HOST=None).get("PORT") == "8081"
    assert "DATABASE_URL" not in config.environment(DATABASE_URL=None)
