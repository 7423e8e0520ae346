"""What Ctrl-C does to a command that works for long."""

from __future__ import annotations

import signal
from types import FrameType

from service import deadline
from service.terminal.display import Display

SECONDS = 14 * 24 * 3600.0
SPARED_SECONDS = 2.0  # of those after Ctrl-C, to say how the run ended
CODE = 130


class Interrupted(KeyboardInterrupt):
    """Somebody wants the command to end at once. `reason` is what becomes of its work."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Interruption:
    """The first Ctrl-C or SIGTERM lets the run end behind the `piece` at hand, a second one ends it at once.

    It also ends at once where that takes longer than `seconds`. `reason` is what then becomes of the run.
    """

    def __init__(self, seconds: float, piece: str, reason: str) -> None:
        self.is_asked_for = False
        self.display: Display | None = None
        self._seconds = seconds
        self._piece = piece
        self._reason = reason
        self._work = deadline.start(SECONDS)

    def __enter__(self) -> Interruption:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
            signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)

    def check(self) -> None:
        """Raise `Interrupted` where the command is to end."""
        if self.is_asked_for:
            raise Interrupted(self._reason)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self.is_asked_for:
            raise Interrupted(self._reason)
        self.is_asked_for = True
        self._work.cut(self._seconds)
        signal.setitimer(signal.ITIMER_REAL, max(0.1, self._seconds - SPARED_SECONDS))
        if self.display:
            self.display.notice = f"ending behind the {self._piece} at hand; Ctrl-C once more ends at once"
