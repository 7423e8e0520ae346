"""What the service is told by its environment. The only reader of `os.environ`.

Every variable stands in the table of `docs/configuration.md`; a test compares the two.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from service import job_settings
from service.exports import settings as exports_settings
from service.exports.settings import ExportsConfig as ExportsConfig
from service.ingestion.fullbay import settings as fullbay_settings
from service.ingestion.fullbay.settings import FullbayConfig as FullbayConfig
from service.job_settings import JobsConfig as JobsConfig
from service.variables import Reader

TLS_MODES = ("prefer", "require", "verify-ca", "verify-full", "disable", "allow")


COGNITO_USER_SCOPE = "aws.cognito.signin.user.admin"  # of every access token that signing in gives

NO_DATABASE = (
    "No database is configured: set DATABASE_URL, or AURORA_ENDPOINT with DATABASE_NAME, DATABASE_USER and"
    " DATABASE_PASSWORD."
)


class ConfigError(Exception):
    """The environment cannot be used. The message names every variable that is missing or wrong."""


@dataclass(frozen=True)
class DatabaseConfig:
    """Where PostgreSQL is, and how patient the service is with it.

    Exactly one of `url` and `host` is set, or neither: then the embedded server of a laptop is meant.
    """

    url: str | None = field(default=None, repr=False)
    host: str | None = None
    port: int = 5432
    name: str | None = None
    user: str | None = None
    migration_user: str | None = None  # who may change the schema, where that is not the user of requests
    password: str | None = field(default=None, repr=False)
    secret_arn: str | None = None
    secret_name: str | None = None  # of the secret that Fullbay's keys share, where nothing else signs in
    iam_auth: bool = False
    tls: str = "prefer"
    region: str | None = None
    pool_size: int = 8
    connect_seconds: float = 3.0

    @property
    def is_embedded(self) -> bool:
        return self.url is None and self.host is None


@dataclass(frozen=True)
class TokenConfig:
    """Whose tokens are accepted. Without an issuer the service is its own."""

    issuer: str | None = None
    audiences: tuple[str, ...] = ("headgate",)
    jwks_url: str | None = None
    user_scope: str = "user"  # what the token of a signed-in user grants
    scope_prefix: str = ""  # what stands before the scopes of routes


@dataclass(frozen=True)
class CognitoConfig:
    """The user pool that keeps the accounts, and the client that signs users in."""

    user_pool_id: str
    client_id: str
    client_secret: str | None = field(repr=False)

    @property
    def region(self) -> str:
        return self.user_pool_id.partition("_")[0]

    @property
    def issuer(self) -> str:
        return f"https://cognito-idp.{self.region}.amazonaws.com/{self.user_pool_id}"


@dataclass(frozen=True)
class FunctionConfig:
    """The Lambda function that this process is."""

    name: str
    version: str | None
    memory_mb: int
    runtime: str | None
    trace_daemon: str | None = None  # where the parts of traces are sent


@dataclass(frozen=True)
class Config:
    """The whole configuration, read once."""

    database: DatabaseConfig = DatabaseConfig()
    tokens: TokenConfig = TokenConfig()
    cognito: CognitoConfig | None = None
    function: FunctionConfig | None = None
    fullbay: FullbayConfig = field(default_factory=FullbayConfig)
    jobs: JobsConfig = field(default_factory=JobsConfig)
    exports: ExportsConfig = field(default_factory=ExportsConfig)
    environment: str = "local"
    commit: str | None = None
    data_dir: Path = Path(".data")
    metrics_dir: Path | None = None
    strict_events: bool = False
    max_bulk_events: int = 100
    max_body_bytes: int = 6 * 1024 * 1024
    deadline_seconds: float = 4.5
    cors_origins: tuple[str, ...] = ()
    base_path: str = ""
    trusted_proxy_hops: int = 1
    log_level: str = "INFO"
    host: str = "127.0.0.1"
    port: int = 8080
    proxy_hops: int = 0
    workers: int = 2
    threads: int = 32
    graceful_seconds: int = 25

    @property
    def is_lambda(self) -> bool:
        return self.function is not None


def load(environ: Mapping[str, str] | None = None) -> Config:
    """Read the environment (or `environ`), or raise one `ConfigError` that lists all that is wrong."""
    read = Reader(os.environ if environ is None else environ)
    function = _function(read)
    cognito = _cognito(read)
    fullbay = fullbay_settings.load(read)
    environment = read.text("ENVIRONMENT") or read.text("ENV") or ("local" if function is None else "unnamed")
    config = Config(
        database=_database(read, function is not None, fullbay.secret_name),
        tokens=_tokens(read, cognito, function is not None),
        cognito=cognito,
        function=function,
        fullbay=fullbay,
        jobs=job_settings.load(read),
        exports=exports_settings.load(read, environment, function is not None),
        environment=environment,
        commit=read.text("COMMIT"),
        data_dir=Path(read.text("DATA_DIR") or ".data").absolute(),
        metrics_dir=Path(shared).absolute() if (shared := read.text("PROMETHEUS_MULTIPROC_DIR")) else None,
        strict_events=read.choice("EVENT_VALIDATION", ("structural", "strict")) == "strict",
        max_bulk_events=read.integer("MAX_BULK_EVENTS", 100, 1, 10_000),
        max_body_bytes=read.integer("MAX_BODY_BYTES", 6 * 1024 * 1024, 1024, 64 * 1024 * 1024),
        deadline_seconds=read.number("DEADLINE_SECONDS", 4.5, 0.1, 900),
        cors_origins=read.origins("CORS_ORIGINS"),
        base_path=read.base_path("BASE_PATH"),
        trusted_proxy_hops=read.integer("TRUSTED_PROXY_HOPS", 1, 1, 10),
        log_level=read.choice("LOG_LEVEL", ("info", "debug", "warn", "warning", "error"))
        .upper()
        .replace("WARNING", "WARN"),
        host=read.host("HOST", "127.0.0.1"),
        port=read.integer("PORT", 8080, 1, 65535),
        proxy_hops=read.integer("WEB_PROXY_HOPS", 0, 0, 10),
        workers=read.integer("WEB_WORKERS", 2, 1, 64),
        threads=read.integer("WEB_THREADS", 32, 1, 256),
        graceful_seconds=read.integer("GRACEFUL_SECONDS", 25, 1, 900),
    )
    if read.problems:
        raise ConfigError("The configuration cannot be used: " + "; ".join(read.problems) + ".")
    return config


def environment(**values: str | None) -> dict[str, str]:
    """Return the environment for a process that is started from here, with some variables set."""
    return {**os.environ, **{name: value for name, value in values.items() if value is not None}}


def share_metrics(directory: Path) -> None:
    """Tell this process and those that it starts where they count together. prometheus_client reads it by itself."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)


