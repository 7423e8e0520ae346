"""How the service signs in to PostgreSQL: passwords of any kind, secrets that rotate, IAM, TLS that is verified."""

from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import boto3
import psycopg2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from moto.server import ThreadedMotoServer
from psycopg2 import sql

from service import config, gateway
from service.app import create_app
from service.database import Database, connection
from service.database.connection import RDS_CERTIFICATES, Connector
from service.errors import ServiceUnavailable
from tests.database.tls import TlsFront
from tests.postgres import PASSWORD, Postgres, free_port
from tests.security.issuers import rsa_key
from tests.transports import event_v2

RDS_HOST = "app.cluster-c1.eu-west-1.rds.amazonaws.com"
IMAGINARY = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:nothing-AbCdEf"

PASSWORDS = {
    "a space at each end": " secret ",
    "quotes": 'it\'s "quoted" `twice`',
    "backslashes": "\\a\\\\b\\'",
    "percent signs": "100%s %% %41",
    "unicode": "pässwörd-密码-🔑",
    "the alphabet of URLs": "a@b:c/d?e#f&g=h+i;j,k",
    "braces and dollars": "${HOME} {0} $1 $$",
    "line breaks": "one\ntwo\ttab",
    "an option": "x options=-cstatement_timeout=1 host=elsewhere",
    "one character": "x",
    "1000 characters": "x" * 1000,
}


@pytest.fixture
def role(postgres: Postgres) -> Iterator[Callable[..., str]]:
    """Makes a role that may sign in with a password, or changes its password; returns its name."""
    admin = postgres.connect()
    made: list[str] = []

    def provide(password: str, name: str | None = None) -> str:
        statement = "ALTER ROLE {} PASSWORD {}" if name else "CREATE ROLE {} LOGIN PASSWORD {}"
        if name is None:
            name = f"role_{uuid.uuid4().hex}"
            made.append(name)
        with admin.cursor() as cursor:
            cursor.execute(sql.SQL(statement).format(sql.Identifier(name), sql.Literal(password)))
        return name

    yield provide
    with admin.cursor() as cursor:
        for name in made:
            cursor.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
    admin.close()


def connector_for(environ: dict[str, str]) -> Connector:
    return Connector(config.load(environ).database, 4.5)


def at(postgres: Postgres, **environ: str) -> dict[str, str]:
    return {"DB_HOST": "127.0.0.1", "DB_PORT": str(postgres.port), "DB_NAME": "postgres", **environ}


def user_of(connector: Connector) -> str:
    made = connector.connect()
    try:
        with made.cursor() as cursor:
            cursor.execute("SELECT current_user")
            (name,) = cursor.fetchone()  # type: ignore[misc]
            return str(name)
    finally:
        made.close()


@pytest.mark.parametrize("password", PASSWORDS.values(), ids=PASSWORDS)
def test_a_password_of_any_kind_signs_in(postgres: Postgres, role: Callable[..., str], password: str) -> None:
    name = role(password)
    for variable in ("DATABASE_PASSWORD", "DB_PASSWORD"):
        assert user_of(connector_for(at(postgres, DB_USER=name, **{variable: password}))) == name
    url = f"postgresql://{name}:{quote(password, safe='')}@127.0.0.1:{postgres.port}/postgres"
    assert user_of(connector_for({"DATABASE_URL": url})) == name


