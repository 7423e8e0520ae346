"""Whether the process lives, and whether it can do its work."""

from __future__ import annotations

from typing import Any

import psycopg2
import pytest

from service import __version__, config
from service.app import create_app
from service.database.schema import migrate, shipped
from tests.postgres import Postgres
from tests.transports import Client


def test_the_process_says_which_version_it_is(client: Client) -> None:
    answer = client.get("/health", token=None)
    assert (answer.status, answer.json()) == (200, {"status": "healthy", "version": __version__, "commit": None})


def test_a_migrated_database_is_ready(client: Client) -> None:
    answer = client.get("/ready", token=None)
    assert answer.status == 200
    assert answer.json() == {"status": "ready", "database": "connected", "missingMigrations": []}


def ready(url: str) -> tuple[int, Any]:
    answer = create_app(config.load({"DATABASE_URL": url})).test_client().get("/ready")
    return answer.status_code, answer.json


def test_a_database_without_the_migrations_is_not_ready_and_says_what_is_missing(postgres: Postgres) -> None:
    url = postgres.create("bare")
    missing = {"status": "unready", "database": "connected", "missingMigrations": shipped()}
    assert ready(url) == (503, missing)
    migrate(config.load({"DATABASE_URL": url}))
    assert ready(url)[0] == 200
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM _yoyo_migration WHERE migration_id = %s", (shipped()[-1],))
    connection.close()
    assert ready(url) == (503, missing | {"missingMigrations": shipped()[-1:]})


def test_a_database_out_of_reach_is_not_ready(postgres: Postgres) -> None:
    status, body = ready("postgresql://nobody@127.0.0.1:1/nothing")
    assert (status, body["database"]) == (503, "unavailable")


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_a_load_balancer_may_ask_with_head(client: Client, path: str) -> None:
    answer = client.request("HEAD", path, token=None)
    assert (answer.status, answer.body) == (200, b"")
