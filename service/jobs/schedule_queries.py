"""The SQL of schedules. Each statement may be repeated as it stands: what it has done already it does not do twice."""

from __future__ import annotations

from datetime import datetime

from service.database import Cursor


def schedules(cursor: Cursor) -> tuple[datetime, dict[str, tuple[str, datetime]]]:
    """Return what time it is, and of each schedule that has begun its expression and when it is due next."""
    cursor.execute(
        """
        SELECT now(), name, expression, due_at
        FROM (SELECT) AS one
        LEFT JOIN job_schedules ON true
        """
    )
    rows = cursor.fetchall()
    return rows[0][0], {name: (expression, due_at) for _, name, expression, due_at in rows if name}


def begin_schedule(cursor: Cursor, name: str, expression: str, due_at: datetime) -> None:
    """Note when a schedule with a new expression is due next, unless another process has."""
    cursor.execute(
        """
        INSERT INTO job_schedules (name, expression, due_at)
        VALUES (%s, %s, %s)
        ON CONFLICT (name) DO UPDATE SET expression = excluded.expression, due_at = excluded.due_at
            WHERE job_schedules.expression <> excluded.expression
        """,
        (name, expression, due_at),
    )


def put_scheduled(
    cursor: Cursor, name: str, was_due_at: datetime, next_due_at: datetime, job_id: str, job: str, arguments: str
) -> bool:
    """Put the job of a schedule and move the schedule on, unless another process has; return whether it was done."""
    cursor.execute(
        """
        WITH moved AS (
            UPDATE job_schedules SET due_at = %(next)s WHERE name = %(name)s AND due_at = %(was)s RETURNING name
        )
        INSERT INTO jobs (id, name, arguments)
        SELECT %(id)s, %(job)s, %(arguments)s::jsonb
        FROM moved
        """,
        {"name": name, "was": was_due_at, "next": next_due_at, "id": job_id, "job": job, "arguments": arguments},
    )
    return cursor.rowcount == 1