def test_a_wrong_password_is_an_outage_whose_reason_does_not_tell_it(
    postgres: Postgres, role: Callable[..., str]
) -> None:
    settings = config.load(at(postgres, DB_USER=role("right"), DB_PASSWORD="wrong-marker"))
    with pytest.raises(ServiceUnavailable) as outage:
        Database(settings).statement(lambda cursor: cursor.execute("SELECT 1"))
    assert "authentication failed" in outage.value.reason
    assert "wrong-marker" not in outage.value.reason
    assert "\n" not in outage.value.reason


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """The endpoint of an AWS that is not one."""
    port = free_port()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def secrets(aws: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of Secrets Manager, and the same for the service."""
    for name, value in {
        "AWS_ENDPOINT_URL": aws,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)
    return boto3.client("secretsmanager")


def create_secret(secrets: Any, **content: str) -> str:
    arn: str = secrets.create_secret(Name=f"db-{uuid.uuid4()}", SecretString=json.dumps(content))["ARN"]
    return arn


def test_a_secret_is_read_once_and_again_when_the_password_was_rotated(
    secrets: Any, postgres: Postgres, role: Callable[..., str]
) -> None:
    name = role("first")
    arn = create_secret(secrets, username=name, password="first")
    connector = connector_for(at(postgres, DATABASE_SECRET_ARN=arn))
    assert user_of(connector) == name
    secrets.put_secret_value(SecretId=arn, SecretString=json.dumps({"username": name, "password": "second"}))
    assert user_of(connector) == name  # PostgreSQL takes the first still, and so does the service: it did not ask
    role("second", name)
    assert user_of(connector) == name
    secrets.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    assert user_of(connector) == name


def test_the_configured_user_goes_before_the_one_of_the_secret(
    secrets: Any, postgres: Postgres, role: Callable[..., str]
) -> None:
    name = role("password")
    arn = create_secret(secrets, username="somebody-else", password="password")
    assert user_of(connector_for(at(postgres, DB_USER=name, DATABASE_SECRET_ARN=arn))) == name


def test_a_secret_with_a_wrong_password_is_an_outage(
    secrets: Any, postgres: Postgres, role: Callable[..., str]
) -> None:
    arn = create_secret(secrets, username=role("right"), password="wrong")
    with pytest.raises(psycopg2.OperationalError, match="authentication failed"):
        connector_for(at(postgres, DATABASE_SECRET_ARN=arn)).connect()


def test_a_secret_that_is_missing_is_an_outage_with_one_line_of_reason(
    secrets: Any, postgres: Postgres, context: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings = config.load(at(postgres, DATABASE_SECRET_ARN=IMAGINARY))
    event = event_v2("GET", "/api/v1/events", claims={"sub": "x", "scope": "events:read"})
    answer = gateway.respond(create_app(settings), event, context)
    assert answer["statusCode"] == 503
    assert answer["headers"]["Retry-After"] == "60"
    assert "secret" not in answer["body"].lower()
    (reason,) = [str(record.reason) for record in caplog.records if record.message == "a dependency is unavailable"]  # type: ignore[attr-defined]
    assert reason == f"DATABASE_SECRET_ARN: the secret {IMAGINARY!r} cannot be read: ResourceNotFoundException"
    assert "\n" not in reason


def test_iam_authentication_signs_a_token_for_the_host_and_the_user(secrets: Any) -> None:
    environ = {"AURORA_ENDPOINT": RDS_HOST, "DATABASE_NAME": "app", "DATABASE_USER": "me", "DATABASE_IAM_AUTH": "true"}
    parameters = connector_for(environ).parameters()
    token = urlsplit(f"https://{parameters['password']}")
    query = parse_qs(token.query)
    assert token.netloc == f"{RDS_HOST}:5432"
    assert (query["Action"], query["DBUser"]) == (["connect"], ["me"])
    assert int(query["X-Amz-Expires"][0]) <= 900
    assert query["X-Amz-Signature"]
    assert (parameters["user"], parameters["sslmode"]) == ("me", "verify-full")


@pytest.mark.filterwarnings("ignore:Parsed a serial number")  # one of Amazon's certificates has a zero
@pytest.mark.parametrize(
    "host", [RDS_HOST, "app.proxy-c1.eu-west-1.rds.amazonaws.com", "a.rds.cn-north-1.amazonaws.com.cn"]
)
def test_aurora_is_verified_against_the_certificates_of_rds(host: str) -> None:
    environ = {"AURORA_ENDPOINT": host, "DATABASE_NAME": "app", "DATABASE_USER": "me", "DATABASE_PASSWORD": "x"}
    parameters = connector_for(environ).parameters()
    assert (parameters["host"], parameters["sslmode"]) == (host, "verify-full")
    assert parameters["sslrootcert"] == str(RDS_CERTIFICATES)
    certificates = x509.load_pem_x509_certificates(RDS_CERTIFICATES.read_bytes())
    assert len(certificates) > 50
    assert any("eu-west-1" in certificate.subject.rfc4514_string() for certificate in certificates)


@pytest.mark.parametrize("host", ["db.internal", "amazonaws.com.example.com", "xamazonaws.com"])
def test_another_host_is_not_verified_against_them(host: str) -> None:
    environ = {"AURORA_ENDPOINT": host, "DATABASE_NAME": "app", "DATABASE_USER": "me", "DATABASE_PASSWORD": "x"}
    assert "sslrootcert" not in connector_for(environ).parameters()


def self_signed(name: str) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(rsa_key().public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(rsa_key(), SHA256())
    )
    return certificate.public_bytes(Encoding.PEM)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a certificate that nobody but itself has signed; its key stands beside it."""
    path = tmp_path_factory.mktemp("tls") / "server.crt"
    path.write_bytes(self_signed(RDS_HOST))
    path.with_suffix(".key").write_bytes(
        rsa_key().private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    )
    return path


@pytest.fixture
def as_rds(
    postgres: Postgres, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Connector]]:
    """Connects to the server over TLS, under a name of Amazon's."""
    front = TlsFront(certificate, certificate.with_suffix(".key"), postgres.port)
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")

    def provide(host: str, **environ: str) -> Connector:
        signed_in = {"DB_USER": "postgres", "DB_PASSWORD": PASSWORD, "DB_PORT": str(front.port)}
        return connector_for(at(postgres, AURORA_ENDPOINT=host, **signed_in, **environ))

    yield provide
    front.close()


