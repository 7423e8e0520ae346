"""Aurora: PostgreSQL in a container for each cluster of moto, with the roles and the TLS of the real one.

IAM tokens cannot be verified by PostgreSQL. As in Aurora they are the way in for the members of `rds_iam` and for
nobody else, over TLS only; but here any token will do. A cluster with an RDS Proxy has another container for it.
"""

from __future__ import annotations

import json
import subprocess
import threading
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

from tests.docker import engine
from tests.rehearsal import aws, rds_proxy
from tests.rehearsal.certificates import Authority
from tests.rehearsal.containers import Containers

IMAGE = "postgres:17"
PORT = 5432
START_SECONDS = 90
OWNER = "rdsadmin"  # the superuser, whom AWS keeps to itself
OWNER_PASSWORD = "of-a-rehearsal"
ACCESS = """\
local all all trust
hostssl all +rds_iam all trust
hostssl all all all scram-sha-256
"""


class NoCluster(Exception):
    """moto has no such cluster."""


@dataclass(frozen=True)
class Cluster:
    """A running PostgreSQL: its container and those of its proxies, and the port of loopback that leads to it."""

    containers: list[str]
    port: int

    def connect(self, database: str, user: str, password: str, mode: str = "require") -> psycopg2.extensions.connection:
        """Connect with a password, over TLS."""
        return psycopg2.connect(
            host="127.0.0.1",
            port=self.port,
            dbname=database,
            user=user,
            password=password,
            sslmode=mode,
            connect_timeout=5,
        )

    def rows(self, database: str, statement: str) -> list[tuple[Any, ...]]:
        """Return what a statement finds, as the superuser."""
        with closing(self.connect(database, OWNER, OWNER_PASSWORD)) as connection:
            cursor = connection.cursor()
            cursor.execute(statement)
            return list(cursor.fetchall())


