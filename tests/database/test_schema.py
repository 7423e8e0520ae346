"""Who migrates, and how long that may take."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest

from service.config import Config, DatabaseConfig
from service.database.schema import migrate, shipped
from tests.postgres import Postgres

APP, OWNER = "app_of_requests", "owner_of_tables"


@pytest.fixture
def name(postgres: Postgres) -> Iterator[str]:
    """An empty database of a user who may make tables, and one who may not."""
    name = f"users_{uuid.uuid4().hex}"
    postgres.create(name)
    connection = postgres.connect(name)
    with connection.cursor() as cursor:
        for user in (APP, OWNER):
            cursor.execute(f"CREATE ROLE {user} LOGIN PASSWORD 'secret'")
        cursor.execute(f"GRANT CREATE ON SCHEMA public TO {OWNER}")
        yield name
        for user in (APP, OWNER):
            cursor.execute(f"DROP OWNED BY {user}; DROP ROLE {user}")
    connection.close()


def ask(postgres: Postgres, database: str, statement: str) -> Any:
    connection = postgres.connect(database)
    with connection.cursor() as cursor:
        cursor.execute(statement)
        found = cursor.fetchall()
    connection.close()
    return found


def test_the_migration_user_migrates_and_the_user_of_requests_could_not(postgres: Postgres, name: str) -> None:
    database = DatabaseConfig(host="127.0.0.1", port=postgres.port, name=name, user=APP, password="secret")
    with pytest.raises(psycopg2.ProgrammingError):
        migrate(Config(database=database))

    owned = DatabaseConfig(**{**vars(database), "migration_user": OWNER})
    assert migrate(Config(database=owned)) == shipped()

    owners = ask(postgres, name, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
    assert owners == [(OWNER,)]


def test_behind_a_proxy_migrations_may_take_longer_than_a_request(postgres: Postgres, name: str) -> None:
    """RDS Proxy refuses startup options; its sessions begin with the timeouts of requests, here those of the role."""
    ask(postgres, name, f"ALTER ROLE {OWNER} SET statement_timeout = '1ms'; SELECT 1")
    user, password = quote(OWNER), quote("secret")
    url = f"postgresql://{user}:{password}@127.0.0.1:{postgres.port}/{name}?application_name=a.proxy-b"

    assert migrate(Config(database=DatabaseConfig(url=url))) == shipped()
