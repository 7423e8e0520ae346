"""What a goal or an activity can contradict, by the name of the database's rule."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2

from service.errors import Conflict

MESSAGES = {
    "goals_active_title": "title: another of your active goals has it",
    "goals_active_limit": "status: you have 50 active goals, which is the most",
    "goals_goal_pattern_kept": "goalPattern: it never changes; make another goal",
    "goal_activities_goal_open": "The goal is archived",
}
UNIT_KEPT = "target.unit: the goal has activities in its unit; make another goal"
OTHER_UNIT = "unit: the goal counts in another unit"


@contextmanager
def told(unit: str) -> Iterator[None]:
    """Raise `Conflict` for a rule that refuses a write; `unit` is what to say of a unit that does not fit."""
    try:
        yield
    except psycopg2.IntegrityError as error:
        rule = str(error.diag.constraint_name)
        message = unit if rule == "goal_activities_unit" else MESSAGES.get(rule)
        if message is None:
            raise
        raise Conflict(message) from None
