"""How one connection to PostgreSQL is made, and how long it may wait.

psycopg2 waits in C until the server answers, however long that takes. Here it waits in `_wait`, which knows the
deadline of the work at hand: a server that is black-holed, stopped or stuck costs that time and no more.
"""

from __future__ import annotations

import json
import select
import threading
import time
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions

from service import deadline
from service.config import DatabaseConfig

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
        self._secret: dict[str, str] = {}
        self._secret_lock = threading.Lock()

    def connect(self) -> Connection:
        """Open a connection, or raise `psycopg2.OperationalError` within `connect_seconds` or the deadline."""
        try:
            return self._connect()
        except psycopg2.OperationalError as error:
            if not (self._secret and "authentication failed" in str(error)):
                raise
            self._secret = {}  # the password was rotated
            return self._connect()

    def _connect(self) -> Connection:
        expires_at = min(deadline.expires_at(), time.monotonic() + self._config.connect_seconds)
        return Connection(psycopg2.extensions.make_dsn(**self.parameters()), expires_at)

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
            secret = self._read_secret() if config.secret_arn else {}
            user = config.user or secret.get("username")
            parameters |= {"host": config.host, "port": config.port, "dbname": config.name, "user": user}
            parameters |= {"sslmode": config.tls}
            if config.tls.startswith("verify") and str(config.host).endswith((".amazonaws.com", ".amazonaws.com.cn")):
                parameters["sslrootcert"] = str(RDS_CERTIFICATES)
            parameters["password"] = (
                self._iam_token(str(user)) if config.iam_auth else config.password or secret.get("password")
            )
        if not is_rds_proxy(config):
            milliseconds = self._deadline_seconds * 1000
            parameters["options"] = (
                f"-c statement_timeout={milliseconds * STATEMENT_SHARE:.0f}"
                f" -c lock_timeout={milliseconds * LOCK_SHARE:.0f}"
                f" -c idle_in_transaction_session_timeout={milliseconds * 2:.0f} -c timezone=UTC"
                # What a killed process has begun ends with it, instead of going on for nobody.
                f" -c client_connection_check_interval=1000"
            )
        return parameters

    def _read_secret(self) -> dict[str, str]:
        from botocore.exceptions import BotoCoreError, ClientError

        with self._secret_lock:
            if not self._secret:
                try:
                    answer = self._aws("secretsmanager").get_secret_value(SecretId=self._config.secret_arn)
                    self._secret = json.loads(answer["SecretString"])
                except (BotoCoreError, ClientError, KeyError, ValueError) as error:
                    raise psycopg2.OperationalError(
                        f"DATABASE_SECRET_ARN cannot be read: {type(error).__name__}"
                    ) from error
            return self._secret

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


def is_rds_proxy(config: DatabaseConfig) -> bool:
    """Return whether the host is an RDS Proxy, which refuses the startup parameter `options`.

    There the proxy's own initialisation query sets the timeouts.
    """
    return ".proxy-" in (config.url or config.host or "")
