"""Runs the deployment's own commands in the clone, each with a log that is kept."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.rehearsal.outcome import Failed

GRACE_SECONDS = 60  # for Terraform to let go of its lock
LAST_LINES = 60
POLL_SECONDS = 0.2
_NOISE = re.compile(r": (Refreshing state|Reading|Read complete|Still \w+)\b.*$")  # of Terraform, hundreds of lines
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Cancelled(Exception):
    """Another step has failed, or somebody has interrupted: this one is not gone on with."""


class Shell:
    """Runs commands one after the other, in a folder and an environment, until `cancelled` is set."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str], logs: Path, cancelled: threading.Event | None = None
    ) -> None:
        self._folder, self._environment, self._logs = folder, dict(environment), logs
        self._cancelled = cancelled or threading.Event()
        self._count = 0
        self.step = "step"  # what the logs are named by

    def begin(self, step: str) -> None:
        """Name the logs of what follows."""
        self.step, self._count = step, 0

    def make(self, target: str, *, code: int = 0, seconds: float = 900, **variables: str) -> str:
        """Make a target with variables; return what was printed. Raises `Failed` unless it ends with `code`."""
        return self.run("make", "--no-print-directory", target, code=code, seconds=seconds, **variables)

    def run(self, *command: str, code: int = 0, seconds: float = 900, **variables: str) -> str:
        """Run a command with variables; return what it printed, without colours."""
        self._count += 1
        log = self._logs / f"{self.step}-{self._count:02d}-{_name(command)}.log"
        told = " ".join([*(f"{name}={value}" for name, value in variables.items()), *command])
        with log.open("wb") as output:
            # A session of its own: Ctrl-C is for the rehearsal, which then ends this one in order.
            process = subprocess.Popen(
                command,
                cwd=self._folder,
                env=self._environment | variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                found = self._wait(process, seconds)
            finally:
                _end(process)
        text = _COLOURS.sub("", log.read_text(errors="replace"))
        if command[0] == "make" and found:
            found = _code_of_recipe(text)
        if found == code:
            return text
        how = f"did not end within {seconds:g} s" if found is None else f"ended with {found}, not with {code}"
        lines = [line for line in text.splitlines() if not _NOISE.search(line)]
        raise Failed(f"{told}: {how}", *lines[-LAST_LINES:], f"The whole log: {log}")

    def _wait(self, process: subprocess.Popen[bytes], seconds: float) -> int | None:
        """Return the exit code of a process, None where it takes too long. Raises `Cancelled`."""
        expires_at = time.monotonic() + seconds
        while time.monotonic() < expires_at:
            with suppress(subprocess.TimeoutExpired):
                return process.wait(POLL_SECONDS)
            if self._cancelled.is_set():
                raise Cancelled
        return None


def _name(command: tuple[str, ...]) -> str:
    """Return what a log of a command is called: the target of make, the program of others."""
    return (command[-1] if command[0] == "make" else command[0]).rpartition("/")[2]


def _code_of_recipe(text: str) -> int:
    """Return with what the recipe of a target ended, where make itself always says 2; 127 where there is no target."""
    found = re.findall(r"^make(?:\[\d+\])?: \*\*\* \[.*\] Error (\d+)$", text, re.MULTILINE)
    return int(found[-1]) if found else 127


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what a command has started, where any of it still runs."""
    for how, seconds in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, 5)):
        if process.poll() is not None:
            return
        os.killpg(process.pid, how)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
