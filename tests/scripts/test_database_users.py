"""The database's two users, made on a real PostgreSQL by a master who is no superuser: as on Aurora."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from typing import NamedTuple

import psycopg2
import pytest

from service import config
from service.database.schema import migrate, shipped
from tests.postgres import Postgres
from tests.scripts.conftest import Surroundings

APP, OWNER = "headgate", "headgate_migrate"
SECRETS = {APP: "secret-of-app", OWNER: "secret-of-owner"}


class Cluster(NamedTuple):
    """A server like Aurora's, and the database `name` of its master."""

    server: Postgres
    name: str

    def url(self, user: str, password: str) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.server.port}/{self.name}"

    def rights_of(self, user: str) -> set[str]:
        """Return the roles that a user is a member of and inherits from, through whichever others."""
        with self.server.connect(self.name) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT rolname FROM pg_roles WHERE pg_has_role(%s, oid, 'USAGE')", (user,))
            return {name for (name,) in cursor.fetchall()}


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server of its own, as roles belong to all databases of one."""
    server = Postgres("fsync = off", "password_encryption = 'scram-sha-256'")
    yield server
    server.remove()


@pytest.fixture
def cluster(server: Postgres, surroundings: Surroundings) -> Iterator[Cluster]:
    cluster = Cluster(server, f"headgate_{uuid.uuid4().hex[:8]}")
    connection = server.connect()
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE rds_iam")
        cursor.execute("CREATE ROLE master LOGIN CREATEROLE CREATEDB PASSWORD 'of-master'")
        cursor.execute("GRANT rds_iam TO master WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
        cursor.execute(f"CREATE DATABASE {cluster.name} OWNER master")
        surroundings.change(database=cluster.url("master", "of-master"))
        outputs(surroundings, cluster)
        yield cluster
        cursor.execute(f"DROP DATABASE {cluster.name} WITH (FORCE)")
        cursor.execute(f"DROP ROLE IF EXISTS {APP}, {OWNER}, master, rds_iam")
    connection.close()


def outputs(surroundings: Surroundings, cluster: Cluster, *, proxy: bool = False) -> None:
    """Let the foundation be applied, with RDS Proxy or without."""
    database = {
        "name": cluster.name,
        "app_user": APP,
        "migration_user": OWNER,
        "cluster_arn": "arn:aws:rds:eu-west-1:123456789012:cluster:headgate-dev",
        "master_secret_arn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:master",
        "proxy_name": "headgate-dev" if proxy else None,
        "user_secret_arns": SECRETS if proxy else {},
    }
    surroundings.change(foundation={"database": database})


def password_of(surroundings: Surroundings, user: str) -> str:
    password: str = json.loads(surroundings.state["passwords"][SECRETS[user]])["password"]
    return password


def attempt(url: str, sql: str) -> str | None:
    """Run a statement; return the name of the error, or none."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        connection.cursor().execute(sql)
    except psycopg2.Error as error:
        return type(error).__name__
    finally:
        connection.close()
    return None


def test_without_a_proxy_both_sign_in_with_iam_and_the_master_does_not(
    surroundings: Surroundings, cluster: Cluster
) -> None:
    for _ in range(2):
        done = surroundings.run("database-users")
        assert done.returncode == 0, done.stderr
        assert "rds_iam" in cluster.rights_of(APP)
        assert "rds_iam" in cluster.rights_of(OWNER)
        assert {"rds_iam", APP, OWNER}.isdisjoint(cluster.rights_of("master"))


def test_one_migrates_and_the_other_reads_and_writes_rows(surroundings: Surroundings, cluster: Cluster) -> None:
    outputs(surroundings, cluster, proxy=True)
    done = surroundings.run("database-users")
    assert done.returncode == 0, done.stderr
    owner, app = (cluster.url(user, password_of(surroundings, user)) for user in (OWNER, APP))
    assert migrate(config.load({"DATABASE_URL": owner})) == shipped()
    for allowed in (
        "INSERT INTO items (id, name) VALUES (gen_random_uuid(), 'a')",
        "UPDATE items SET name = 'b'",
        "DELETE FROM items",
        "SELECT * FROM _yoyo_migration",
    ):
        assert attempt(app, allowed) is None, allowed
    for refused in (
        "CREATE TABLE a (b integer)",
        "CREATE TEMPORARY TABLE a (b integer)",
        "CREATE SCHEMA a",
        "ALTER TABLE items ADD COLUMN a integer",
        "TRUNCATE items",
        "DROP TABLE items",
        f"SET ROLE {OWNER}",
    ):
        assert attempt(app, refused) == "InsufficientPrivilege", refused


def test_a_password_is_in_the_secret_and_nowhere_else(surroundings: Surroundings, cluster: Cluster) -> None:
    outputs(surroundings, cluster, proxy=True)
    done = surroundings.run("database-users")
    passwords = {password_of(surroundings, user) for user in SECRETS}
    assert len(passwords) == 2
    told = done.stdout + done.stderr + "".join(surroundings.state["calls"])
    assert not [password for password in passwords if password in told]


def test_passwords_stay_until_new_ones_are_asked_for(surroundings: Surroundings, cluster: Cluster) -> None:
    outputs(surroundings, cluster, proxy=True)
    surroundings.run("database-users")
    first = password_of(surroundings, APP)
    surroundings.run("database-users")
    assert password_of(surroundings, APP) == first
    surroundings.run("database-users", ROTATE="true")
    second = password_of(surroundings, APP)
    assert second != first
    assert attempt(cluster.url(APP, second), "SELECT 1") is None
    with pytest.raises(psycopg2.OperationalError, match="authentication failed"):
        attempt(cluster.url(APP, first), "SELECT 1")


def test_a_password_that_reached_the_secret_alone_is_set_the_next_time(
    surroundings: Surroundings, cluster: Cluster
) -> None:
    outputs(surroundings, cluster, proxy=True)
    surroundings.change(passwords={SECRETS[APP]: json.dumps({"username": APP, "password": "of-somebody"})})
    assert surroundings.run("database-users").returncode == 0
    assert attempt(cluster.url(APP, "of-somebody"), "SELECT 1") is None


def test_with_a_proxy_iam_is_taken_away_again(surroundings: Surroundings, cluster: Cluster) -> None:
    surroundings.run("database-users")
    outputs(surroundings, cluster, proxy=True)
    assert surroundings.run("database-users").returncode == 0
    assert "rds_iam" not in cluster.rights_of(APP) | cluster.rights_of(OWNER)


def test_a_database_that_is_paused_is_waited_for(surroundings: Surroundings, cluster: Cluster) -> None:
    surroundings.change(asleep=1)
    done = surroundings.run("database-users")
    assert done.returncode == 0, done.stderr
    assert "waiting for the database, which was paused" in done.stdout


def test_a_statement_that_is_refused_fails(surroundings: Surroundings, cluster: Cluster) -> None:
    surroundings.change(database=cluster.url("master", "of-nobody"))
    done = surroundings.run("database-users")
    assert done.returncode == 1
    assert "database-users: the database refused: " in done.stderr


def test_nothing_is_left_behind(surroundings: Surroundings, cluster: Cluster, tmp_path: os.PathLike[str]) -> None:
    folder = os.path.join(tmp_path, "temporary")
    os.mkdir(folder)
    outputs(surroundings, cluster, proxy=True)
    assert surroundings.run("database-users", TMPDIR=folder).returncode == 0
    assert os.listdir(folder) == []
