"""The worker of `python -m service worker` with jobs to test it by: `python -m tests.jobs.working worker`.

Each run of a job is a row of the table `ran`: what it was called with, by which process, from when to when.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

import psycopg2

from service import deadline, jobs
from service.__main__ import main
from service.database import get_database
from service.errors import ServiceUnavailable

TABLE = """
CREATE TABLE ran (
    id bigint GENERATED ALWAYS AS IDENTITY, key text, pid integer, began timestamptz DEFAULT clock_timestamp(),
    ended timestamptz, note text
)
"""
SECRET = "marker-secret-11"


def _write(sql: str, *values: Any) -> Any:
    """Run SQL on a connection of its own, as any job's work is seen by others at once."""
    connection = psycopg2.connect(os.environ["DATABASE_URL"])
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchone()[0] if cursor.description else None
    finally:
        connection.close()


def begin(arguments: dict[str, Any]) -> int:
    return int(_write("INSERT INTO ran (key, pid) VALUES (%s, %s) RETURNING id", arguments.get("key"), os.getpid()))


def end(row: int, note: str = "done") -> None:
    _write("UPDATE ran SET ended = clock_timestamp(), note = %s WHERE id = %s", note, row)


def note(arguments: dict[str, Any]) -> None:
    row = begin(arguments)
    time.sleep(arguments.get("seconds", 0))
    end(row)


def until_told(arguments: dict[str, Any]) -> None:
    """Work in short steps until the deadline is near or cut."""
    row = begin(arguments)
    while deadline.remaining() > 0.3 and not deadline.is_cut():
        time.sleep(0.05)
    end(row, f"cut={deadline.is_cut()}")


def kill(arguments: dict[str, Any]) -> None:
    """Do the work, and take the whole process away before the worker knows."""
    end(begin(arguments))
    os.kill(os.getpid(), signal.SIGKILL)


def kill_once(arguments: dict[str, Any]) -> None:
    times = _write("SELECT count(*) FROM ran WHERE key = %s", arguments["key"])
    end(begin(arguments))
    if not times:
        os.kill(os.getpid(), signal.SIGKILL)


def fail(arguments: dict[str, Any]) -> None:
    end(begin(arguments))
    raise RuntimeError(f"refused with {SECRET}")


def fail_once(arguments: dict[str, Any]) -> None:
    times = _write("SELECT count(*) FROM ran WHERE key = %s", arguments["key"])
    end(begin(arguments))
    if not times:
        raise ServiceUnavailable(reason="the source said 503")


def leave(arguments: dict[str, Any]) -> None:
    end(begin(arguments))
    sys.exit(7)


def refuse(arguments: dict[str, Any]) -> None:
    end(begin(arguments))
    raise jobs.InvalidJob("source must be one of a, b")


def count_rows(arguments: dict[str, Any]) -> None:
    """Use the database of the application, as jobs do."""
    row = begin(arguments)
    end(row, str(get_database().statement(lambda cursor: cursor.execute("SELECT 7") or cursor.fetchone()[0])))


def put_next(arguments: dict[str, Any]) -> None:
    end(begin(arguments))
    if arguments["left"]:
        jobs.get_queue().put("put-next", {"key": arguments["key"], "left": arguments["left"] - 1})


def register() -> None:
    """Register each under its name, with dashes."""
    for function in (note, until_told, kill, kill_once, fail, fail_once, leave, refuse, count_rows, put_next):
        jobs.job(function.__name__.replace("_", "-"))(function)


if __name__ == "__main__":
    register()
    main(sys.argv[1:])
