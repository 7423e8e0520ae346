"""The results of Athena's queries: a page of rows, or a file in S3 that is read on where the connection was lost."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from service import deadline
from service.exports.lake.athena_calls import Aws, Refused
from service.exports.lake.engine import EngineUnavailable, Located, QueryRefused

ATTEMPTS = 5  # in a row that do not bring a byte
FIRST_WAIT_SECONDS = 0.1
PIECE_BYTES = 64 * 1024  # at most that many are lost with a connection


class PageResult:
    """A result that one page of Athena's holds; see `Result`. A position is the number of a row."""

    def __init__(self, result_set: dict[str, Any]) -> None:
        rows = result_set.get("Rows", [])[1:]  # the first names the columns
        self._rows = [[datum.get("VarCharValue") for datum in row.get("Data", [])] for row in rows]

    def rows(self, position: int = 0) -> Iterator[Located]:
        """Give the rows from a position on."""
        for at in range(position, len(self._rows)):
            yield Located(at, at + 1, self._rows[at])

    def bounds(self, position: int = 0) -> Iterator[tuple[int, int]]:
        """Give the beginning and the end of each row from a position on."""
        return ((at, at + 1) for at in range(position, len(self._rows)))

    def close(self) -> None:
        """Let go of nothing: the page is here."""


class ResultObject:
    """A file in S3 that stays the same while it is read: its ETag is the one of the first look at it."""

    def __init__(self, aws: Aws, location: str) -> None:
        parts = urlsplit(location)
        self._aws = aws
        self._object = {"Bucket": parts.netloc, "Key": parts.path.removeprefix("/")}
        self._etag: str | None = None

    def open(self, position: int) -> Stream:
        """Return the bytes from a position on."""
        return Stream(self, position)

    def get(self, position: int) -> tuple[Any, int]:
        """Ask for the bytes from a position on; return them and the size of the whole file."""
        pinned = {"IfMatch": self._etag} if self._etag else {}
        try:
            answer = self._aws.ask("s3", "get_object", **self._object, Range=f"bytes={position}-", **pinned)
        except Refused as refused:
            if refused.code == "InvalidRange":  # nothing comes behind the last byte
                return None, position
            if refused.code == "PreconditionFailed":
                raise QueryRefused("the result has been changed since it was first read") from None
            raise
        self._etag = self._etag or answer["ETag"]
        return answer["Body"], position + int(answer["ContentLength"])


class Stream:
    """Reads on at the last byte that came where the connection is lost, at most `ATTEMPTS` times in a row."""

    def __init__(self, source: ResultObject, position: int) -> None:
        self._source = source
        self._position = position
        self._body: Any = None
        self._size = -1  # not known before the first answer
        self._failures = 0

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes, none at the end. Raises `EngineError`."""
        while self._position != self._size:
            piece = self._attempt(size)
            if piece:
                self._position += len(piece)
                self._failures = 0
                return piece
        return b""

    def _attempt(self, size: int) -> bytes:
        """Return the next bytes, none where there were none to be had and another attempt is due."""
        from botocore.exceptions import BotoCoreError
        from urllib3.exceptions import HTTPError

        try:
            if self._body is None:
                self._body, self._size = self._source.get(self._position)
            if self._position == self._size:
                return b""
            if piece := self._body.read(min(size, PIECE_BYTES)):
                return bytes(piece)
            failure = EngineUnavailable("S3 ended the result too early")
        except EngineUnavailable as error:
            failure = error
        except (BotoCoreError, HTTPError, OSError) as error:
            failure = EngineUnavailable(f"the connection to S3 was lost: {type(error).__name__}")
        self._wait(failure)
        return b""

    def _wait(self, failure: EngineUnavailable) -> None:
        self.close()
        self._failures += 1
        seconds = random.uniform(0, FIRST_WAIT_SECONDS * 2**self._failures)  # noqa: S311
        if self._failures >= ATTEMPTS or seconds >= deadline.remaining():
            raise failure
        time.sleep(seconds)

    def close(self) -> None:
        """Hang up."""
        body, self._body = self._body, None
        if body is not None:
            body.close()