class Databases:
    """The clusters that have been needed so far. `endpoint` is where their proxies find AWS."""

    def __init__(self, containers: Containers, authority: Authority, moto: str, endpoint: str) -> None:
        self._containers, self._authority, self._endpoint = containers, authority, endpoint
        self._rds, self._secrets = aws.client("rds", moto), aws.client("secretsmanager", moto)
        self._lock = threading.Lock()
        self._clusters: dict[str, Cluster] = {}

    def of(self, arn: str) -> Cluster:
        """Return the PostgreSQL of a cluster, started at first use. Raises `NoCluster`."""
        with self._lock:
            if arn not in self._clusters:
                self._clusters[arn] = self._start(self._describe(arn))
            return self._clusters[arn]

    def sweep(self) -> None:
        """Stop what belongs to clusters that are no more."""
        with self._lock:
            for arn in list(self._clusters):
                with suppress(NoCluster):
                    self._describe(arn)
                    continue
                for container in self._clusters.pop(arn).containers:
                    self._containers.stop(container)

    def _describe(self, arn: str) -> dict[str, Any]:
        for cluster in self._rds.describe_db_clusters()["DBClusters"]:
            if cluster["DBClusterArn"] == arn:
                return dict(cluster)
        raise NoCluster(arn)

    def _start(self, cluster: dict[str, Any]) -> Cluster:
        name, database = cluster["Endpoint"], cluster["DatabaseName"]
        container = self._containers.start(
            "postgres",
            IMAGE,
            port=PORT,
            options=(
                *("--network-alias", name),
                *("--env", f"POSTGRES_USER={OWNER}"),
                *("--env", f"POSTGRES_PASSWORD={OWNER_PASSWORD}"),
                *("--env", f"POSTGRES_DB={database}"),
            ),
        )
        found = Cluster([container], engine.port_of(container, PORT))
        engine.wait_for(lambda: _is_up(found, database, "prefer"), "PostgreSQL answers", START_SECONDS)
        self._secure(container, name)
        engine.wait_for(lambda: _is_up(found, database, "require"), "PostgreSQL answers over TLS", START_SECONDS)
        secret = self._secrets.get_secret_value(SecretId=cluster["MasterUserSecret"]["SecretArn"])
        _make_roles(found, database, json.loads(secret["SecretString"]))
        for proxy in self._rds.describe_db_proxies()["DBProxies"]:
            targets = self._rds.describe_db_proxy_targets(DBProxyName=proxy["DBProxyName"])["Targets"]
            if cluster["DBClusterIdentifier"] in [target["RdsResourceId"] for target in targets]:
                found.containers.append(self._start_proxy(proxy, name))
        return found

    def _start_proxy(self, proxy: dict[str, Any], server: str) -> str:
        # As the front tells it: moto's names of proxies differ from those of AWS.
        name = proxy["Endpoint"].replace(".db-proxy-", ".proxy-")
        certificate, key = self._authority.issue(proxy["DBProxyName"], name)
        (group,) = self._rds.describe_db_proxy_target_groups(DBProxyName=proxy["DBProxyName"])["TargetGroups"]
        assert proxy["RequireTLS"], proxy
        assert all(one["IAMAuth"] == "REQUIRED" for one in proxy["Auth"]), proxy
        settings = {
            "endpoint": self._endpoint,
            "name": name,
            "secrets": [one["SecretArn"] for one in proxy["Auth"]],
            "server": server,
            "init_query": group["ConnectionPoolConfig"].get("InitQuery", ""),
            "certificate": f"/tls/{certificate.name}",
            "key": f"/tls/{key.name}",
            "authority": f"/tls/{self._authority.certificate.name}",
        }
        program = Path(rds_proxy.__file__)
        return self._containers.start(
            "proxy",
            engine.BASE,
            *("python", f"/{program.name}"),
            port=PORT,
            options=(
                *("--network-alias", name, "--add-host", "host.docker.internal:host-gateway"),
                *("--volume", f"{certificate.parent}:/tls:ro", "--volume", f"{program}:/{program.name}:ro"),
                *("--env", f"SETTINGS={json.dumps(settings)}", "--env", "PYTHONUNBUFFERED=1"),
            ),
        )

    def _secure(self, container: str, name: str) -> None:
        """Let the server speak TLS, as the endpoint of the cluster, and let in whom Aurora lets in."""
        certificate, key = self._authority.issue(container, name)
        _write(container, "server.crt", certificate.read_text())
        _write(container, "server.key", key.read_text())
        _write(container, "pg_hba.conf", ACCESS)
        for statement in ("ALTER SYSTEM SET ssl = on", "SELECT pg_reload_conf()"):
            engine.docker("exec", container, "psql", "-U", OWNER, "-d", "postgres", "-qc", statement)


def _is_up(cluster: Cluster, database: str, mode: str) -> bool:
    try:
        cluster.connect(database, OWNER, OWNER_PASSWORD, mode).close()
    except psycopg2.OperationalError:
        return False
    return True


def _write(container: str, name: str, content: str) -> None:
    """Write a file as the server's own user: PostgreSQL refuses a key that others may read."""
    command = ("docker", "exec", "--interactive", "--user", "postgres", container)
    script = f'umask 077; cat > "$PGDATA/{name}"'
    subprocess.run([*command, "sh", "-c", script], input=content, text=True, check=True, timeout=30)


def _make_roles(cluster: Cluster, database: str, master: dict[str, str]) -> None:
    """Make what Aurora has: a master user who is no superuser, but may make roles and grant `rds_iam`."""
    name = sql.Identifier(master["username"])
    statements = [
        sql.SQL("CREATE ROLE rds_iam"),
        sql.SQL("CREATE ROLE rds_superuser"),
        sql.SQL("GRANT pg_monitor, pg_signal_backend TO rds_superuser"),
        sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE PASSWORD {}").format(name, sql.Literal(master["password"])),
        sql.SQL("GRANT rds_superuser TO {}").format(name),
        sql.SQL("GRANT rds_iam TO {} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE").format(name),
        sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(database), name),
    ]
    with closing(cluster.connect(database, OWNER, OWNER_PASSWORD)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
