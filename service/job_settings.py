"""What the service is told about jobs. Part of `service/config.py`, which gives it the environment to read."""

from __future__ import annotations

from dataclasses import dataclass

from service import schedule_expression
from service.variables import Reader


@dataclass(frozen=True)
class JobsConfig:
    """Where jobs wait, how patient the service is with them, and when the scheduled ones are due."""

    queue_url: str | None = None  # of SQS; without one they wait in the database
    seconds: float = 600.0
    lease_seconds: float = 60.0
    max_attempts: int = 5
    retry_seconds: float = 10.0
    schedule: str = schedule_expression.DEFAULT


def load(read: Reader) -> JobsConfig:
    """Read the variables of jobs."""
    queue_url = read.url("JOBS_QUEUE_URL")
    if queue_url and queue_url.endswith(".fifo"):
        read.refuse("JOBS_QUEUE_URL must be of a standard queue, not of a FIFO queue")
    schedule = read.text("SCHEDULE_EXPRESSION") or schedule_expression.DEFAULT
    try:
        schedule_expression.check(schedule)
    except schedule_expression.WrongExpression as problem:
        read.refuse(f"SCHEDULE_EXPRESSION: {problem}")
    return JobsConfig(
        queue_url=queue_url,
        seconds=read.number("JOB_SECONDS", 600, 1, 86_400),
        lease_seconds=read.number("JOB_LEASE_SECONDS", 60, 1, 3600),
        max_attempts=read.integer("JOB_MAX_ATTEMPTS", 5, 1, 100),
        retry_seconds=read.number("JOB_RETRY_SECONDS", 10, 0, 3600),
        schedule=schedule,
    )
