"""What people wait for: their goals among everybody's, the progress of a long goal, signing in; and what it costs a
cold start that all of it is there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import uuid
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

from service.goals import queries
from service.goals.schemas import GoalListQuery
from tests.bench.report import Row, Spread
from tests.bench.samples import CONTEXT
from tests.bench.servers import Databases, lambda_environment
from tests.bench.turns import Contender, say, take_turns
from tests.transports import ROOT, event_v2

OURS, QUERY = "handler()", "bare query"
GOALS, USERS = 50, 2_000
ACTIVITIES = 1_000
LIST_AT_MOST, PROGRESS_AT_MOST = 3, 10  # ms
IMPORT_AT_MOST = 1.1
BEFORE_PEOPLE = "fc5895f"  # the last commit without accounts, goals, meals, items and docs

IMPORT = (
    "import time; started = time.perf_counter(); import service.lambda_handler; print(time.perf_counter() - started)"
)


def people(databases: Databases, is_quick: bool) -> tuple[list[Row], list[str]]:
    """Measure reading goals and progress, signing in, and importing the handler."""
    rounds = 100 if is_quick else 1000
    name = f"people_{uuid.uuid4().hex}"
    with patch.dict(os.environ, lambda_environment(databases.environment(name)), clear=True):
        from service import lambda_handler

        lambda_handler._settings.cache_clear()
        lambda_handler._app.cache_clear()
        connection = databases.postgres.connect(name)
        owner, goal = _fill(connection, lambda_handler.handler)
        query = GoalListQuery().load({"limit": str(GOALS)})
        cursor = connection.cursor()
        rows = [
            _measure(
                f"GET /goals, {GOALS} of {GOALS * USERS:,}",
                lambda_handler.handler,
                _request("GET", f"/goals?limit={GOALS}", owner),
                lambda: queries.page(cursor, owner, query),
                rounds,
                LIST_AT_MOST,
            ),
            _measure(
                f"GET /goals/{{goalId}}/progress, {ACTIVITIES:,} activities",
                lambda_handler.handler,
                _request("GET", f"/goals/{goal}/progress", owner),
                lambda: queries.progress(cursor, owner, uuid.UUID(goal)),
                rounds,
                PROGRESS_AT_MOST,
            ),
        ]
        lambda_handler._app().extensions["database"].close()
    more, notes = _imports(5 if is_quick else 25)
    return [*rows, *more], notes


def _request(method: str, target: str, user: str, body: Any = None) -> dict[str, Any]:
    content = b"" if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} if content else {}
    return event_v2(method, target, headers=headers, body=content, claims={"sub": user, "scope": "user"})


def _fill(connection: Any, handler: Callable[..., Any]) -> tuple[str, str]:
    """Make the users and their goals, all copies of one user's, and one goal's activities; return a user and a goal."""
    say(f"{GOALS * USERS:,} goals of {USERS:,} users")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO users (email) SELECT n || '@example.com' FROM generate_series(1, %s) AS n RETURNING id",
            (USERS,),
        )
        owner = str(cursor.fetchone()[0])
        for number in range(GOALS):
            target = {"metric": "distance", "value": 10, "unit": "km", "period": "week"}
            goal = {"title": f"Run {number}", "category": "fitness", "goalPattern": "recurring", "target": target}
            answer = handler(_request("POST", "/goals", owner, goal), CONTEXT)
            if answer["statusCode"] != 201:
                raise RuntimeError(f"the handler answered {answer}")
        goal_id = json.loads(answer["body"])["goalId"]
        cursor.execute(
            """
            INSERT INTO goals
            SELECT (jsonb_populate_record(goal, jsonb_build_object('id', gen_random_uuid(), 'user_id', users.id))).*
            FROM users, goals AS goal
            WHERE users.id <> goal.user_id
            """
        )
        activity = _request("POST", f"/goals/{goal_id}/activities", owner, {"value": 3.5})
        answer = handler(activity, CONTEXT)
        if answer["statusCode"] != 201:
            raise RuntimeError(f"the handler answered {answer}")
        cursor.execute(
            """
            INSERT INTO goal_activities
            SELECT (jsonb_populate_record(activity, jsonb_build_object(
                'id', gen_random_uuid(), 'activity_date', now() - n * interval '17 hours', 'value', n %% 20
            ))).*
            FROM goal_activities AS activity, generate_series(2, %s) AS n
            """,
            (ACTIVITIES,),
        )
        cursor.execute("SELECT (SELECT count(*) FROM goals), (SELECT count(*) FROM goal_activities)")
        if cursor.fetchone() != (GOALS * USERS, ACTIVITIES):
            raise RuntimeError("the goals are not all there")
        cursor.execute("ANALYZE goals, goal_activities, users")
    return owner, goal_id


def _measure(
    name: str, handler: Callable[..., Any], event: dict[str, Any], query: Callable[[], Any], rounds: int, target: float
) -> Row:
    say(name)

    def handle(_: None) -> None:
        answer = handler(event, CONTEXT)
        if answer["statusCode"] != 200:
            raise RuntimeError(f"the handler answered {answer}")

    spreads = take_turns(
        [Contender(OURS, lambda: None, handle), Contender(QUERY, lambda: None, lambda _: query())], rounds
    )
    return Row(name, "ms", spreads[OURS], QUERY, spreads[QUERY], at_most=target)


def _imports(rounds: int) -> tuple[list[Row], list[str]]:
    """Import the handler in fresh processes: this working tree's, and that of the commit before people came."""
    archive = subprocess.run(["git", "archive", BEFORE_PEOPLE, "service"], cwd=ROOT, capture_output=True)
    if archive.returncode:
        return [], [f"The import was not compared: this checkout does not have the commit {BEFORE_PEOPLE}."]
    say(f"{rounds} imports of each")
    with tempfile.TemporaryDirectory(prefix="headgate-bench-") as before:
        with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
            tar.extractall(before, filter="data")
        samples: dict[Path, list[float]] = {ROOT: [], Path(before): []}
        for turn in range(rounds + 1):
            for place in sorted(samples, reverse=turn % 2 == 0):
                seconds = float(subprocess.check_output([sys.executable, "-c", IMPORT], cwd=place, text=True))
                if turn:  # the first one writes the compiled modules
                    samples[place].append(seconds * 1000)
    ours, theirs = (Spread.of(found) for found in samples.values())
    return [
        Row("import of the handler", "ms", ours, f"commit {BEFORE_PEOPLE}", theirs, ratio_at_most=IMPORT_AT_MOST)
    ], []
