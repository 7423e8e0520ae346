"""The schema, as numbered SQL files that yoyo-migrations runs once each.

Only ever one process migrates: they queue behind an advisory lock, which PostgreSQL drops with the connection.
(yoyo's own lock is a row, which a killed process leaves behind.)
"""

from __future__ import annotations

import contextlib
import logging
import sys
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2

from service import deadline
from service.config import Config
from service.database.connection import Connection, Connector, session_settings
from service.database.failures import unavailable

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK_KEY = 0x68656164  # "head"
PATIENCE_SECONDS = 3600.0

log = logging.getLogger(__name__)


def shipped() -> list[str]:
    """Return the ids of the migrations of this version, in order."""
    return sorted(path.stem for path in MIGRATIONS.glob("*.sql"))


def applied(cursor: Any) -> list[str]:
    """Return the ids of the migrations that have run, in order."""
    cursor.execute("SELECT to_regclass('_yoyo_migration') IS NOT NULL")
    if not cursor.fetchone()[0]:
        return []
    cursor.execute("SELECT migration_id FROM _yoyo_migration ORDER BY migration_id")
    return [row[0] for row in cursor.fetchall()]


def migrate(config: Config, seconds: float = PATIENCE_SECONDS) -> list[str]:
    """Run the migrations that have not run yet, one transaction each, within `seconds`; return their ids.

    They run as `migration_user`, where there is one.

    Raises `ServiceUnavailable` when the database cannot be reached, `psycopg2.Error` when a migration fails.
    """
    from yoyo import read_migrations

    deadline.start(seconds)
    database = config.database
    connector = Connector(replace(database, user=database.migration_user or database.user), seconds)
    try:
        guard = _connect(connector, seconds)
    except psycopg2.Error as error:
        raise (unavailable(error, is_closed=True) or error) from error
    try:
        with guard.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", (LOCK_KEY,))
        backend = _backend(connector, seconds)
        try:
            with contextlib.redirect_stdout(sys.stderr):  # yoyo prints what a SELECT in a migration returns
                backend.init_database()
                pending = backend.to_apply(read_migrations(str(MIGRATIONS)))
                for migration in pending:
                    backend.apply_one(migration)
        finally:
            backend.connection.close()
    finally:
        guard.close()
        deadline.clear()
    names = [migration.id for migration in pending]
    log.info("migrations have run", extra={"applied": names})
    return names


def _connect(connector: Connector, seconds: float) -> Connection:
    """Open a connection for as long as migrations may take. (RDS Proxy gives one for as long as a request may.)"""
    connection = connector.connect()
    connection.expires_at = deadline.expires_at()
    with connection.cursor() as cursor:
        for setting in session_settings(seconds).items():
            cursor.execute("SELECT set_config(%s, %s, false)", setting)
    return connection


def _backend(connector: Connector, seconds: float) -> Any:
    """Return yoyo on a connection of ours: its passwords, TLS and timeouts are the service's own."""
    from yoyo.backends.core.postgresql import PostgresqlBackend
    from yoyo.connections import DatabaseURI

    class Backend(PostgresqlBackend):  # type: ignore[misc]
        def connect(self, dburi: Any) -> Any:
            return _connect(connector, seconds)

        def apply_one(self, migration: Any, force: bool = False, mark: bool = True) -> None:
            """Run a migration and note that it ran in one transaction. (yoyo notes it in a second one.)"""
            self.ensure_internal_schema_updated()
            with self.transaction():
                migration.process_steps(self, "apply", force=force)
                self.log_migration(migration, "apply")
                self.mark_one(migration, log=False)

        def get_log_data(self, migration: Any = None, operation: str = "apply") -> dict[str, Any]:
            """Say who migrates without asking the system, which on Lambda does not know."""
            return {
                "id": str(uuid.uuid4()),
                "migration_id": migration.id,
                "migration_hash": migration.hash,
                "username": "headgate",
                "hostname": "",
                "created_at_utc": datetime.now(UTC).replace(tzinfo=None),
                "operation": operation,
            }

    return Backend(DatabaseURI("postgresql", None, None, None, None, "", {}), "_yoyo_migration")
