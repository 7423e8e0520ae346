"""The rules of goals hold in the database, whoever writes there."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import psycopg2
import pytest

from service.errors import Conflict
from service.goals import conflicts
from tests.goals.samples import store_activity, store_goal

BROKEN_GOALS: list[tuple[str, str, dict[str, Any]]] = [
    ("goals_title_length", "recurring", {"title": ""}),
    ("goals_title_length", "recurring", {"title": "x" * 201}),
    ("goals_title_visible", "recurring", {"title": " \t\n\u3000"}),
    ("goals_description_length", "recurring", {"description": "x" * 1001}),
    ("goals_category_length", "recurring", {"category": ""}),
    ("goals_category_length", "recurring", {"category": "x" * 51}),
    ("goals_icon_length", "recurring", {"icon": "x" * 51}),
    ("goals_color_form", "recurring", {"color": "red"}),
    ("goals_color_form", "recurring", {"color": "#123456\n"}),
    ("goals_goal_pattern_known", "recurring", {"goal_pattern": "daily"}),
    ("goals_metric_length", "recurring", {"metric": "x" * 51}),
    ("goals_metric_length", "recurring", {"metric": ""}),
    ("goals_target_value_positive", "recurring", {"target_value": 0}),
    ("amount_limits", "recurring", {"target_value": 1e12 + 1}),
    ("amount_limits", "recurring", {"target_value": "NaN"}),
    ("amount_limits", "recurring", {"target_value": "Infinity"}),
    ("amount_limits", "recurring", {"target_value": "0.1234567"}),
    ("amount_limits", "recurring", {"start_value": "-1000000000000.000001"}),
    ("amount_limits", "recurring", {"min_value": "-Infinity"}),
    ("amount_limits", "recurring", {"max_value": "1e13"}),
    ("goals_unit_length", "recurring", {"unit": ""}),
    ("goals_unit_length", "recurring", {"unit": "x" * 51}),
    ("goals_period_known", "recurring", {"period": "fortnight"}),
    ("goals_direction_known", "recurring", {"direction": "up"}),
    ("goals_target_type_known", "recurring", {"target_type": "most"}),
    ("goals_days_of_week_known", "recurring", {"days_of_week": "{0}"}),
    ("goals_days_of_week_known", "recurring", {"days_of_week": "{8}"}),
    ("goals_days_of_week_known", "recurring", {"days_of_week": "{NULL}"}),
    ("goals_days_of_week_once", "recurring", {"days_of_week": "{}"}),
    ("goals_days_of_week_once", "recurring", {"days_of_week": "{1,1}"}),
    ("goals_days_of_week_once", "recurring", {"days_of_week": "{{1},{2}}"}),
    ("goals_time_of_schedule", "recurring", {"preferred_time": "07:30"}),
    ("goals_context_texts", "recurring", {"context": []}),
    ("goals_context_texts", "recurring", {"context": "text"}),
    ("goals_context_texts", "recurring", {"context": {"a": 1}}),
    ("goals_context_texts", "recurring", {"context": {"a": None}}),
    ("goals_context_texts", "recurring", {"context": {"": "x"}}),
    ("goals_context_texts", "recurring", {"context": {"k" * 51: "x"}}),
    ("goals_context_texts", "recurring", {"context": {"a": "x" * 501}}),
    ("goals_context_texts", "recurring", {"context": {str(n): "x" for n in range(21)}}),
    ("goals_visibility_known", "recurring", {"visibility": "all"}),
    ("goals_status_known", "recurring", {"status": "done"}),
    ("goals_period_needed", "recurring", {"period": None}),
    ("goals_period_needed", "limit", {"period": None}),
    ("goals_target_date_needed", "milestone", {"target_date": None}),
    ("goals_target_date_needed", "target", {"target_date": None}),
    ("goals_start_value_needed", "target", {"start_value": None}),
    ("goals_streak_days", "streak", {"target_value": 366}),
    ("goals_streak_days", "streak", {"target_value": 2.5}),
    ("goals_range_order", "recurring", {"target_type": "range"}),
    ("goals_range_order", "recurring", {"target_type": "range", "min_value": 1}),
    ("goals_range_order", "recurring", {"target_type": "range", "max_value": 1}),
    ("goals_range_order", "recurring", {"target_type": "range", "min_value": 2, "max_value": 1}),
    ("goals_user_id_fkey", "recurring", {"user_id": "00000000-0000-0000-0000-000000000000", "status": "draft"}),
]

BROKEN_ACTIVITIES: list[tuple[str, dict[str, Any]]] = [
    ("amount_limits", {"value": "1e13"}),
    ("amount_limits", {"value": "0.0000001"}),
    ("amount_limits", {"value": "NaN"}),
    ("goal_activities_activity_type_known", {"activity_type": "done"}),
    ("goal_activities_activity_date_years", {"activity_date": "0001-01-01T23:59:59Z"}),
    ("goal_activities_activity_date_years", {"activity_date": "infinity"}),
    ("goal_activities_note_length", {"note": "x" * 501}),
    ("goal_activities_unit", {"unit": "mi"}),
    ("goal_activities_unit", {"goal_id": "00000000-0000-0000-0000-000000000000"}),
]


def rule_of(refused: pytest.ExceptionInfo[psycopg2.IntegrityError]) -> str | None:
    return refused.value.diag.constraint_name


@pytest.mark.parametrize(("rule", "pattern", "columns"), BROKEN_GOALS, ids=lambda value: str(value)[:40])
def test_a_goal_that_breaks_a_rule_is_refused(rows: Any, anybody: Any, rule: str, pattern: str, columns: Any) -> None:
    with pytest.raises(psycopg2.IntegrityError) as refused:
        store_goal(rows, **{"user_id": anybody.id, "pattern": pattern} | columns)
    assert rule_of(refused) == rule


@pytest.mark.parametrize(("rule", "columns"), BROKEN_ACTIVITIES, ids=lambda value: str(value)[:40])
def test_an_activity_that_breaks_a_rule_is_refused(rows: Any, anybody: Any, rule: str, columns: Any) -> None:
    goal_id = store_goal(rows, anybody.id, status="draft")
    with pytest.raises(psycopg2.IntegrityError) as refused:
        store_activity(rows, **{"goal_id": goal_id} | columns)
    assert rule_of(refused) == rule


def test_every_rule_of_the_tables_is_tried_here(rows: Any) -> None:
    named = rows(
        """
        SELECT conname
        FROM pg_constraint
        WHERE contype IN ('c', 'f') AND (
            conrelid IN ('goals'::regclass, 'goal_activities'::regclass)
            OR contypid = 'amount'::regtype
        )
        """
    )
    tried = {case[0] for case in BROKEN_GOALS} | {case[0] for case in BROKEN_ACTIVITIES}
    assert {name for (name,) in named} == tried


def test_the_title_of_an_active_goal_is_there_once(rows: Any, new_user: Any) -> None:
    user_id = new_user().id
    store_goal(rows, user_id, title="Straße")
    store_goal(rows, user_id, title="Straße", status="draft")
    with pytest.raises(psycopg2.IntegrityError) as refused:
        store_goal(rows, user_id, title="STRAßE")
    assert rule_of(refused) == "goals_active_title"
    with pytest.raises(psycopg2.IntegrityError) as refused:
        rows("UPDATE goals SET status = 'active' WHERE user_id = %s", user_id)
    assert rule_of(refused) == "goals_active_title"


def test_fifty_goals_are_active_at_most_by_insert_update_and_copy(rows: Any, new_user: Any) -> None:
    user_id = new_user().id
    for _ in range(50):
        store_goal(rows, user_id)
    store_goal(rows, user_id, status="draft")
    for write in (
        lambda: store_goal(rows, user_id),
        lambda: rows("UPDATE goals SET status = 'active' WHERE user_id = %s", user_id),
        lambda: rows(
            """
            INSERT INTO goals
            SELECT (jsonb_populate_record(goals, jsonb_build_object('id', gen_random_uuid(), 'title', id))).*
            FROM goals
            WHERE user_id = %s AND status = 'active'
            """,
            user_id,
        ),
    ):
        with pytest.raises(psycopg2.IntegrityError) as refused:
            write()
        assert rule_of(refused) == "goals_active_limit"
    assert rows("SELECT count(*) FROM goals WHERE user_id = %s AND status = 'active'", user_id) == [(50,)]


def test_fifty_goals_are_active_at_most_in_one_statement(rows: Any, new_user: Any) -> None:
    user_id = new_user().id
    template = store_goal(rows, user_id, status="draft")
    copy = """
        INSERT INTO goals
        SELECT (jsonb_populate_record(
            goals, jsonb_build_object('id', gen_random_uuid(), 'title', n, 'status', 'active')
        )).*
        FROM goals, generate_series(1, %s) AS n
        WHERE id = %s
        """
    with pytest.raises(psycopg2.IntegrityError) as refused:
        rows(copy, 51, template)
    assert rule_of(refused) == "goals_active_limit"
    rows(copy, 50, template)


def test_a_pattern_never_changes(rows: Any, anybody: Any) -> None:
    goal_id = store_goal(rows, anybody.id, status="draft")
    with pytest.raises(psycopg2.IntegrityError) as refused:
        rows("UPDATE goals SET goal_pattern = 'limit' WHERE id = %s", goal_id)
    assert rule_of(refused) == "goals_goal_pattern_kept"


def test_an_archived_goal_takes_no_activity(rows: Any, anybody: Any) -> None:
    goal_id = store_goal(rows, anybody.id, status="archived")
    with pytest.raises(psycopg2.IntegrityError) as refused:
        store_activity(rows, goal_id)
    assert rule_of(refused) == "goal_activities_goal_open"


def test_the_unit_of_a_goal_stays_while_activities_count_in_it(rows: Any, anybody: Any) -> None:
    goal_id = store_goal(rows, anybody.id, status="draft")
    rows("UPDATE goals SET unit = 'mi' WHERE id = %s", goal_id)
    store_activity(rows, goal_id, unit="mi")
    with pytest.raises(psycopg2.IntegrityError) as refused:
        rows("UPDATE goals SET unit = 'km' WHERE id = %s", goal_id)
    assert rule_of(refused) == "goal_activities_unit"


def test_swapping_two_titles_at_once_ends_without_a_deadlock(rows: Any, new_user: Any, environment: Any) -> None:
    """Each would wait for the title of the other, were the user's row not locked first."""
    user_id = new_user().id
    for _ in range(10):
        names = [str(uuid.uuid4()), str(uuid.uuid4())]
        goals = [store_goal(rows, user_id, title=name) for name in names]
        with ThreadPoolExecutor(2) as pool:
            codes = list(pool.map(lambda n, g=goals, t=names: rename(environment, g[n], t[1 - n]), range(2)))
        assert set(codes) <= {"23505", None}


