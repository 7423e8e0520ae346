"""Takes jobs out of the table and runs them, one at a time, until it is told to stop."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Flask

from service import deadline, jobs, logs, metrics
from service.config import Config
from service.database import Database
from service.errors import ServiceUnavailable
from service.jobs import lease, queries, schedules
from service.jobs.lease import Lease
from service.jobs.measured import count_dead, measured

POLL_SECONDS = 0.5
STEP_SECONDS = 10.0  # for what the worker itself asks of the database
SCHEDULE_SECONDS = 5.0
MAX_OUTAGE_SECONDS = 15.0
MAX_RETRY_SECONDS = 900.0
HAND_BACK_SECONDS = 2.0  # the job may still be running, as long as its process takes to end

LEFT = "The worker that ran it was killed, or lost the database"

log = logging.getLogger(__name__)


class Worker:
    """A thread that works off the table of jobs. `alive` is a file that it touches while all is well."""

    def __init__(self, app: Flask, config: Config, alive: Path | None = None) -> None:
        self._app = app
        self._config = config
        self._alive = alive
        self._database: Database = app.extensions["database"]
        self._held: Lease | None = None
        self._stopping = threading.Event()
        self._ended = threading.Event()  # Thread.join() takes a thread for ended that a signal interrupts it at
        self._ended.set()
        self._schedules_at = 0.0
        self._thread = threading.Thread(target=self._work, name="worker", daemon=True)

    def start(self) -> None:
        """Begin to take jobs."""
        self._ended.clear()
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Take no more jobs, and tell the one that runs to end within `seconds`."""
        self._stopping.set()
        if (held := self._held) and held.deadline:
            held.deadline.cut(seconds)

    def join(self, seconds: float) -> bool:
        """Wait for the worker to end; return whether it has."""
        return self._ended.wait(seconds)

    def hand_back(self) -> None:
        """Give the job back that did not end in time. For a process that ends now: the job goes on in it."""
        if held := self._held:
            deadline.start(HAND_BACK_SECONDS)
            try:
                self._database.statement(queries.hand_back, held.key, HAND_BACK_SECONDS)
            finally:
                deadline.clear()
            log.warning("a job did not end in time and was handed back", extra=_about(held))

    @property
    def is_stuck(self) -> bool:
        """Whether the job that runs has gone on long after its deadline, so that no other is ever taken."""
        return self._held is not None and self._held.is_stuck

    def _work(self) -> None:
        try:
            self._work_until_stopped()
        finally:
            deadline.clear()
            self._ended.set()

    def _work_until_stopped(self) -> None:
        outages = 0
        while not self._stopping.is_set():
            deadline.start(STEP_SECONDS)
            try:
                wait = 0.0 if self._run_next() else POLL_SECONDS
                outages = 0
            except Exception as error:
                outages += 1
                wait = backoff(POLL_SECONDS, outages, MAX_OUTAGE_SECONDS)
                if isinstance(error, ServiceUnavailable):
                    log.warning("a worker cannot have jobs", extra={"reason": error.reason})
                else:
                    log.exception("a worker has failed")
            self._stopping.wait(wait)

    def _run_next(self) -> bool:
        """Run the job that is due longest; return whether there was one."""
        self._put_scheduled()
        held = lease.take(self._database, self._config.jobs.lease_seconds, self._tell)
        self._tell()
        metrics.record_metric("QueueAge", held.taken.age if held else 0)
        if held is None:
            return False
        logs.set_request_id(held.taken.id)
        try:
            self._run(held)
        finally:
            self._held = None
            logs.set_request_id(None)
        return True

    def _tell(self) -> None:
        """Say that this worker lives and has its database."""
        if self._alive:
            self._alive.touch()

    def _put_scheduled(self) -> None:
        if schedules.are_wanted(self._config) and time.monotonic() >= self._schedules_at:
            for name in schedules.put_due(self._database, self._config.jobs.schedule):
                log.info("a schedule was due", extra={"schedule": name})
            self._schedules_at = time.monotonic() + SCHEDULE_SECONDS

    def _run(self, held: Lease) -> None:
        if held.taken.attempt > self._config.jobs.max_attempts:
            self._bury(held, held.taken.last_reason or LEFT)
            return
        held.deadline = deadline.start(self._config.jobs.seconds)
        self._held = held
        if self._stopping.is_set():
            self._settle(held, queries.hand_back, 0.0)
            return
        with held:
            failure = self._attempt(held)
            if failure is None:
                self._settle(held, queries.finish)
            elif jobs.is_hopeless(failure) or held.taken.attempt >= self._config.jobs.max_attempts:
                self._bury(held, jobs.reason_of(failure))
            else:
                delay = backoff(self._config.jobs.retry_seconds, held.taken.attempt, MAX_RETRY_SECONDS)
                self._settle(held, queries.fail, jobs.reason_of(failure), delay)

    def _attempt(self, held: Lease) -> BaseException | None:
        """Run the job; return what it failed with."""
        taken = held.taken
        try:
            with measured(taken.name, jobId=taken.id, attempt=taken.attempt), self._app.app_context():
                jobs.run(taken.name, taken.arguments, taken.id)
        except BaseException as error:  # a job that calls sys.exit() must not end the worker
            return error
        return None

    def _bury(self, held: Lease, reason: str) -> None:
        if self._settle(held, queries.fail, reason, None):
            count_dead(held.taken.name)
            log.error("a job was given up", extra={**_about(held), "reason": reason})

    def _settle(self, held: Lease, say: Callable[..., bool], *values: Any) -> bool:
        """Tell the table what became of a job, for as long as it is held; return whether the table knows."""
        tries = 0
        while not held.is_lost:
            deadline.start(STEP_SECONDS)
            try:
                return self._database.statement(say, held.key, *values)
            except ServiceUnavailable as error:
                tries += 1
                log.warning("the end of a job cannot be noted", extra={**_about(held), "reason": error.reason})
                time.sleep(backoff(POLL_SECONDS, tries, MAX_OUTAGE_SECONDS))
        return False


def backoff(seconds: float, failures: int, most: float) -> float:
    """Return how long to wait after so many failures: twice as long each time, and never as long as others wait."""
    return random.uniform(0.5, 1.0) * min(most, seconds * 2.0 ** (failures - 1))  # noqa: S311


def _about(held: Lease) -> dict[str, Any]:
    return {"job": held.taken.name, "jobId": held.taken.id, "attempt": held.taken.attempt}
