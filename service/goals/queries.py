"""The SQL of goals. Answers are JSON text that PostgreSQL builds; each statement may be repeated as it stands.

A goal has twenty columns, which INSERT and UPDATE name one by one: hence the length.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from service.database import Cursor, json_of

Versioned = tuple[str, int]  # JSON, and the version of what it tells


def insert(cursor: Cursor, user_id: str, goal_id: str, goal: dict[str, Any]) -> Versioned:
    """Store a goal; return it. Raises `psycopg2.IntegrityError` where it breaks a rule."""
    cursor.execute(
        """
        INSERT INTO goals (
            id, user_id, title, description, category, icon, color, goal_pattern,
            metric, target_value, unit, period, target_date, start_value, direction, target_type, min_value, max_value,
            days_of_week, preferred_time, context, visibility, status
        )
        VALUES (
            %(id)s, %(user_id)s, %(title)s, %(description)s, %(category)s, %(icon)s, %(color)s, %(goal_pattern)s,
            %(metric)s, %(value)s, %(unit)s, %(period)s, %(target_date)s, %(start_value)s, %(direction)s,
            %(target_type)s, %(min_value)s, %(max_value)s,
            %(days_of_week)s::smallint[], %(preferred_time)s, %(context)s, %(visibility)s, %(status)s
        )
        -- The id is a fresh one: where it is there, this statement is run again.
        ON CONFLICT (id) DO UPDATE SET id = excluded.id
        RETURNING goal_json(goals)::text, version
        """,
        {"id": goal_id, "user_id": user_id, **_columns(goal)},
    )
    row: Versioned = cursor.fetchone()  # type: ignore[assignment]
    return row


def replace(
    cursor: Cursor, user_id: str, goal_id: UUID, write_id: str, versions: list[str] | None, goal: dict[str, Any]
) -> tuple[Versioned | None, bool]:
    """Replace a goal where its version is one of `versions`; return it, None where it was not replaced, and whether
    there is such a goal. The same `write_id` again changes nothing. Raises `psycopg2.IntegrityError` for a broken rule.
    """
    cursor.execute(
        """
        WITH replaced AS (
            UPDATE goals
            SET title = %(title)s, description = %(description)s, category = %(category)s, icon = %(icon)s,
                color = %(color)s, goal_pattern = %(goal_pattern)s, metric = %(metric)s, target_value = %(value)s,
                unit = %(unit)s, period = %(period)s, target_date = %(target_date)s, start_value = %(start_value)s,
                direction = %(direction)s, target_type = %(target_type)s, min_value = %(min_value)s,
                max_value = %(max_value)s, days_of_week = %(days_of_week)s::smallint[],
                preferred_time = %(preferred_time)s, context = %(context)s, visibility = %(visibility)s,
                status = %(status)s, version = version + 1, write_id = %(write_id)s, updated_at = now()
            WHERE id = %(id)s AND user_id = %(user_id)s AND write_id IS DISTINCT FROM %(write_id)s
              AND (%(versions)s::text[] IS NULL OR version::text = ANY (%(versions)s::text[]))
            RETURNING goal_json(goals)::text AS text, version
        )
        SELECT text, version, is_there
        FROM (SELECT EXISTS (SELECT FROM goals WHERE id = %(id)s AND user_id = %(user_id)s)) AS found (is_there)
        LEFT JOIN (
            SELECT text, version FROM replaced
            UNION ALL
            SELECT goal_json(goals)::text, version
            FROM goals
            WHERE id = %(id)s AND user_id = %(user_id)s AND write_id = %(write_id)s
        ) AS written ON true
        """,
        {"id": str(goal_id), "user_id": user_id, "write_id": write_id, "versions": versions, **_columns(goal)},
    )
    text, version, is_there = cursor.fetchone()  # type: ignore[misc]
    return (None if text is None else (text, version)), is_there


def _columns(goal: dict[str, Any]) -> dict[str, Any]:
    target, schedule, context = goal["target"], goal["schedule"] or {}, goal["context"]
    return {
        "title": goal["title"],
        "description": goal["description"],
        "category": goal["category"],
        "icon": goal["icon"],
        "color": goal["color"],
        "goal_pattern": goal["goalPattern"],
        "metric": target["metric"],
        "value": target["value"],
        "unit": target["unit"],
        "period": target["period"],
        "target_date": target["targetDate"],
        "start_value": target["startValue"],
        "direction": target["direction"],
        "target_type": target["targetType"],
        "min_value": target["minValue"],
        "max_value": target["maxValue"],
        "days_of_week": schedule.get("daysOfWeek"),
        "preferred_time": schedule.get("preferredTime"),
        "context": None if context is None else json.dumps(context),
        "visibility": goal["visibility"],
        "status": goal["status"],
    }


def find(cursor: Cursor, user_id: str, goal_id: UUID) -> Versioned | None:
    """Return a goal of a user, None where there is none."""
    cursor.execute(
        "SELECT goal_json(goals)::text, version FROM goals WHERE id = %s AND user_id = %s", (str(goal_id), user_id)
    )
    return cursor.fetchone()


def archive(cursor: Cursor, user_id: str, goal_id: UUID) -> Versioned | None:
    """Archive a goal, which is nothing new for one that is archived; return it, None where there is none."""
    cursor.execute(
        """
        UPDATE goals
        SET status = 'archived',
            version = CASE status WHEN 'archived' THEN version ELSE version + 1 END,
            updated_at = CASE status WHEN 'archived' THEN updated_at ELSE now() END
        WHERE id = %s AND user_id = %s
        RETURNING goal_json(goals)::text, version
        """,
        (str(goal_id), user_id),
    )
    return cursor.fetchone()


def page(cursor: Cursor, user_id: str, query: dict[str, Any]) -> str:
    """Return one page of a user's goals, and how many there are."""
    cursor.execute(
        """
        WITH chosen AS MATERIALIZED (
            SELECT goals AS goal,
                   row_number() OVER (
                       ORDER BY CASE %(sort)s WHEN 'created_asc' THEN created_at WHEN 'updated_asc' THEN updated_at END,
                                CASE %(sort)s WHEN 'created_desc' THEN created_at WHEN 'updated_desc' THEN updated_at
                                END DESC,
                                CASE %(sort)s WHEN 'title_asc' THEN lower(title COLLATE pg_c_utf8) END,
                                CASE %(sort)s WHEN 'title_desc' THEN lower(title COLLATE pg_c_utf8) END DESC,
                                id
                   ) AS place
            FROM goals
            WHERE user_id = %(user_id)s
              AND status = ANY (%(status)s)
              AND (%(goalPattern)s::text[] IS NULL OR goal_pattern = ANY (%(goalPattern)s::text[]))
              AND (%(category)s::text[] IS NULL OR category = ANY (%(category)s::text[]))
        )
        SELECT json_build_object(
            'goals', (
                SELECT coalesce(json_agg(goal_json(goal) ORDER BY place), '[]')
                FROM chosen
                WHERE place > (%(page)s - 1) * %(limit)s AND place <= %(page)s * %(limit)s
            ),
            'pagination', pagination(%(page)s, %(limit)s, (SELECT count(*) FROM chosen))
        )::text
        """,
        {"user_id": user_id, "goalPattern": None, "category": None, **query},
    )
    return str(json_of(cursor))


