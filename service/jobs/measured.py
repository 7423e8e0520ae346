"""One run of a job, seen from outside: a line in the log and its measurements, wherever it runs."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from service import jobs, metrics
from service.errors import ServiceError

MAX_NAME = 100

log = logging.getLogger(__name__)


@contextmanager
def measured(name: Any, **about: Any) -> Iterator[None]:
    """Tell what becomes of the job that is run inside. What it raises goes on."""
    known = name if name in jobs.names() else "unknown"
    about["job"] = name[:MAX_NAME] if isinstance(name, str) else "unknown"
    started_at = time.perf_counter()
    failure: BaseException | None = None
    try:
        yield
    except BaseException as error:
        failure = error
        raise
    finally:
        seconds = time.perf_counter() - started_at
        outcome = "failed" if failure else "done"
        metrics.increment_counter("JobRuns", Job=known, Outcome=outcome)
        metrics.record_metric("JobDuration", seconds, Job=known)
        about |= {"outcome": outcome, "durationMs": round(seconds * 1000, 2)}
        if failure is None:
            log.info("job", extra=about)
        else:
            about["reason"] = jobs.reason_of(failure)
            stack = None if isinstance(failure, (ServiceError, jobs.InvalidJob)) else failure
            log.error("a job failed", extra=about, exc_info=stack)


def count_dead(name: str) -> None:
    """Count a dead letter."""
    metrics.increment_counter("JobsDead", Job=name if name in jobs.names() else "unknown")
