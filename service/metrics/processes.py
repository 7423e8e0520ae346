"""Measurements of several processes in one place: gunicorn's workers, and those that work off jobs beside them.

Each process counts in files of its own, in a directory of all, and whichever is asked adds them up. The files belong to
places, not to process ids: a process takes the first place that no living one has, and counts on where the last in it
has ended. So nothing that a dead process has counted is lost or counted twice, and there are never more files than
there were processes at once. The kernel knows who lives: a place is a lock on a file.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from itertools import count
from pathlib import Path
from typing import IO

from service import config
from service.config import Config, ConfigError

MEMORY = Path("/dev/shm")  # noqa: S108

_directory: Path | None = None
_place: IO[str] | None = None


def share(settings: Config) -> None:
    """Let the processes that are started from here count in one directory: PROMETHEUS_MULTIPROC_DIR, or a new one.

    A new one is removed when this process ends. Raises `ConfigError` where it cannot be written to.
    """
    global _directory
    if _directory is not None:  # gunicorn reads its settings again when it reloads
        return
    try:
        if settings.metrics_dir is not None:
            settings.metrics_dir.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=settings.metrics_dir).close()
        _directory = settings.metrics_dir or _new_directory()
    except OSError as error:
        raise ConfigError(f"PROMETHEUS_MULTIPROC_DIR cannot be written to ({error.strerror})") from None
    config.share_metrics(_directory)


def _new_directory() -> Path:
    made = Path(tempfile.mkdtemp(prefix="headgate-metrics-", dir=MEMORY if MEMORY.is_dir() else None))
    maker = os.getpid()

    def remove() -> None:
        if os.getpid() == maker:  # gunicorn's workers are copies of this process
            shutil.rmtree(made, ignore_errors=True)

    atexit.register(remove)
    return made


def join() -> None:
    """Take a place in the shared directory, before anything is measured. Does nothing where none is shared."""
    global _place
    if _directory is None or _place is not None:
        return
    from prometheus_client import values

    for number in count():
        place = (_directory / f"{number}.lock").open("w")
        try:
            fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            place.close()
            continue
        _place = place
        break
    values.ValueClass = values.MultiProcessValue(process_identifier=lambda: number)


def shared_directory() -> Path | None:
    """Return where this process counts with others, None where it counts for itself."""
    return _directory if _place is not None else None