def insert_activity(
    cursor: Cursor, user_id: str, goal_id: UUID, activity_id: str, activity: dict[str, Any]
) -> str | None:
    """Store an activity; return it, None where there is no such goal. Raises `psycopg2.IntegrityError`."""
    cursor.execute(
        """
        INSERT INTO goal_activities (id, goal_id, value, unit, activity_type, activity_date, note)
        SELECT %(id)s, id, %(value)s, %(unit)s, %(activityType)s, coalesce(%(activityDate)s, now()), %(note)s
        FROM goals
        WHERE id = %(goal_id)s AND user_id = %(user_id)s
        -- The id is a fresh one: where it is there, this statement is run again.
        ON CONFLICT (id) DO UPDATE SET id = excluded.id
        RETURNING goal_activity_json(goal_activities)::text
        """,
        {"id": activity_id, "goal_id": str(goal_id), "user_id": user_id, **activity},
    )
    return json_of(cursor)


def activity_page(cursor: Cursor, user_id: str, goal_id: UUID, query: dict[str, Any]) -> str | None:
    """Return one page of a goal's activities, newest first, and how many there are; None where there is no such goal.

    `startDate` and `endDate` are days in the user's time zone, both included.
    """
    cursor.execute(
        """
        WITH chosen AS MATERIALIZED (
            SELECT activity,
                   row_number() OVER (ORDER BY activity_date DESC, activity.created_at DESC, activity.id DESC) AS place
            FROM goal_activities AS activity, users
            WHERE goal_id = %(goal_id)s
              AND users.id = %(user_id)s
              AND (%(startDate)s::date IS NULL OR (activity_date AT TIME ZONE timezone)::date >= %(startDate)s)
              AND (%(endDate)s::date IS NULL OR (activity_date AT TIME ZONE timezone)::date <= %(endDate)s)
              AND (%(activityType)s::text[] IS NULL OR activity_type = ANY (%(activityType)s::text[]))
        )
        SELECT json_build_object(
            'activities', (
                SELECT coalesce(json_agg(goal_activity_json(activity) ORDER BY place), '[]')
                FROM chosen
                WHERE place > (%(page)s - 1) * %(limit)s AND place <= %(page)s * %(limit)s
            ),
            'pagination', pagination(%(page)s, %(limit)s, (SELECT count(*) FROM chosen))
        )::text
        FROM goals
        WHERE id = %(goal_id)s AND user_id = %(user_id)s
        """,
        {
            "goal_id": str(goal_id),
            "user_id": user_id,
            "startDate": None,
            "endDate": None,
            "activityType": None,
            **query,
        },
    )
    return json_of(cursor)


def progress(cursor: Cursor, user_id: str, goal_id: UUID, moment: datetime | None = None) -> str | None:
    """Return how far a goal is at a moment, by default now, in the user's time zone; None where there is none."""
    cursor.execute(
        """
        SELECT goal_progress(goals, users.timezone, coalesce(%s, now()))::text
        FROM goals
        JOIN users ON users.id = user_id
        WHERE goals.id = %s AND user_id = %s
        """,
        (moment, str(goal_id), user_id),
    )
    return json_of(cursor)
