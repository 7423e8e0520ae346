"""Does the steps: those of an environment one after the other, and the environments beside each other.

Much of a deployment is waiting, so that two take little longer than one. The first failure ends both.
"""

from __future__ import annotations

import itertools
import threading
import traceback
from collections.abc import Iterable, Mapping

from tests.rehearsal.environment import Environment
from tests.rehearsal.outcome import Failed
from tests.rehearsal.report import Report
from tests.rehearsal.shell import Cancelled
from tests.rehearsal.steps import Step

POLL_SECONDS = 0.5


class Lanes:
    """Runs steps and remembers the first that has failed. `cancelled` ends what runs."""

    def __init__(self, environments: Mapping[str, Environment], report: Report, cancelled: threading.Event) -> None:
        self._environments, self._report, self._cancelled = environments, report, cancelled
        self._lock = threading.Lock()
        self.failure: tuple[Step, Failed] | None = None

    def run(self, steps: Iterable[Step]) -> None:
        """Do the steps, until all are done or one has failed."""
        for _, group in itertools.groupby(steps, lambda step: step.alone):
            together = list(group)
            names = dict.fromkeys(step.environment for step in together)
            lanes = [[step for step in together if step.environment == name] for name in names]
            threads = [threading.Thread(target=self._do, args=(lane,)) for lane in lanes]
            for thread in threads:
                thread.start()
            try:
                for thread in threads:
                    while thread.is_alive():
                        thread.join(POLL_SECONDS)  # in between an interruption is heard
            finally:
                if any(thread.is_alive() for thread in threads):
                    self._cancelled.set()
                for thread in threads:
                    thread.join()
            if self.failure:
                return

    def _do(self, lane: list[Step]) -> None:
        for step in lane:
            if self._cancelled.is_set():
                return
            try:
                self._do_step(step)
            except Cancelled:
                return
            except Failed as failed:
                with self._lock:
                    self.failure = self.failure or (step, failed)
                self._cancelled.set()
                return

    def _do_step(self, step: Step) -> None:
        environment = self._environments[step.environment]
        environment.shell.begin(step.name)
        with self._report.step(step.name, step.title) as entry:
            environment.entry = entry
            try:
                for note in step.work(environment):
                    entry.notes.append(note)
            except (Failed, Cancelled):
                raise
            except Exception as error:
                raise Failed(f"{type(error).__name__}: {error}", traceback.format_exc()) from error
