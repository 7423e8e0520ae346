"""Work that no request waits for: one registry, by name, and the queue where jobs wait.

    @job("work-orders")
    def pull(arguments): ...

    get_queue().put("work-orders", {"since": "2026-01-01"})

A job runs in an application context, may run more than once, and ends before its deadline (`deadline.remaining()`).
One that fails raises, so that whoever triggered it tries again and dead-letters it in the end; `InvalidJob` says that
trying again is of no use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, current_app

from service import metrics
from service.config import Config
from service.errors import BadRequest, Invalid
from service.jobs.queues import NoQueue, NotQueued, Queue
from service.jobs.sqs_queue import SqsQueue
from service.jobs.table_queue import TableQueue, record_age

__all__ = [
    "InvalidJob",
    "NotQueued",
    "RunFailed",
    "UnknownJob",
    "get_queue",
    "init_app",
    "is_hopeless",
    "job",
    "names",
    "reason_of",
    "run",
]

MAX_REASON = 500

Job = Callable[[dict[str, Any]], Any]

_jobs: dict[str, Job] = {}
_once: set[str] = set()


class InvalidJob(Exception):
    """A job that can never work, however often it is tried; `reason` says why, without any secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RunFailed(Exception):
    """A run that a job worked on has failed, and may work another time; `reason` says why, without any secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnknownJob(InvalidJob):
    """No job has this name."""


def job(name: str, *, once: bool = False) -> Callable[[Job], Job]:
    """Register a function as the job `name`. Raises `ValueError` where another has it.

    One that begins something `once` for an event finds in its argument `event` what the event is known by.
    """

    def register(function: Job) -> Job:
        if name in _jobs:
            raise ValueError(f"Two jobs are named {name!r}")
        _jobs[name] = function
        if once:
            _once.add(name)
        return function

    return register


def names() -> tuple[str, ...]:
    """Return the names of all jobs."""
    return tuple(sorted(_jobs))


def run(name: Any, arguments: dict[str, Any], event: str | None = None) -> Any:
    """Run a job to its end. Raises `UnknownJob`, or what the job raises.

    `event` is what the trigger is known by: the same when it comes again.
    """
    if not isinstance(name, str) or name not in _jobs:
        raise UnknownJob(f"No job is named {name!r}; there are: {', '.join(names()) or 'none'}")
    return _jobs[name]({"event": event, **arguments} if event and name in _once else arguments)


def is_hopeless(error: BaseException) -> bool:
    """Return whether a job that failed like this would fail again."""
    return isinstance(error, (InvalidJob, Invalid, BadRequest))


def reason_of(error: BaseException) -> str:
    """Return why a job failed, without the text of exceptions that are not our own: it may hold a secret."""
    reason = getattr(error, "reason", None) if type(error).__module__.startswith("service.") else None
    return reason[:MAX_REASON] if isinstance(reason, str) and reason else type(error).__name__


def init_app(app: Flask, config: Config) -> None:
    """Give the application the queue of this installation."""
    if config.jobs.queue_url:
        app.extensions["jobs"] = SqsQueue(config.jobs.queue_url, config.database.region)
    elif config.is_lambda:
        app.extensions["jobs"] = NoQueue("JOBS_QUEUE_URL is not set, and on Lambda no worker reads the table")
    else:
        app.extensions["jobs"] = TableQueue(app.extensions["database"])
        metrics.at_scrape(record_age)


def get_queue() -> Queue:
    """Return the queue of the current application."""
    queue: Queue = current_app.extensions["jobs"]
    return queue
