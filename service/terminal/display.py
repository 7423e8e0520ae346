"""What a command says while it works, all of it on standard error: a bar on a terminal, elsewhere a line now and then.

click's own bar knows no total that is told late or grows, no lines above it, and no other side that is waited for.
"""

from __future__ import annotations

import logging
import shutil
import sys
import threading
import time
from types import TracebackType
from typing import NamedTuple, Protocol

import click

BAR_WIDTH, LEAST_BAR_WIDTH = 24, 6
REFRESH_SECONDS = 0.2
LINE_SECONDS = 10.0  # between two lines where there is no terminal
SILENT_SECONDS = 3.0  # without a step, until the bar says that the other side is waited for


class Reached(NamedTuple):
    """How far work is, in words, and as a share of the whole: 0 where nobody knows.

    `done` is how much was done by this process, None before the first of it; `done_before` is the share that was
    done by others.
    """

    words: list[str]
    share: float = 0.0
    done: int | None = None
    done_before: float = 0.0


class Gauge(Protocol):
    """Tells how far work is; `moved_at` is when that last changed."""

    moved_at: float

    def reached(self) -> Reached:
        """Return how far it is."""


class Display(logging.Handler):
    """The bar of one run, and the lines above it: as a context manager it also tells what the log would warn of.

    A thread of its own draws, so that waiting for another side does not look like a command that hangs.
    """

    def __init__(self, name: str, gauge: Gauge) -> None:
        super().__init__(logging.WARNING)
        self._name = name
        self._is_terminal = sys.stderr.isatty()
        self._gauge = gauge
        self._began_at = time.monotonic()
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
        """Return how far the work is, in words (how much, how much a second, what is left) and as a share."""
        now = time.monotonic()
        reached = self._gauge.reached()
        parts, share = reached.words, reached.share
        if reached.done is not None:
            seconds = now - self._began_at
            parts.append(f"{reached.done / seconds:,.0f}/s")
            if reached.done_before < share < 1:
                left = seconds * (1 - share) / (share - reached.done_before)
                parts.append(f"{duration(round(left))} left")
        if now - self._gauge.moved_at > SILENT_SECONDS:
            parts.append(f"no answer for {duration(round(now - self._gauge.moved_at))}")
        return ", ".join(parts), share


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
