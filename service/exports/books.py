"""What became of batches, noted by a thread of its own, together where they come together: no sender waits for it.

A batch whose note is lost is sent again, with its key; so notes may come a moment late, but none is left out.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from service import deadline
from service.database import Database
from service.database.holding import Superseded
from service.exports import batch_queries
from service.exports.batch_queries import Settled
from service.exports.queries import Leg

MOST_TOGETHER = 100


class Books:
    """The books of one leg. As a context manager it ends when everything is noted.

    `fail` is told what went wrong; from then on nothing more is noted.
    """

    def __init__(self, database: Database, leg: Leg, fail: Callable[[BaseException], None]) -> None:
        self._database = database
        self._leg = leg
        self._fail = fail
        self._settled: queue.Queue[Settled | None] = queue.Queue(MOST_TOGETHER)
        self._has_failed = self._is_over = False
        self._deadline = deadline.current()
        self._thread = threading.Thread(target=self._write, name="books", daemon=True)

    def __enter__(self) -> Books:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._settled.put(None)
        self._thread.join()

    def settle(self, settled: Settled) -> None:
        """Note a batch soon. Waits where the database is behind."""
        self._settled.put(settled)

    def _write(self) -> None:
        deadline.share(self._deadline)
        try:
            while not self._is_over:
                together = self._take()
                if together and not self._has_failed:
                    self._note(together)
        finally:
            deadline.clear()

    def _take(self) -> list[Settled]:
        """Return what waits to be noted, as soon as there is something."""
        together: list[Settled] = []
        while len(together) < MOST_TOGETHER:
            try:
                settled = self._settled.get(block=not together)
            except queue.Empty:
                break
            if settled is None:
                self._is_over = True
                break
            together.append(settled)
        return together

    def _note(self, together: list[Settled]) -> None:
        try:
            if not self._database.statement(batch_queries.settle, self._leg, together):
                raise Superseded
        except BaseException as error:
            self._has_failed = True
            self._fail(error)
