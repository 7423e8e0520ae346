"""The results of the embedded engine: a file for each query, whose name says how the query is, in every process.

<id>.part       it runs, while a process holds the file's lock; without one, its process has ended
<id>.csv        it has succeeded; the file is whole
<id>.failed     it has failed, as the file says
<id>.stopped    it was stopped
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from service.exports.lake.engine import EngineError, EngineUnavailable, QueryState
from service.exports.lake.locks import exclusive, take
from service.exports.lake.result_file import Source

KEEP_SECONDS = 7 * 86_400

_is_id = re.compile(r"[0-9a-f]{32}").fullmatch

RUNNING, SUCCEEDED, CANCELLED = (QueryState(name) for name in ("RUNNING", "SUCCEEDED", "CANCELLED"))
LOST = QueryState("FAILED", "the process that ran the query has ended", is_retryable=True)


class Spool:
    """The files below a directory. Ids are digests of 32 digits; another one is that of no query."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def begin(self, query_id: str) -> IO[bytes] | None:
        """Return the empty file of a query that is to run; None where it runs, or has ended."""
        with self._locked():
            if any(self._path(query_id, ending).exists() for ending in ("csv", "failed", "stopped")):
                return None
            self._directory.mkdir(exist_ok=True)
            file = self._path(query_id, "part").open("ab")
            if not take(file):
                file.close()
                return None
            file.truncate(0)
            self._sweep()
            return file

    def finish(self, query_id: str, file: IO[bytes], ending: str = "csv") -> None:
        """Close the file of a query that has ended, and name it after how."""
        file.flush()
        os.fsync(file.fileno())
        with self._locked():
            part = self._path(query_id, "part")
            if self.is_stopped(query_id):
                part.unlink()
            else:
                part.rename(self._path(query_id, ending))
            file.close()  # and with it the lock, when the name is right

    def fail(self, query_id: str, file: IO[bytes], reason: str, is_retryable: bool) -> None:
        """Close the file of a query that has failed."""
        file.truncate(0)
        file.write(json.dumps([reason, is_retryable]).encode())
        self.finish(query_id, file, "failed")

    def stop(self, query_id: str) -> None:
        """Say that a query is to stop, if it runs."""
        if _is_id(query_id):
            with self._locked():
                if self._is_running(query_id):
                    self._path(query_id, "stopped").touch()

    def is_stopped(self, query_id: str) -> bool:
        """Was the query to stop?"""
        return self._path(query_id, "stopped").exists()

    def look(self, query_id: str) -> QueryState:
        """Return how a query is."""
        if not _is_id(query_id):
            return LOST
        with self._locked():
            if self.is_stopped(query_id):
                return CANCELLED
            if self._is_running(query_id):
                return RUNNING
            if self._path(query_id, "csv").exists():
                return SUCCEEDED
            try:
                reason, is_retryable = json.loads(self._path(query_id, "failed").read_bytes())
            except FileNotFoundError:
                return LOST
            return QueryState("FAILED", reason, is_retryable)

    def open(self, query_id: str, position: int) -> Source:
        """Return the bytes of a result from an offset on. Raises `EngineError` where there are none."""
        try:
            if not _is_id(query_id):
                raise FileNotFoundError
            file = self._path(query_id, "csv").open("rb", buffering=0)
        except FileNotFoundError:
            raise EngineError("the result of the query is not there, or not any more") from None
        file.seek(position)
        return file

    def _is_running(self, query_id: str) -> bool:
        try:
            with self._path(query_id, "part").open("rb") as file:
                return not take(file)
        except FileNotFoundError:
            return False

    def _sweep(self) -> None:
        """Remove what is too old for anybody to read on."""
        for path in self._directory.iterdir():
            if path.stat().st_mtime < time.time() - KEEP_SECONDS:
                path.unlink()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep others from looking while names change, and from changing them while one looks."""
        try:
            with exclusive(self._directory.with_suffix(".lock")):
                yield
        except OSError as error:
            raise EngineUnavailable(f"the embedded lake cannot keep its results ({type(error).__name__})") from None

    def _path(self, query_id: str, ending: str) -> Path:
        return self._directory / f"{query_id}.{ending}"