def rename(environment: dict[str, str], goal_id: str, title: str) -> str | None:
    connection = psycopg2.connect(environment["DATABASE_URL"])
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("UPDATE goals SET title = %s WHERE id = %s", (title, goal_id))
    except psycopg2.Error as error:
        return str(error.pgcode)
    finally:
        connection.close()
    return None


@pytest.mark.parametrize(
    ("part", "whole", "step", "nearest"),
    [
        ("1", "3", "0.01", "0.33"),
        ("2", "3", "0.01", "0.67"),
        ("5", "1000", "0.01", "0.01"),
        ("-5", "1000", "0.01", "-0.01"),
        ("4.9999999999999999999999999", "1000", "0.01", "0"),
        ("0", "7", "0.01", "0"),
        ("999999999999.999999", "0.000001", "1", "999999999999999999"),
        ("1", "3", "0.000001", "0.333333"),
    ],
)
def test_a_quotient_is_rounded_once(rows: Any, part: str, whole: str, step: str, nearest: str) -> None:
    assert rows("SELECT nearest(%s, %s, %s)", *map(Decimal, (part, whole, step))) == [(Decimal(nearest),)]


ARCHIVE = "UPDATE goals SET status = 'archived' WHERE id = %(goal)s"
ADD = "INSERT INTO goal_activities (id, goal_id, value) VALUES (gen_random_uuid(), %(goal)s, 1)"


