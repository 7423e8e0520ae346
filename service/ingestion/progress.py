"""How far the reading of a stream is, for the display of a command."""

from __future__ import annotations

import time

from service.ingestion.engine import Progress
from service.terminal.display import Reached


class Reading:
    """How far one run is."""

    def __init__(self) -> None:
        self.moved_at = time.monotonic()
        self._progress: Progress | None = None
        self._windows_read = 0
        self._records_stored, self._share_stored = 0, 0.0  # by an earlier run, of the window that this one goes on with
        self._records_before = 0  # of windows that are read

    def report(self, progress: Progress) -> None:
        """Note how far the run is."""
        last = self._progress
        if last is None:
            self._records_stored = progress.window.records
            self._share_stored = _share(self._records_stored, progress.total) / (1 + progress.windows_left)
        elif last.window.id != progress.window.id:
            self._windows_read += 1
            self._records_before += last.records
        self._progress = progress
        self.moved_at = time.monotonic()

    def reached(self) -> Reached:
        """Return how far it is: rows, and windows where there are several."""
        progress = self._progress
        if progress is None:
            return Reached(["asking the source"])
        share = _share(progress.records, progress.total)
        done = self._records_before + progress.records - self._records_stored
        windows = self._windows_read + 1 + progress.windows_left
        if windows == 1:
            of = f" of {progress.total:,}" if progress.total else ""
            return Reached([f"{progress.records:,}{of}"], share, done, self._share_stored)
        words = [f"{self._records_before + progress.records:,}", f"window {self._windows_read + 1:,} of {windows:,}"]
        return Reached(words, (self._windows_read + share) / windows, done, self._share_stored)


def _share(records: int, total: int | None) -> float:
    return min(1.0, records / total) if total else 0.0
