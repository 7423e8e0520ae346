"""What a run is to those who ask for it: how it ends, and who may work on it. What is done: `leg`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from service.exports.lake.catalog import Column


class Busy(Exception):
    """Another process works on the run, or another run compares the same table."""

    def __init__(self, run_id: str | None, told: str) -> None:
        super().__init__(told)
        self.run_id = run_id


@dataclass(frozen=True)
class Result:
    """How a leg of a run ended. `delay_seconds` is how long its continuation had better wait."""

    run_id: str
    status: str
    message: str | None = None
    delay_seconds: float = 0


def lock_name(run_id: str) -> str:
    """Return the name of the lock that a run's process holds."""
    return f"exports/{run_id}"


def stored_columns(columns: tuple[Column, ...]) -> list[list[Any]]:
    """Return columns as a run keeps them."""
    return [[column.name, str(column.type)] for column in columns]
