"""What a leg of a run looks at between its steps: whether it still has the run, is to stop, or has no time left."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from service import deadline
from service.database import Database
from service.database.holding import Hold, Superseded
from service.exports import queries
from service.exports.queries import Leg

SPARED_SECONDS = 1.0  # of a deadline: to note what was done, and how the leg ended
LOOK_SECONDS = 1.0  # between looks at whether the run is to be cancelled


class Ended(Exception):
    """Nothing more can be done in this leg. Its continuation, where it has one, is due after `delay_seconds`."""

    def __init__(self, status: str, message: str | None = None, delay_seconds: float = 0) -> None:
        super().__init__(status)
        self.status, self.message, self.delay_seconds = status, message, delay_seconds


class Progress(NamedTuple):
    """How far a run is: `query`, `plan` or `send`; rows that are done, of how many, and how many of them were refused.

    `before` is how many were done before this leg.
    """

    stage: str
    rows: int = 0
    total: int = 0
    rejected: int = 0
    before: int = 0


Report = Callable[[Progress], None]


class Watch:
    """Looks on behalf of one leg. May be asked by several threads."""

    def __init__(self, database: Database, leg: Leg, held: Hold, report: Report) -> None:
        self.leg = leg
        self.report = report
        self._database = database
        self._held = held
        self._looked_at = float("-inf")

    def check(self) -> None:
        """Raise `Superseded` where the run was lost, `Ended` where it is to be cancelled."""
        self._held.check()
        if time.monotonic() - self._looked_at >= LOOK_SECONDS:
            self._looked_at = time.monotonic()
            self.heed(self._database.statement(queries.is_cancelled, self.leg))

    def heed(self, is_cancelled: bool | None) -> None:
        """Raise what follows from what the row of the run says."""
        if is_cancelled is None:
            raise Superseded
        if is_cancelled:
            raise Ended("CANCELLED")

    def expect_time(self, seconds: float = 0, delay_seconds: float = 0) -> None:
        """Raise `Ended` where the leg has no more time for something that takes so long."""
        if deadline.is_cut() or deadline.remaining() < SPARED_SECONDS + seconds:
            raise Ended("CONTINUES", delay_seconds=delay_seconds)