def trace_header() -> str | None:
    """Return the trace of the invocation at hand. Lambda sets it anew for each, so it is no part of `Config`."""
    return os.environ.get("_X_AMZN_TRACE_ID")


def _database(read: Reader, is_lambda: bool, secret_name: str | None) -> DatabaseConfig:
    url = read.text("DATABASE_URL")
    aurora = read.text("AURORA_ENDPOINT")
    host = None if url else aurora or read.text("DB_HOST")
    iam_auth = read.choice("DATABASE_IAM_AUTH", ("false", "true")) == "true"
    secret_arn = read.text("DATABASE_SECRET_ARN")
    name = read.text("DATABASE_NAME") or read.text("DB_NAME")
    user = read.text("DATABASE_USER") or read.text("DB_USER")
    migration_user = read.text("DATABASE_MIGRATION_USER")
    password = read.verbatim("DATABASE_PASSWORD") or read.verbatim("DB_PASSWORD")
    secret_name = None if password or secret_arn or iam_auth else secret_name
    if url:
        _check_database_url(read, url)
    if host:
        if not name:
            read.refuse("DATABASE_NAME is missing")
        if not (user or secret_arn):
            read.refuse("DATABASE_USER is missing")
        if not (password or secret_arn or secret_name or iam_auth):
            read.refuse(
                "one of DATABASE_PASSWORD, DATABASE_SECRET_ARN, SECRETS_MANAGER_SECRET_NAME and DATABASE_IAM_AUTH=true"
                " is missing"
            )
    elif is_lambda and not url:
        read.refuse("DATABASE_URL or AURORA_ENDPOINT is missing")
    if migration_user and not (host and iam_auth):
        read.refuse("DATABASE_MIGRATION_USER needs DATABASE_IAM_AUTH=true: a user without a password of its own")
    return DatabaseConfig(
        url=url,
        host=host,
        port=read.integer("DB_PORT", 5432, 1, 65535),
        name=name,
        user=user,
        migration_user=migration_user,
        password=password,
        secret_arn=secret_arn if host else None,
        secret_name=secret_name if host else None,
        iam_auth=iam_auth and host is not None,
        tls=read.choice("DATABASE_TLS", TLS_MODES, default="verify-full" if aurora else "prefer"),
        pool_size=1 if is_lambda else read.integer("DATABASE_POOL_SIZE", 8, 1, 200),
        region=read.text("AWS_REGION") or read.text("AWS_DEFAULT_REGION"),
        connect_seconds=read.number("DATABASE_CONNECT_SECONDS", 3.0, 0.1, 60),
    )


