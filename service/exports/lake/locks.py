"""Locks that processes and threads share, each a file. The system lets go of what a process held when it ends."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from service.exports.lake.engine import EngineUnavailable

WAIT_SECONDS = 30.0
LOOK_SECONDS = 0.005


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Let one thread of one process in at a time. Raises `EngineUnavailable` where another one does not come out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        expires_at = time.monotonic() + WAIT_SECONDS
        while not take(file):
            if time.monotonic() > expires_at:
                raise EngineUnavailable("another process does not let go of the embedded lake")
            time.sleep(LOOK_SECONDS)
        yield


def take(file: IO[bytes]) -> bool:
    """Lock an open file until it is closed; return whether nobody else holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
