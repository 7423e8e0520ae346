"""How far an export is, for the display of a command."""

from __future__ import annotations

import time

from service.exports.watch import Progress
from service.terminal.display import Reached


class Exporting:
    """How far one run is."""

    def __init__(self) -> None:
        self.moved_at = time.monotonic()
        self._progress: Progress | None = None

    def report(self, progress: Progress) -> None:
        """Note how far the run is."""
        self._progress = progress
        self.moved_at = time.monotonic()

    def reached(self) -> Reached:
        """Return how far it is: what is waited for, then rows."""
        progress = self._progress
        if progress is None or progress.stage == "query":
            return Reached(["the query runs"])
        if progress.stage == "plan":
            return Reached([f"{progress.rows:,} rows found"])
        total = progress.total or 1
        refused = f" ({progress.rejected:,} rejected)" if progress.rejected else ""
        words = [f"{progress.rows:,} of {progress.total:,}{refused}"]
        return Reached(words, progress.rows / total, progress.rows - progress.before, progress.before / total)