@pytest.mark.parametrize(("first", "second"), [(ADD, ARCHIVE), (ARCHIVE, ADD)], ids=["archive waits", "activity waits"])
def test_archiving_and_adding_an_activity_wait_for_each_other(
    rows: Any, cursor: Any, anybody: Any, first: str, second: str
) -> None:
    goal = {"goal": store_goal(rows, anybody.id, status="draft")}
    cursor.execute("BEGIN")
    try:
        cursor.execute(first, goal)
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            rows("SET lock_timeout = 100; " + second.replace("%(goal)s", "%s"), goal["goal"])
    finally:
        cursor.execute("ROLLBACK")


def test_activities_do_not_wait_for_each_other(rows: Any, cursor: Any, anybody: Any) -> None:
    goal = {"goal": store_goal(rows, anybody.id, status="draft")}
    cursor.execute("BEGIN")
    try:
        cursor.execute(ADD, goal)
        rows("SET lock_timeout = 100; " + ADD.replace("%(goal)s", "%s"), goal["goal"])
    finally:
        cursor.execute("ROLLBACK")


def test_a_rule_that_no_request_should_reach_is_a_defect_and_no_conflict(rows: Any, anybody: Any) -> None:
    with pytest.raises(psycopg2.IntegrityError), conflicts.told("unit"):
        store_goal(rows, anybody.id, color="red")
    store_goal(rows, anybody.id, title="Twice")
    with pytest.raises(Conflict, match="title"), conflicts.told("unit"):
        store_goal(rows, anybody.id, title="Twice")
