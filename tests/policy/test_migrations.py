"""Migrations: numbered without a gap, run once each, whole or not at all, by however many processes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from service import config
from service.database import schema
from service.database.schema import migrate, shipped
from tests.postgres import Postgres

ROOT = Path(__file__).parent.parent.parent

MIGRATE_OTHERS = """
import sys
from pathlib import Path
from service import config
from service.database import schema
schema.MIGRATIONS = Path(sys.argv[1])
import yoyo.backends.core.postgresql
print("ready", flush=True)
sys.stdin.readline()
print(schema.migrate(config.load()))
"""

HALF = "CREATE TABLE first_half (id integer);\n{pause}\nCREATE TABLE second_half (id integer);\n"


@pytest.fixture
def empty(postgres: Postgres) -> str:
    """The URL of an empty database."""
    return postgres.create(f"migrations_{uuid.uuid4().hex}")


def tables_of(url: str) -> set[str]:
    return {row[0] for row in query(url, "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p')")}


def query(url: str, sql: str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()
    finally:
        connection.close()


def start(url: str, *command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATABASE_URL": url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_the_migrations_are_numbered_without_a_gap() -> None:
    names = sorted(path.name for path in schema.MIGRATIONS.iterdir() if path.suffix != ".pyc")
    assert names
    assert all(re.fullmatch(r"[0-9]{4}_[a-z0-9_]+\.sql", name) for name in names)
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    assert shipped() == [name.removesuffix(".sql") for name in names]


def test_they_bring_an_empty_database_to_the_schema_and_run_once(empty: str) -> None:
    settings = config.load({"DATABASE_URL": empty})
    assert migrate(settings) == shipped()
    before = tables_of(empty)
    assert {"business_events", "event_headers", "car_entities"} <= before
    assert migrate(settings) == []
    assert tables_of(empty) == before


def test_six_processes_at_once_run_them_once(empty: str, tmp_path: Path) -> None:
    migrations = other_migrations(tmp_path, pause="DO $$ BEGIN PERFORM pg_sleep(0.2); END $$;")
    processes = [start(empty, "-c", MIGRATE_OTHERS, str(migrations)) for _ in range(6)]
    for process in processes:
        until_ready(process)
    for process in processes:
        go(process)
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 6, outputs
    assert sorted(outputs) == sorted([f"{[*shipped(), '9999_half']}\n", *["[]\n"] * 5])


def until_ready(process: subprocess.Popen[str]) -> None:
    """Wait until a process has imported all that it needs."""
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def test_a_migration_that_fails_leaves_nothing_half_done_and_is_run_again(
    empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config.load({"DATABASE_URL": empty})
    migrations = other_migrations(tmp_path, pause="SELECT 1 / 0;")
    monkeypatch.setattr(schema, "MIGRATIONS", migrations)
    with pytest.raises(psycopg2.errors.DivisionByZero):
        migrate(settings)
    assert "business_events" in tables_of(empty)  # the one before it is done
    assert not {"first_half", "second_half"} & tables_of(empty)
    other_migrations(tmp_path, pause="")
    assert migrate(settings) == ["9999_half"]
    assert {"first_half", "second_half"} <= tables_of(empty)


def test_a_process_that_is_killed_in_the_middle_leaves_nothing_half_done_and_no_lock(
    empty: str, tmp_path: Path
) -> None:
    migrations = other_migrations(tmp_path, pause="DO $$ BEGIN PERFORM pg_sleep(11); END $$;")
    process = start(empty, "-c", MIGRATE_OTHERS, str(migrations))
    until_ready(process)
    go(process)
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(11)%' AND pid <> pg_backend_pid()"
    expires_at = time.monotonic() + 20
    while query(empty, sleeping + " AND datname = current_database()") == [(0,)]:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < expires_at
        time.sleep(0.05)
    process.kill()
    process.communicate()
    assert not {"first_half", "second_half"} & tables_of(empty)
    other_migrations(tmp_path, pause="")
    started = time.monotonic()
    after = start(empty, "-c", MIGRATE_OTHERS, str(migrations))
    until_ready(after)
    go(after)
    output, _ = after.communicate(timeout=90)
    assert (after.returncode, output) == (0, "['9999_half']\n")
    assert time.monotonic() - started < 8
    assert {"first_half", "second_half"} <= tables_of(empty)


def other_migrations(directory: Path, pause: str) -> Path:
    """Return a directory with the migrations of this version and one more, which pauses in the middle."""
    copy = directory / "migrations"
    if not copy.exists():
        shutil.copytree(schema.MIGRATIONS, copy)
    (copy / "9999_half.sql").write_text(HALF.format(pause=pause))
    return copy
