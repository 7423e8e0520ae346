"""Aurora and RDS Proxy as they are emulated: who gets in, and how."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import psycopg2
import pytest
from botocore.exceptions import ClientError

from tests.docker import engine
from tests.rehearsal import aws
from tests.rehearsal.cloud import Cloud

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]


def execute(cloud: Cloud, cluster: dict[str, Any], sql: str, *parameters: dict[str, Any]) -> list[list[Any]]:
    answer = cloud.client("rds-data").execute_statement(
        resourceArn=cluster["DBClusterArn"],
        secretArn=cluster["MasterUserSecret"]["SecretArn"],
        database="headgate",
        sql=sql,
        parameters=list(parameters),
    )
    return [list(record) for record in answer["records"]]


def connect(cloud: Cloud, cluster: dict[str, Any], user: str, password: str, mode: str = "require") -> Any:
    running = cloud.databases.of(cluster["DBClusterArn"])
    return running.connect("headgate", user, password, mode)


def test_the_data_api_runs_sql_as_the_master_user(cloud: Cloud, cluster: dict[str, Any]) -> None:
    (row,) = execute(
        cloud,
        cluster,
        "SELECT current_user, :number + 1, :word || '%', :nothing::text, true, 1.5::float8, 'a:b'",
        {"name": "number", "value": {"longValue": 41}},
        {"name": "word", "value": {"stringValue": "ä"}},
        {"name": "nothing", "value": {"isNull": True}},
    )
    assert row == [
        {"stringValue": "keeper"},
        {"longValue": 42},
        {"stringValue": "ä%"},
        {"isNull": True},
        {"booleanValue": True},
        {"doubleValue": 1.5},
        {"stringValue": "a:b"},
    ]


def test_a_statement_that_fails_says_so_and_changes_nothing(cloud: Cloud, cluster: dict[str, Any]) -> None:
    execute(cloud, cluster, "CREATE TABLE kept (id integer PRIMARY KEY)")
    execute(cloud, cluster, "INSERT INTO kept VALUES (1)")
    with pytest.raises(ClientError, match="SQLState: 23505"):
        execute(cloud, cluster, "INSERT INTO kept VALUES (2), (1)")
    assert execute(cloud, cluster, "SELECT count(*) FROM kept") == [[{"longValue": 1}]]


def test_the_master_user_is_no_superuser(cloud: Cloud, cluster: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="permission denied"):
        execute(cloud, cluster, "CREATE ROLE another SUPERUSER")


def test_a_cluster_that_is_not_there_is_refused(cloud: Cloud, cluster: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="BadRequestException"):
        execute(cloud, {**cluster, "DBClusterArn": cluster["DBClusterArn"] + "-no"}, "SELECT 1")


def test_only_members_of_rds_iam_get_in_without_a_password(cloud: Cloud, cluster: dict[str, Any]) -> None:
    for user in ("member", "stranger"):
        execute(cloud, cluster, f"CREATE ROLE {user} LOGIN")
    execute(cloud, cluster, "GRANT rds_iam TO member")
    connect(cloud, cluster, "member", "a token").close()
    with pytest.raises(psycopg2.OperationalError, match="authentication failed"):
        connect(cloud, cluster, "stranger", "a token")
    with pytest.raises(psycopg2.OperationalError, match="no pg_hba"):
        connect(cloud, cluster, "member", "a token", mode="disable")


def test_the_certificate_is_of_the_endpoint(cloud: Cloud, cluster: dict[str, Any]) -> None:
    execute(cloud, cluster, "SELECT 1")
    port = cloud.databases.of(cluster["DBClusterArn"]).port
    command = ("openssl", "s_client", "-starttls", "postgres", "-connect", f"127.0.0.1:{port}", "-CAfile")
    checked = ("-verify_return_error", "-verify_hostname", cluster["Endpoint"])
    done = subprocess.run(
        [*command, str(cloud.authority), *checked], input="", capture_output=True, text=True, timeout=20
    )
    assert "Verify return code: 0 (ok)" in done.stdout, done.stdout + done.stderr


@pytest.fixture(scope="module")
def proxy(cloud: Cloud) -> dict[str, Any]:
    """A cluster with a proxy, whose one user has a password."""
    rds, secrets = cloud.client("rds"), cloud.client("secretsmanager")
    cluster = rds.create_db_cluster(
        DBClusterIdentifier="proxied",
        Engine="aurora-postgresql",
        MasterUsername="keeper",
        ManageMasterUserPassword=True,
        DatabaseName="headgate",
        EnableHttpEndpoint=True,
    )["DBCluster"]
    secret = secrets.create_secret(Name="proxied")["ARN"]
    empty = secrets.create_secret(Name="empty")["ARN"]
    subnets = [subnet["SubnetId"] for subnet in cloud.client("ec2").describe_subnets()["Subnets"][:2]]
    made = rds.create_db_proxy(
        DBProxyName="proxied",
        EngineFamily="POSTGRESQL",
        Auth=[{"SecretArn": arn, "IAMAuth": "REQUIRED", "AuthScheme": "SECRETS"} for arn in (empty, secret)],
        RoleArn=f"arn:aws:iam::{aws.ACCOUNT}:role/proxy",
        VpcSubnetIds=subnets,
        RequireTLS=True,
    )["DBProxy"]
    rds.modify_db_proxy_target_group(
        DBProxyName="proxied",
        TargetGroupName="default",
        ConnectionPoolConfig={"InitQuery": "SET statement_timeout = '4321'; SET timezone = 'Asia/Tokyo'"},
    )
    rds.register_db_proxy_targets(DBProxyName="proxied", DBClusterIdentifiers=["proxied"])
    execute(cloud, cluster, "CREATE ROLE app LOGIN PASSWORD 'of the secret'")
    execute(cloud, cluster, "CREATE ROLE other LOGIN PASSWORD 'of no secret'")
    secrets.put_secret_value(SecretId=secret, SecretString=json.dumps({"username": "app", "password": "of the secret"}))
    name = cloud.databases.of(cluster["DBClusterArn"]).containers[1]
    engine.wait_for(lambda: "there" in engine.logs(name), "the proxy listens")
    described = rds.describe_db_proxies(DBProxyName="proxied")["DBProxies"][0]["Endpoint"]
    assert described != made["Endpoint"] or ".proxy-" in described
    return {"endpoint": described, "port": engine.port_of(name, 5432), "rds": rds}


def through(proxy: dict[str, Any], user: str, *, token: str | None = None, **parameters: str) -> Any:
    if token is None:
        token = proxy["rds"].generate_db_auth_token(proxy["endpoint"], 5432, user, Region=aws.REGION)
    told = {"sslmode": "require", **parameters}
    return psycopg2.connect(
        host="127.0.0.1", port=proxy["port"], dbname="headgate", user=user, password=token, connect_timeout=5, **told
    )


def test_the_endpoint_of_a_proxy_is_called_as_on_aws(proxy: dict[str, Any]) -> None:
    assert proxy["endpoint"].startswith("proxied.proxy-")


def test_a_proxy_signs_its_users_in_and_says_the_initial_query(proxy: dict[str, Any]) -> None:
    connection = through(proxy, "app")
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_user, current_setting('statement_timeout'), current_setting('timezone')")
        assert cursor.fetchall() == [("app", "4321ms", "Asia/Tokyo")]
        cursor.execute("SELECT repeat('x', 1000000), %s", ("y" * 1_000_000,))
        assert [len(text) for text in cursor.fetchone()] == [1_000_000, 1_000_000]
    connection.close()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"user": "app", "options": "-c statement_timeout=1"}, "doesn't support command-line options"),
        ({"user": "app", "sslmode": "disable"}, "requires TLS"),
        ({"user": "app", "token": "of the secret"}, "IAM authentication failed"),
        ({"user": "other"}, "no credentials for the role other"),
    ],
    ids=["startup options", "no TLS", "a password in place of a token", "a user without a secret"],
)
def test_a_proxy_refuses(proxy: dict[str, Any], changes: dict[str, str], message: str) -> None:
    with pytest.raises(psycopg2.OperationalError, match=message):
        through(proxy, **changes)


def test_a_proxy_refuses_the_token_of_another_user(proxy: dict[str, Any]) -> None:
    token = proxy["rds"].generate_db_auth_token(proxy["endpoint"], 5432, "other", Region=aws.REGION)
    with pytest.raises(psycopg2.OperationalError, match="IAM authentication failed"):
        through(proxy, "app", token=token)