def test_a_server_with_a_certificate_of_its_own_making_is_refused(as_rds: Callable[..., Connector]) -> None:
    with pytest.raises(psycopg2.OperationalError, match="certificate verify failed"):
        as_rds(RDS_HOST).connect()
    made = as_rds(RDS_HOST, DATABASE_TLS="require").connect()  # which is nobody's default: it asks for no name
    assert made.info.ssl_in_use
    made.close()


def test_a_trusted_certificate_is_accepted_for_its_own_name_alone(
    as_rds: Callable[..., Connector], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "RDS_CERTIFICATES", certificate)
    made = as_rds(RDS_HOST).connect()
    assert made.info.ssl_in_use
    made.close()
    with pytest.raises(psycopg2.OperationalError, match="does not match host name"):
        as_rds("another.rds.amazonaws.com").connect()


def test_a_server_without_tls_is_refused_where_it_must_be_verified(postgres: Postgres) -> None:
    environ = at(postgres, AURORA_ENDPOINT="127.0.0.1", DB_USER="postgres", DB_PASSWORD=PASSWORD)
    with pytest.raises(
        psycopg2.OperationalError, match=r"root certificate file .* does not exist|server does not support SSL"
    ):
        connector_for(environ).connect()
    with pytest.raises(psycopg2.OperationalError, match="server does not support SSL"):
        connector_for(environ | {"DATABASE_TLS": "require"}).connect()


def shared_secret(secrets: Any, **content: Any) -> str:
    name = f"headgate-{uuid.uuid4()}"
    secrets.create_secret(Name=name, SecretString=json.dumps({"fullbay_api_key": "k", **content}))
    return name


def test_the_password_of_the_shared_secret_signs_in_and_is_read_again_when_it_was_rotated(
    secrets: Any, postgres: Postgres, role: Callable[..., str]
) -> None:
    user = role("first")
    name = shared_secret(secrets, db_password="first", username="somebody-else", password="another")
    connector = connector_for(at(postgres, DB_USER=user, SECRETS_MANAGER_SECRET_NAME=name))
    assert user_of(connector) == user
    secrets.put_secret_value(SecretId=name, SecretString=json.dumps({"db_password": "second"}))
    assert user_of(connector) == user
    role("second", user)
    assert user_of(connector) == user
    secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    assert user_of(connector) == user


def test_every_thread_signs_in_after_a_rotation(secrets: Any, postgres: Postgres, role: Callable[..., str]) -> None:
    user = role("first")
    name = shared_secret(secrets, db_password="first")
    connector = connector_for(at(postgres, DB_USER=user, SECRETS_MANAGER_SECRET_NAME=name))
    assert user_of(connector) == user
    secrets.put_secret_value(SecretId=name, SecretString=json.dumps({"db_password": "second"}))
    role("second", user)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: user_of(connector), range(8))) == {user}


OTHER_WAYS = {
    "a password": {"DB_PASSWORD": PASSWORD},
    "a URL": {"DATABASE_URL": "postgresql://me@127.0.0.1/x"},
    "IAM": {"DATABASE_IAM_AUTH": "true"},
    "a secret of its own": {"DATABASE_SECRET_ARN": IMAGINARY},
}


