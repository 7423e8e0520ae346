"""HTTP towards a source: patient within bounds, polite, and silent about keys.

Network errors, 408, 425, 429, 5xx and bodies that cannot be read are retried with full jitter, later where Retry-After
says so. No message holds a URL, a header or the text of another library's exception: they quote keys.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from service import deadline, metrics
from service.errors import ServiceUnavailable
from service.ingestion.failures import Again, Denied, OutOfTime, Refused, Unavailable
from service.ingestion.records import Stream
from service.outgoing.connections import open_session, read_environment, watched_adapter
from service.outgoing.retries import LONGEST_RETRY_AFTER_SECONDS, jitter, may_pass, moment, retry_after

T = TypeVar("T")

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 30.0
MAX_BODY_BYTES = 256 * 1024 * 1024
LOOK_SECONDS = 1.0  # between looks at what is under way
SPARED_SECONDS = 0.3  # of a deadline, to store what came and to say how it ended

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """What is asked of a source. Parameters and headers may hold keys, and are never shown."""

    url: str
    parameters: Mapping[str, str]
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Answer:
    """What came with status 200: its text, and when the source says it was."""

    text: str
    date: datetime | None


class Client:
    """Asks one source on behalf of one leg of a run, whose budget `retries` is.

    `renew` is told of a request that was denied; it returns whether another one may be accepted.
    """

    def __init__(self, stream: Stream, timeout_seconds: float, retries: int, renew: Callable[[Request], bool]) -> None:
        self._stream = stream
        self.retries_left = retries
        self._timeout_seconds = timeout_seconds
        self._renew = renew
        self._cut_at = math.inf
        self._is_cut = False
        self._is_closed = False
        self._adapter = watched_adapter()
        self._session = open_session(self._adapter)
        self._background = ThreadPoolExecutor(1, "source")

    def begin(self, make: Callable[[], Request], read: Callable[[Answer], T]) -> Coming[T]:
        """Ask in the background, so that one page is on its way while another is stored; see `get`."""
        shared = deadline.current()

        def work() -> T:
            deadline.share(shared)
            return self.get(make, read)

        return Coming(self._background.submit(work), self._watch)

    def _watch(self) -> float:
        """Cut an attempt off whose time is over; return in how many seconds to look again."""
        if math.isinf(self._cut_at):
            return LOOK_SECONDS
        left = min(self._cut_at, deadline.expires_at() - SPARED_SECONDS) - time.monotonic()
        if left > 0:
            return min(left, LOOK_SECONDS)
        self._cut_at = math.inf
        self._is_cut = True
        self._adapter.cut()
        return LOOK_SECONDS

    def get(self, make: Callable[[], Request], read: Callable[[Answer], T]) -> T:
        """Ask until `read` makes something of the answer; `read` raises `Again` or a `SourceError` where it cannot.

        `make` is called for each attempt: what signs a request may be out of date by the second one.
        """
        attempt = 0
        is_renewed = False
        while True:
            attempt += 1
            try:
                request = make()
            except ServiceUnavailable as error:  # a secret, or the address that signs the request
                raise Unavailable(error.reason) from None
            try:
                return read(self._attempt(request))
            except Again as trouble:
                self._wait(trouble, attempt)
            except Denied:
                if is_renewed or not self._renew(request):
                    raise
                is_renewed = True

    def _wait(self, trouble: Again, attempt: int) -> None:
        """Wait before the next attempt, or raise what says that there is none."""
        if self._is_closed:
            raise Unavailable(f"{trouble.reason}, and nobody waits for the answer any more") from None
        if attempt >= trouble.attempts:
            raise Unavailable(f"{trouble.reason}, {attempt} times in a row", trouble.is_slow) from None
        if self.retries_left <= 0:
            raise Unavailable(f"{trouble.reason}, and the run has no retries left", trouble.is_slow) from None
        if trouble.after_seconds > LONGEST_RETRY_AFTER_SECONDS:
            raise Unavailable(f"{trouble.reason}, and asks to wait {trouble.after_seconds:.0f} s") from None
        self.retries_left -= 1
        seconds = trouble.after_seconds + jitter(attempt, FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS)
        log.warning(
            "the source is asked again",
            extra={
                "stream": str(self._stream),
                "reason": trouble.reason,
                "attempt": attempt,
                "afterSeconds": round(seconds, 2),
            },
        )
        self.pause(seconds, trouble.reason)

    def pause(self, seconds: float, reason: str = "the source is to be left alone for a moment") -> None:
        """Wait, or raise `OutOfTime` where the deadline comes first."""
        expires_at = time.monotonic() + seconds
        while (left := expires_at - time.monotonic()) > 0:
            if left > deadline.remaining() - SPARED_SECONDS or self._is_closed:
                raise OutOfTime(reason, left)
            time.sleep(min(left, 0.2))

    def _attempt(self, request: Request) -> Answer:
        """Send a request once; return the answer with status 200."""
        import requests
        import urllib3

        budget = min(self._timeout_seconds, deadline.remaining() - SPARED_SECONDS)
        if budget <= 0:
            raise OutOfTime("the time of this leg is over")
        started = time.monotonic()
        self._is_cut = False
        self._cut_at = started + budget
        try:
            read_environment(self._session, request.url)
            response = self._session.get(
                request.url,
                params=request.parameters,
                headers=request.headers,
                timeout=budget,
                stream=True,
                allow_redirects=False,  # it would take the key along
            )
            with response:
                answer = self._read(response)
            if self._is_cut:
                raise TimeoutError  # cut off among its headers, an answer looks like a whole one
            return answer
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            if deadline.remaining() <= SPARED_SECONDS:
                raise OutOfTime("the source did not answer before the end of this leg") from None
            if time.monotonic() - started < budget:
                raise Again(f"the connection failed ({type(error).__name__})") from None
            raise Again(f"no whole answer came within {budget:g} s", is_slow=True) from None
        finally:
            self._cut_at = math.inf
            metrics.record_metric("SourceLatency", time.monotonic() - started, **self._stream.dimensions)

    def _read(self, response: Any) -> Answer:
        status: int = response.status_code
        if may_pass(status):
            raise Again(f"the source answered {status}", after_seconds=retry_after(response.headers))
        if status in (401, 403):
            raise Denied(f"the source answered {status}: it does not accept the key")
        if 300 <= status < 400:
            raise Refused(f"the source answered {status}, a redirect, which is not followed")
        if status != 200:
            raise Refused(f"the source answered {status}")
        chunks, size = [], 0
        while chunk := response.raw.read1(1 << 16, decode_content=True):
            chunks.append(chunk)
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise Refused(f"the answer is larger than {MAX_BODY_BYTES} bytes")
        return Answer(_decode(b"".join(chunks), response.encoding), moment(response.headers.get("Date")))

    def close(self) -> None:
        """Hang up, also on requests that are under way."""
        self._is_closed = True
        self._background.shutdown(wait=False, cancel_futures=True)
        self._adapter.cut()
        self._session.close()


class Coming(Generic[T]):
    """What was asked for in the background. Who waits for it cuts off what takes too long."""

    def __init__(self, future: Future[T], watch: Callable[[], float]) -> None:
        self._future = future
        self._watch = watch

    def result(self) -> T:
        """Wait for the answer; return it, or raise what went wrong."""
        while True:
            try:
                return self._future.result(self._watch())
            except FutureTimeout:
                if self._future.done():  # just now, or with this very exception
                    return self._future.result()


def _decode(body: bytes, charset: str | None) -> str:
    try:
        is_named = charset is not None and charset.lower() != "iso-8859-1"  # what requests says where none is named
        return body.decode(charset if is_named and charset else "utf-8-sig").removeprefix("\ufeff")
    except (UnicodeDecodeError, LookupError):
        raise Again("the answer is not UTF-8") from None
