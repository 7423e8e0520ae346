"""How one connection to PostgreSQL is made, and how long it may wait.

psycopg2 waits in C until the server answers, however long that takes. Here it waits in `_wait`, which knows the
deadline of the work at hand: a server that is black-holed, stopped or stuck costs that time and no more.
"""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions

from service import deadline
from service.config import DatabaseConfig
from service.secrets_manager import SecretsManager, SecretUnavailable, SecretUnusable

RDS_CERTIFICATES = Path(__file__).with_name("rds-ca.pem")
# Shares of the deadline, so that the server gives up first and the connection survives.
STATEMENT_SHARE = 0.9
LOCK_SHARE = 0.7
AWS_SECONDS = 2.0

_EVENTS = {
    psycopg2.extensions.POLL_READ: select.POLLIN,
    psycopg2.extensions.POLL_WRITE: select.POLLOUT,
}


class Connection(psycopg2.extensions.connection):
    """A connection in autocommit mode whose every wait ends at `expires_at`."""

    expires_at: float

    def __init__(self, dsn: str, expires_at: float) -> None:
        self.expires_at = expires_at
        super().__init__(dsn)
        self.autocommit = True

    def is_silent(self) -> bool:
        """Return whether the idle connection looks alive: a server that hung up, or says anything, is not silent."""
        poller = select.poll()
        poller.register(self.fileno(), select.POLLIN)
        return not poller.poll(0)


def _wait(connection: Any) -> None:
    """Wait for the server on behalf of psycopg2, which has one such function for all connections of the process."""
    expires_at = connection.expires_at if isinstance(connection, Connection) else deadline.expires_at()
    while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
        remaining = expires_at - time.monotonic()
        poller = select.poll()
        poller.register(connection.fileno(), _EVENTS[state])
        if remaining <= 0 or not poller.poll(remaining * 1000):
            raise psycopg2.OperationalError("the database did not answer before the deadline")


psycopg2.extensions.set_wait_callback(_wait)


class Connector:
    """Makes connections from a configuration; fetches and keeps the secret that it names."""

    def __init__(self, config: DatabaseConfig, deadline_seconds: float) -> None:
        self._config = config
        self._deadline_seconds = deadline_seconds
        name = config.secret_arn or config.secret_name
        self._secret = SecretsManager(name, config.region) if name else None

    def connect(self) -> Connection:
        """Open a connection, or raise `psycopg2.OperationalError` within `connect_seconds` or the deadline."""
        parameters = self.parameters()
        try:
            return self._connect(parameters)
        except psycopg2.OperationalError as error:
            if self._secret is None or "authentication failed" not in str(error):
                raise
            with _as_outage(self._config):
                self._secret.refresh()  # the password was rotated
            renewed = self.parameters()
            if renewed == parameters:
                raise
            return self._connect(renewed)

    def _connect(self, parameters: dict[str, Any]) -> Connection:
        expires_at = min(deadline.expires_at(), time.monotonic() + self._config.connect_seconds)
        return Connection(psycopg2.extensions.make_dsn(**parameters), expires_at)

    def parameters(self) -> dict[str, Any]:
        """Return the libpq parameters, the password among them."""
        config = self._config
        parameters: dict[str, Any] = {
            "application_name": "headgate",
            "client_encoding": "UTF8",
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
        }
        if config.url:
            parameters["dsn"] = config.url
        else:
            user = config.user or self._from_secret("username")
            parameters |= {"host": config.host, "port": config.port, "dbname": config.name, "user": user}
            parameters |= {"sslmode": config.tls}
            if config.tls.startswith("verify") and str(config.host).endswith((".amazonaws.com", ".amazonaws.com.cn")):
                parameters["sslrootcert"] = str(RDS_CERTIFICATES)
            parameters["password"] = (
                self._iam_token(user) if config.iam_auth else config.password or self._from_secret("password")
            )
        if not is_rds_proxy(config):
            parameters["options"] = " ".join(
                f"-c {name}={value}" for name, value in session_settings(self._deadline_seconds).items()
            )
        return parameters

    def _from_secret(self, what: str) -> str:
        if self._secret is None:
            raise psycopg2.OperationalError(f"no {what} is configured")
        with _as_outage(self._config):
            return self._secret.require(what if self._config.secret_arn else f"db_{what}")

    def _iam_token(self, user: str) -> str:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return str(self._aws("rds").generate_db_auth_token(self._config.host, self._config.port, user))
        except (BotoCoreError, ClientError) as error:
            raise psycopg2.OperationalError(f"no IAM token can be had: {type(error).__name__}") from error

    def _aws(self, service: str) -> Any:
        import boto3
        from botocore.config import Config as ClientConfig

        seconds = max(0.1, min(AWS_SECONDS, deadline.remaining()))
        patience = ClientConfig(connect_timeout=seconds, read_timeout=seconds, retries={"total_max_attempts": 1})
        return boto3.client(service, region_name=self._config.region, config=patience)


@contextmanager
def _as_outage(config: DatabaseConfig) -> Iterator[None]:
    """Let what is wrong with the secret be what is wrong with the database: a request is answered with 503."""
    variable = "DATABASE_SECRET_ARN" if config.secret_arn else "SECRETS_MANAGER_SECRET_NAME"
    try:
        yield
    except SecretUnusable as error:
        raise psycopg2.OperationalError(f"{variable}: {error}") from error
    except SecretUnavailable as error:
        raise psycopg2.OperationalError(f"{variable}: {error.reason}") from error


def session_settings(seconds: float) -> dict[str, str]:
    """Return what a session whose work may take `seconds` is to be told, as PostgreSQL's own settings."""
    milliseconds = seconds * 1000
    return {
        "statement_timeout": f"{milliseconds * STATEMENT_SHARE:.0f}",
        "lock_timeout": f"{milliseconds * LOCK_SHARE:.0f}",
        "idle_in_transaction_session_timeout": f"{milliseconds * 2:.0f}",
        "timezone": "UTC",
        "client_connection_check_interval": "1000",  # what a killed process has begun ends with it
    }


def is_rds_proxy(config: DatabaseConfig) -> bool:
    """Return whether the host is an RDS Proxy, which refuses the startup parameter `options`.

    There the proxy's own initialisation query sets the timeouts.
    """
    return ".proxy-" in (config.url or config.host or "")