@pytest.mark.parametrize("way", OTHER_WAYS.values(), ids=OTHER_WAYS)
def test_the_shared_secret_is_for_databases_that_nothing_else_signs_in_to(way: dict[str, str]) -> None:
    environ = {"DB_HOST": "db", "DB_NAME": "x", "DB_USER": "me", "SECRETS_MANAGER_SECRET_NAME": "headgate"}
    assert config.load(environ).database.secret_name == "headgate"
    settings = config.load(environ | way)
    assert settings.database.secret_name is None
    assert settings.fullbay.secret_name == "headgate"


def test_a_password_that_is_given_is_used_without_the_secret_being_read(
    postgres: Postgres, secrets: Any, role: Callable[..., str]
) -> None:
    user = role("given")
    assert (
        user_of(connector_for(at(postgres, DB_USER=user, DB_PASSWORD="given", DATABASE_SECRET_ARN=IMAGINARY))) == user
    )


def test_the_shared_secret_names_no_user() -> None:
    environ = {"DB_HOST": "db", "DB_NAME": "x", "SECRETS_MANAGER_SECRET_NAME": "headgate"}
    with pytest.raises(config.ConfigError, match="DATABASE_USER is missing"):
        config.load(environ)


UNUSABLE: dict[str, tuple[dict[str, Any], str]] = {
    "no password": ({}, "db_password is missing in the secret"),
    "an empty password": ({"db_password": ""}, "db_password is missing in the secret"),
    "a number": ({"db_password": 5}, "db_password in the secret"),
}


@pytest.mark.parametrize(("content", "text"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_shared_secret_without_a_password_is_an_outage_that_says_so(
    secrets: Any, postgres: Postgres, content: dict[str, Any], text: str
) -> None:
    name = shared_secret(secrets, **content)
    settings = config.load(at(postgres, DB_USER="me", SECRETS_MANAGER_SECRET_NAME=name))
    with pytest.raises(ServiceUnavailable) as outage:
        Database(settings).statement(lambda cursor: cursor.execute("SELECT 1"))
    assert outage.value.reason.startswith(f"SECRETS_MANAGER_SECRET_NAME: {text} {name!r}")


def test_a_wrong_password_in_the_shared_secret_is_read_twice_and_told_to_nobody(
    secrets: Any, postgres: Postgres, role: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    name = shared_secret(secrets, db_password="wrong-marker")
    settings = config.load(at(postgres, DB_USER=role("right"), SECRETS_MANAGER_SECRET_NAME=name))
    caplog.clear()
    with pytest.raises(ServiceUnavailable) as outage:
        Database(settings).statement(lambda cursor: cursor.execute("SELECT 1"))
    assert "authentication failed" in outage.value.reason
    assert "wrong-marker" not in outage.value.reason + caplog.text
    assert "wrong-marker" not in repr(settings)
    asked = [record for record in caplog.records if record.name == "werkzeug" and "POST" in record.getMessage()]
    assert len(asked) == 2


def test_a_password_that_is_refused_and_has_not_changed_is_not_offered_again(
    secrets: Any, postgres: Postgres, role: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the server counts failures, two for each request lock the service out."""
    name = shared_secret(secrets, db_password="wrong")
    connector = connector_for(at(postgres, DB_USER=role("right"), SECRETS_MANAGER_SECRET_NAME=name))
    offered: list[str] = []
    connect = connector._connect

    def noting(parameters: dict[str, Any]) -> Any:
        offered.append(parameters["password"])
        return connect(parameters)

    monkeypatch.setattr(connector, "_connect", noting)
    with pytest.raises(psycopg2.OperationalError, match="authentication failed"):
        connector.connect()
    assert offered == ["wrong"]


def test_secrets_manager_out_of_reach_is_an_outage_within_the_deadline(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, secrets: Any
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    settings = config.load(at(postgres, DB_USER="me", SECRETS_MANAGER_SECRET_NAME="headgate"))
    with pytest.raises(ServiceUnavailable) as outage:
        Database(settings).statement(lambda cursor: cursor.execute("SELECT 1"))
    assert outage.value.reason == (
        "SECRETS_MANAGER_SECRET_NAME: the secret 'headgate' cannot be read: EndpointConnectionError"
    )
