"""The schema, as numbered SQL files that yoyo-migrations runs once each.

Only ever one process migrates: they queue behind an advisory lock, which PostgreSQL drops with the connection.
(yoyo's own lock is a row, which a killed process leaves behind.)
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import psycopg2

from service import deadline
from service.config import Config
from service.database.connection import Connector
from service.database.failures import unavailable

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK_KEY = 0x68656164  # "head"
STATEMENT_SECONDS = 3600.0

log = logging.getLogger(__name__)


def shipped() -> list[str]:
    """Return the ids of the migrations of this version, in order."""
    return sorted(path.stem for path in MIGRATIONS.glob("*.sql"))


def applied(cursor: Any) -> list[str]:
    """Return the ids of the migrations that have run. Raises `psycopg2.Error` where none ever has."""
    cursor.execute("SELECT migration_id FROM _yoyo_migration ORDER BY migration_id")
    return [row[0] for row in cursor.fetchall()]


def migrate(config: Config) -> list[str]:
    """Run the migrations that have not run yet, one transaction each; return their ids.

    Raises `ServiceUnavailable` when the database cannot be reached, `psycopg2.Error` when a migration fails.
    """
    from yoyo import read_migrations
    from yoyo.backends.core.postgresql import PostgresqlBackend
    from yoyo.connections import DatabaseURI

    deadline.start(STATEMENT_SECONDS)
    connector = Connector(config.database, STATEMENT_SECONDS)

    class Backend(PostgresqlBackend):  # type: ignore[misc]
        """yoyo on a connection of ours: its passwords, TLS and timeouts are the service's own."""

        def connect(self, dburi: Any) -> Any:
            connection = connector.connect()
            connection.expires_at = deadline.expires_at()
            return connection

    try:
        guard = connector.connect()
    except psycopg2.Error as error:
        raise (unavailable(error, is_closed=True) or error) from error
    try:
        guard.expires_at = deadline.expires_at()
        with guard.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", (LOCK_KEY,))
        backend = Backend(DatabaseURI("postgresql", None, None, None, None, "", {}), "_yoyo_migration")
        try:
            backend.init_database()
            pending = backend.to_apply(read_migrations(str(MIGRATIONS)))
            backend.apply_migrations(pending)
        finally:
            backend.connection.close()
    finally:
        guard.close()
        deadline.clear()
    names = [migration.id for migration in pending]
    log.info("migrations have run", extra={"applied": names})
    return names
