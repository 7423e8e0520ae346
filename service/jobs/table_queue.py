"""The queue where there is no SQS: the table `jobs`, from which workers take with FOR UPDATE SKIP LOCKED."""

from __future__ import annotations

import json
from typing import Any

import psycopg2
from flask import current_app
from uuid6 import uuid7

from service import metrics
from service.database import Database, get_database
from service.jobs import queries
from service.jobs.queues import NotQueued, written


class TableQueue:
    """Jobs in PostgreSQL. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, name: str, arguments: dict[str, Any], delay_seconds: float = 0) -> None:
        """Put a job; see `Queue`."""
        written(name, arguments)
        delay_seconds = max(0.0, delay_seconds)
        try:
            self._database.statement(queries.put, str(uuid7()), name, json.dumps(arguments), delay_seconds)
        except psycopg2.DataError as error:
            raise NotQueued(f"the table cannot hold the arguments of the job {name}: {type(error).__name__}") from error


def record_age() -> None:
    """Measure the oldest job that is due, where jobs are in the table of the current application."""
    if isinstance(current_app.extensions["jobs"], TableQueue):
        metrics.record_metric("QueueAge", get_database().statement(queries.oldest))