def _check_database_url(read: Reader, url: str) -> None:
    """Refuse what libpq would read differently than it is meant, and then quote in an error: parts of the password."""
    _, _, rest = url.partition("://")
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    if not re.match(r"postgres(ql)?://", url):
        read.refuse("DATABASE_URL must begin with postgresql://")
    elif rest.count("@") != authority.count("@") or rest.count("@") > 1 or re.search("%(?![0-9A-Fa-f]{2})", rest):
        read.refuse("DATABASE_URL must have its user and password percent-encoded (@ as %40, / as %2F, % as %25)")


def _tokens(read: Reader, cognito: CognitoConfig | None, is_lambda: bool) -> TokenConfig:
    issuer = read.url("TOKEN_ISSUER") or (cognito.issuer if cognito else None)
    if is_lambda and not issuer:
        read.refuse("TOKEN_ISSUER or COGNITO_USER_POOL_ID is missing (on Lambda the service cannot be its own issuer)")
    audiences = read.words("TOKEN_AUDIENCE", () if cognito else ("headgate",))
    return TokenConfig(
        issuer=issuer,
        audiences=(cognito.client_id, *audiences) if cognito else audiences,
        jwks_url=read.url("TOKEN_JWKS_URL") or (f"{issuer.rstrip('/')}/.well-known/jwks.json" if issuer else None),
        user_scope=COGNITO_USER_SCOPE if cognito else "user",
        scope_prefix=read.text("TOKEN_SCOPE_PREFIX") or ("headgate/" if cognito else ""),
    )


def _cognito(read: Reader) -> CognitoConfig | None:
    pool = read.text("COGNITO_USER_POOL_ID")
    client = read.text("COGNITO_CLIENT_ID")
    if pool and not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-[0-9]_[A-Za-z0-9]+", pool):
        read.refuse("COGNITO_USER_POOL_ID must be the id of a user pool, such as eu-west-1_AbCdEfGhI")
    if pool and not client:
        read.refuse("COGNITO_CLIENT_ID is missing")
    if client and not pool:
        read.refuse("COGNITO_USER_POOL_ID is missing")
    secret = read.verbatim("COGNITO_CLIENT_SECRET")
    return CognitoConfig(pool, client, secret) if pool and client else None


def _function(read: Reader) -> FunctionConfig | None:
    name = read.text("AWS_LAMBDA_FUNCTION_NAME")
    if name is None:
        return None
    return FunctionConfig(
        name=name,
        version=read.text("AWS_LAMBDA_FUNCTION_VERSION"),
        memory_mb=read.integer("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 0, 0, 1_000_000),
        runtime=read.text("AWS_EXECUTION_ENV"),
        trace_daemon=read.text("AWS_XRAY_DAEMON_ADDRESS"),
    )
