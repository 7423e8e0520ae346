"""Jobs that begin by themselves, where no EventBridge begins them: one of the workers puts each when it is due."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from uuid6 import uuid7

from service.config import Config
from service.database import Database
from service.jobs import schedule_queries as queries
from service.schedule_expression import next_after


class Scheduled(NamedTuple):
    """A job and its arguments."""

    job: str
    arguments: dict[str, Any]


# All are due by SCHEDULE_EXPRESSION. On AWS each is a schedule of EventBridge's.
SCHEDULES = {
    "work-orders": Scheduled("ingest", {"source": "work-orders"}),
    "invoices": Scheduled("ingest", {"source": "invoices"}),
}


def are_wanted(config: Config) -> bool:
    """Return whether there is anything to pull: Fullbay is configured."""
    return bool(config.fullbay.keys or config.fullbay.secret_name)


def put_due(database: Database, expression: str) -> list[str]:
    """Put the jobs of the schedules that are due; return the names of those that this process has put.

    A rate is due at once when it begins, a cron expression when it says so. What was missed is made up for once.
    """
    now, known = database.statement(queries.schedules)
    put = []
    for name, scheduled in SCHEDULES.items():
        begun_with, due_at = known.get(name, (None, None))
        if begun_with != expression or due_at is None:
            first = next_after(expression, now, now if begun_with else None)
            database.statement(queries.begin_schedule, name, expression, first)
        elif due_at <= now:
            following = next_after(expression, now, due_at)
            arguments = json.dumps(scheduled.arguments)
            if database.statement(
                queries.put_scheduled, name, due_at, following, str(uuid7()), scheduled.job, arguments
            ):
                put.append(name)
    return put
