"""Processes that are forked for an order, and that die or freeze at a step that was chosen.

A module carries orders out with `serve(carry_out)`, and `Forks` is what they are given to. Each line of its standard
input is an order, and is carried out by a process that is forked for it. Steps are counted by their kinds: a statement
is about to be sent, was sent, was answered; a request likewise; a transaction is about to begin; a job is about to be
queued. What the process has to say goes to the file `answer`, which stays away where it was killed.
"""

from __future__ import annotations

import itertools
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from flask import Flask

from service import jobs
from service.config import Config
from service.database import connection
from service.database.connection import Connection
from service.jobs.worker import Worker
from tests.transports import ROOT

KINDS = ("statement", "sent", "answered", "request", "response")
OF_OTHERS = ("heartbeat", "lease")  # threads, whose steps come by the clock

steps: Counter[str] = Counter()


class Steps:
    """Counts, and gives this process the signal `number` at the step `at`."""

    def __init__(self, at: tuple[str, int] | None, number: int, others: tuple[str, ...]) -> None:
        self._at = at
        self._signal = number
        self._others = others
        self._lock = threading.Lock()

    def take(self, kind: str) -> None:
        if threading.current_thread().name in self._others:
            return
        with self._lock:
            steps[kind] += 1
            if self._at and (kind, steps[kind]) == tuple(self._at):
                os.kill(os.getpid(), self._signal)

    def around(self, holder: type, name: str, before: str, after: str) -> None:
        """Let every call of a method take a step before and one after it."""
        call = getattr(holder, name)

        def calling(of: Any, *arguments: Any, **named: Any) -> Any:
            self.take(before)
            answer = call(of, *arguments, **named)
            self.take(after)
            return answer

        setattr(holder, name, calling)

    def install(self) -> None:
        """Let every connection take its steps."""
        wait, cursor_of = connection._wait, Connection.cursor

        def waiting(of: Any) -> None:
            if isinstance(of, Connection):
                self.take("sent")
            wait(of)

        class Cursor(connection.psycopg2.extensions.cursor):
            def execute(cursor, query: Any, values: Any = None) -> None:  # noqa: N805
                self.take("statement")
                if query == "BEGIN":
                    self.take("transaction")
                if "INSERT INTO jobs" in str(query):
                    self.take("put")
                super().execute(query, values)
                self.take("answered")

        connection.psycopg2.extensions.set_wait_callback(waiting)
        Connection.cursor = lambda of: cursor_of(of, cursor_factory=Cursor)  # type: ignore[method-assign]


def serve(carry_out: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Fork a process for each order; say which one. Nothing here has a thread or a connection."""
    for line in sys.stdin:
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        order = json.loads(line)
        process = os.fork()
        if process == 0:
            answer = Path(order["answer"])
            draft = answer.with_suffix(".draft")
            draft.write_text(json.dumps({**carry_out(order), "steps": steps}))
            draft.rename(answer)
            os._exit(0)
        print(process, flush=True)


def work_off(app: Flask, settings: Config, seconds: float) -> dict[str, Any]:
    """Work off the table of jobs until it is empty; say how long each job has taken."""
    taken: list[float] = []
    run = jobs.run

    def measured(*job: Any) -> Any:
        began = time.monotonic()
        try:
            return run(*job)
        finally:
            taken.append(time.monotonic() - began)

    jobs.run = measured
    worker = Worker(app, settings)
    worker.start()
    expires_at = time.monotonic() + seconds
    database = app.extensions["database"]
    while time.monotonic() < expires_at and database.statement(_count_jobs):
        time.sleep(0.1)
    worker.stop(5)
    worker.join(10)
    return {"seconds": taken}


def _count_jobs(cursor: Any) -> int:
    cursor.connection.expires_at = time.monotonic() + 10
    cursor.execute("SELECT count(*) FROM jobs WHERE dead_at IS NULL")
    return int(cursor.fetchone()[0])


class Runner:
    """A process that was forked for an order."""

    def __init__(self, pid: int, answer: Path) -> None:
        self.pid = pid
        self._answer = answer
        self._handle = os.pidfd_open(pid)

    def wait(self, seconds: float = 60) -> dict[str, Any] | None:
        """Wait until it ends; return its answer, None where it was killed before it had one."""
        poller = select.poll()
        poller.register(self._handle, select.POLLIN)
        assert poller.poll(seconds * 1000), f"a process did not end within {seconds} s"
        return json.loads(self._answer.read_text()) if self._answer.exists() else None

    @property
    def has_ended(self) -> bool:
        poller = select.poll()
        poller.register(self._handle, select.POLLIN)
        return bool(poller.poll(0))

    @property
    def is_frozen(self) -> bool:
        return not self.has_ended and Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def give(self, number: signal.Signals) -> None:
        signal.pidfd_send_signal(self._handle, number)

    def close(self) -> None:
        with suppress(ProcessLookupError):
            self.give(signal.SIGKILL)
        os.close(self._handle)


class Forks:
    """What orders are given to: `module` is the one that carries them out."""

    def __init__(self, directory: Path, module: str) -> None:
        self._directory = directory
        self._runners: list[Runner] = []
        self._count = itertools.count()
        self.log = directory / "log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def start(self, **order: Any) -> Runner:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        answer = self._directory / f"answer-{next(self._count)}"
        self._process.stdin.write(json.dumps({**order, "answer": str(answer)}) + "\n")
        self._process.stdin.flush()
        runner = Runner(int(self._process.stdout.readline()), answer)
        self._runners.append(runner)
        return runner

    def run(self, **order: Any) -> dict[str, Any] | None:
        """Carry an order out to its end; see `Runner.wait`."""
        return self.start(**order).wait()

    def __enter__(self) -> Self:
        return self

    def end(self) -> None:
        """Kill every process that is left."""
        while self._runners:
            self._runners.pop().close()

    def __exit__(self, *_: object) -> None:
        self.end()
        self._process.communicate()
