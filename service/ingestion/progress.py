"""What a command says while it reads, all of it on standard error: a bar on a terminal, elsewhere a line now and then.

click's own bar knows no total that is told late or grows, no lines above it, and no source that is waited for.
"""

from __future__ import annotations

import logging
import shutil
import sys
import threading
import time
from types import TracebackType

import click

from service.ingestion.engine import Progress

BAR_WIDTH, LEAST_BAR_WIDTH = 24, 6
REFRESH_SECONDS = 0.2
LINE_SECONDS = 10.0  # between two lines where there is no terminal
SILENT_SECONDS = 3.0  # without a page, until the bar says that the source is waited for


class Display(logging.Handler):
    """The bar of one run, and the lines above it: as a context manager it also tells what the log would warn of.

    A thread of its own draws, so that a source which takes its time does not look like a command that hangs.
    """

    def __init__(self, name: str) -> None:
        super().__init__(logging.WARNING)
        self._name = name
        self._is_terminal = sys.stderr.isatty()
        self._progress: Progress | None = None
        self._windows_read = 0
        self._records_stored, self._share_stored = 0, 0.0  # by an earlier run, of the window that this one goes on with
        self._records_before = 0  # of windows that are read
        self._began_at = self._moved_at = time.monotonic()
        self._drawn = 0  # characters of the bar that is to be seen
        self._pen = threading.RLock()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._draw_again, name="display", daemon=True)
        self.notice: str | None = None  # to be said once; a signal handler can do no more than set it

    def __enter__(self) -> Display:
        log = logging.getLogger("service")
        log.addHandler(self)
        log.propagate = log.isEnabledFor(logging.DEBUG)
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._is_over.set()
        self._thread.join()
        log = logging.getLogger("service")
        log.removeHandler(self)
        log.propagate = True
        self._erase()

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
        self._moved_at = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        """Say what the log says, as a sentence."""
        told = getattr(record, "reason", None)
        seconds = getattr(record, "afterSeconds", None)
        if told and seconds is not None:
            self.say(f"{told}; asked again in {duration(seconds)}")
        else:
            self.say(f"{record.getMessage()}: {told}" if told else record.getMessage())

    def say(self, text: str) -> None:
        """Write a line, above the bar where there is one."""
        with self._pen:
            self._erase()
            click.secho(f"headgate: {text}", err=True, fg="yellow" if self._is_terminal else None)

    def _draw_again(self) -> None:
        next_line_at = self._began_at + LINE_SECONDS
        while not self._is_over.wait(REFRESH_SECONDS):
            if self.notice:
                notice, self.notice = self.notice, None
                self.say(notice)
            if self._is_terminal:
                self._draw()
            elif time.monotonic() >= next_line_at:
                next_line_at += LINE_SECONDS
                self.say(f"{self._name}: {self._told()[0]}")

    def _draw(self) -> None:
        columns = shutil.get_terminal_size().columns - 1
        words, share = self._told()
        width = min(BAR_WIDTH, columns - len(self._name) - len(words) - 4)
        done = round(share * width)
        bar = f"[{'#' * done}{'-' * (width - done)}] " if share and width >= LEAST_BAR_WIDTH else ""
        text = f"{self._name} {bar}{words}"[:columns]
        with self._pen:
            click.echo(f"\r{text.ljust(self._drawn)}", err=True, nl=False)
            self._drawn = len(text)

    def _erase(self) -> None:
        with self._pen:
            if self._drawn:
                click.echo(f"\r{' ' * self._drawn}\r", err=True, nl=False)
            self._drawn = 0

    def _told(self) -> tuple[str, float]:
        """Return how far the run is, in words (rows, windows, rows a second, what is left) and as a share."""
        now = time.monotonic()
        parts, share = self._reached()
        if self._progress is not None:
            seconds = now - self._began_at
            read = self._records_before + self._progress.records - self._records_stored
            parts.append(f"{read / seconds:,.0f}/s")
            if self._share_stored < share < 1:
                parts.append(f"{duration(round(seconds * (1 - share) / (share - self._share_stored)))} left")
        if now - self._moved_at > SILENT_SECONDS:
            parts.append(f"no answer for {duration(round(now - self._moved_at))}")
        return ", ".join(parts), share

    def _reached(self) -> tuple[list[str], float]:
        """Return how far the run is, in words and as a share of the whole; 0 where nobody knows."""
        progress = self._progress
        if progress is None:
            return ["asking the source"], 0
        share = _share(progress.records, progress.total)
        windows = self._windows_read + 1 + progress.windows_left
        if windows == 1:
            of = f" of {progress.total:,}" if progress.total else ""
            return [f"{progress.records:,}{of}"], share
        words = [f"{self._records_before + progress.records:,}", f"window {self._windows_read + 1:,} of {windows:,}"]
        return words, (self._windows_read + share) / windows


def _share(records: int, total: int | None) -> float:
    return min(1.0, records / total) if total else 0.0


def duration(seconds: float) -> str:
    """Return a duration as people say it, in its two largest units."""
    if isinstance(seconds, float) and seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
