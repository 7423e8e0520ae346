"""A user for many tests, and a connection that properties may use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest

from service import config
from service.security.issuer import OwnIssuer
from tests.conftest import Person


@pytest.fixture(scope="module")
def cursor(environment: dict[str, str]) -> Iterator[Any]:
    """A cursor on the database under test, in autocommit mode."""
    connection = psycopg2.connect(environment["DATABASE_URL"])
    connection.autocommit = True
    with connection.cursor() as cursor:
        yield cursor
    connection.close()


@pytest.fixture(scope="module")
def anybody(cursor: Any, settings: config.Config) -> Person:
    """One user for the tests of a module, which leave nothing behind."""
    cursor.execute(
        "INSERT INTO users (email) VALUES ('anybody-' || gen_random_uuid() || '@example.com') RETURNING id, email"
    )
    user_id, email = cursor.fetchone()
    return Person(user_id, email, OwnIssuer(settings).issue(user_id, ["user"], 3600))
