"""The SQL of jobs. Each statement may be repeated as it stands: what it has done already it does not do twice."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from service.database import Cursor


class Taken(NamedTuple):
    """A job that a worker has taken: `attempt` counts from 1, `age` is the seconds for which it was due."""

    id: str
    name: str
    arguments: dict[str, Any]
    attempt: int
    last_reason: str | None
    age: float


def put(cursor: Cursor, job_id: str, name: str, arguments: str, delay_seconds: float) -> None:
    """Store a job. Raises `psycopg2.DataError` for arguments that are not to be stored."""
    cursor.execute(
        """
        INSERT INTO jobs (id, name, arguments, run_at)
        VALUES (%s, %s, %s::jsonb, now() + make_interval(secs => %s))
        ON CONFLICT (id) DO NOTHING
        """,
        (job_id, name, arguments, delay_seconds),
    )


def take(cursor: Cursor, lease: str, lease_seconds: float) -> Taken | None:
    """Give the job that is due longest to whoever has `lease`, None where none is due.

    A job whose lease has ended is due again: its worker is dead, or has lost the database.
    """
    cursor.execute(
        """
        WITH due AS (
            SELECT id
            FROM jobs
            WHERE dead_at IS NULL AND run_at <= now() AND (leased_until IS NULL OR leased_until <= now())
            ORDER BY run_at, id
            LIMIT 1
            FOR UPDATE SKIP LOCKED
        )
        UPDATE jobs
        SET attempts = attempts + 1, lease = %(lease)s, leased_until = now() + make_interval(secs => %(seconds)s)
        FROM due
        WHERE jobs.id = due.id
        RETURNING jobs.id::text, name, arguments, attempts, last_reason,
                  extract(epoch FROM now() - run_at)::float8
        """,
        {"lease": lease, "seconds": lease_seconds},
    )
    row = cursor.fetchone()
    return Taken(*row) if row else None


def extend(cursor: Cursor, lease: str, lease_seconds: float) -> bool:
    """Let a lease end later; return whether it still was one."""
    cursor.execute(
        "UPDATE jobs SET leased_until = now() + make_interval(secs => %s) WHERE lease = %s", (lease_seconds, lease)
    )
    return cursor.rowcount == 1


def finish(cursor: Cursor, lease: str) -> bool:
    """Remove a job that is done; return whether it was there under this lease."""
    cursor.execute("DELETE FROM jobs WHERE lease = %s", (lease,))
    return cursor.rowcount == 1


def fail(cursor: Cursor, lease: str, reason: str, delay_seconds: float | None) -> bool:
    """Give back a job that has failed, to be run after `delay_seconds`, or as a dead letter; return whether it was."""
    cursor.execute(
        """
        UPDATE jobs
        SET lease = NULL, leased_until = NULL, last_reason = %(reason)s,
            run_at = now() + make_interval(secs => coalesce(%(delay)s, 0)),
            dead_at = CASE WHEN %(delay)s::float8 IS NULL THEN now() END
        WHERE lease = %(lease)s
        """,
        {"lease": lease, "reason": reason, "delay": delay_seconds},
    )
    return cursor.rowcount == 1


def hand_back(cursor: Cursor, lease: str, delay_seconds: float) -> bool:
    """Give back a job that was not run to its end, as if it had not been taken; return whether it was there."""
    cursor.execute(
        """
        UPDATE jobs
        SET lease = NULL, leased_until = NULL, attempts = attempts - 1, run_at = now() + make_interval(secs => %s)
        WHERE lease = %s
        """,
        (delay_seconds, lease),
    )
    return cursor.rowcount == 1


def oldest(cursor: Cursor) -> float:
    """Return for how many seconds the oldest job that is due has waited, 0 where none is due."""
    cursor.execute(
        """
        SELECT coalesce(extract(epoch FROM now() - min(run_at)), 0)::float8
        FROM jobs
        WHERE dead_at IS NULL AND run_at <= now() AND (leased_until IS NULL OR leased_until <= now())
        """
    )
    row: tuple[float] = cursor.fetchone()  # type: ignore[assignment]
    return row[0]


class Listed(NamedTuple):
    """A job as an operator sees it; `state` is waiting, running or dead."""

    id: str
    name: str
    arguments: dict[str, Any]
    state: str
    attempts: int
    run_at: datetime
    created_at: datetime
    dead_at: datetime | None
    last_reason: str | None


def every_job(cursor: Cursor, only_dead: bool) -> list[Listed]:
    """Return the jobs, the dead ones last."""
    cursor.execute(
        """
        SELECT id::text, name, arguments,
               CASE WHEN dead_at IS NOT NULL THEN 'dead' WHEN leased_until > now() THEN 'running' ELSE 'waiting' END,
               attempts, run_at, created_at, dead_at, last_reason
        FROM jobs
        WHERE dead_at IS NOT NULL OR NOT %s
        ORDER BY dead_at NULLS FIRST, run_at, id
        """,
        (only_dead,),
    )
    return [Listed(*row) for row in cursor.fetchall()]


def retry(cursor: Cursor, job_ids: list[str] | None) -> list[str]:
    """Let dead letters, or all of them, be run again from the start; return their ids."""
    cursor.execute(
        """
        UPDATE jobs
        SET dead_at = NULL, attempts = 0, run_at = now()
        WHERE dead_at IS NOT NULL AND (%(ids)s::uuid[] IS NULL OR id = ANY (%(ids)s::uuid[]))
        RETURNING id::text
        """,
        {"ids": job_ids},
    )
    return [row[0] for row in cursor.fetchall()]


def drop(cursor: Cursor, job_id: str) -> bool:
    """Delete a job that is not running; return whether there was one."""
    cursor.execute("DELETE FROM jobs WHERE id = %s AND (leased_until IS NULL OR leased_until <= now())", (job_id,))
    return cursor.rowcount == 1
