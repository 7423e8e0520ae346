"""Work that no request waits for: one registry, by name.

    @job("work-orders")
    def pull(arguments): ...

A job that fails raises, so that whoever triggered it tries again and dead-letters it in the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Job = Callable[[dict[str, Any]], Any]

_jobs: dict[str, Job] = {}


class UnknownJob(Exception):
    """No job has this name."""


def job(name: str) -> Callable[[Job], Job]:
    """Register a function as the job `name`. Raises `ValueError` where another has it."""

    def register(function: Job) -> Job:
        if name in _jobs:
            raise ValueError(f"Two jobs are named {name!r}")
        _jobs[name] = function
        return function

    return register


def run(name: Any, arguments: dict[str, Any]) -> Any:
    """Run a job to its end. Raises `UnknownJob`, or what the job raises."""
    if not isinstance(name, str) or name not in _jobs:
        raise UnknownJob(f"No job is named {name!r}; there are: {', '.join(sorted(_jobs)) or 'none'}")
    return _jobs[name](arguments)
