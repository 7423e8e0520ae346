"""HTTP towards the partner: POST alone, by several threads at once, each request bounded in whole time.

requests opens the connections, by proxies and certificates of the environment. urllib3 beneath it sends: to prepare
each request anew would cost as much as all the rest. Nothing is followed, and no exception of another library quoted.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, NamedTuple, TypeVar

from service import deadline, metrics
from service.exports.delivery.failures import Again, OutOfTime, Stopped, Throttled, Unavailable
from service.exports.delivery.pace import FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, SPARED_SECONDS, Pace
from service.exports.delivery.watch import Attempt, Watch
from service.exports.settings import ExportsConfig
from service.outgoing.connections import open_session, read_environment, watched_adapter
from service.outgoing.retries import LONGEST_RETRY_AFTER_SECONDS, jitter

T = TypeVar("T")

PIECE_BYTES = 1 << 16

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reply:
    """What came back. `body` has at most one byte more than was asked for; `is_whole` tells that it did not break off.

    `began` is when the request left.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool
    began: float

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class _Way(NamedTuple):
    """The way to one URL: a pool of connections, and what is asked of them."""

    pool: Any
    target: str


class Calls:
    """Calls on behalf of one run, whose budget of retries is shared by all threads."""

    def __init__(self, settings: ExportsConfig, pace: Pace) -> None:
        from urllib3.util import Retry

        self.retries_left = settings.max_retries
        self.pace = pace
        self._timeout_seconds = settings.timeout_seconds
        self._adapter = watched_adapter(settings.concurrency + 1)
        self._watch = Watch(self._adapter)
        self._no_retries = Retry(False)
        self._ways: dict[str, _Way] = {}
        self._lock = threading.Lock()

    def patiently(self, once: Callable[[], T]) -> T:
        """Do something until it does not raise `Again`, or raise what says that there is no other attempt."""
        attempt = 0
        while True:
            attempt += 1
            try:
                return once()
            except Again as trouble:
                self._wait(trouble, attempt)

    def _wait(self, trouble: Again, attempt: int) -> None:
        reason = trouble.reason
        if self.pace.is_stopped:
            raise Stopped(reason) from None
        if attempt >= trouble.attempts:
            raise Unavailable(f"{reason}, {attempt} times in a row", trouble.is_slow) from None
        if trouble.after_seconds > LONGEST_RETRY_AFTER_SECONDS:
            raise Unavailable(f"{reason}, and asks to wait {trouble.after_seconds:.0f} s") from None
        with self._lock:
            if self.retries_left <= 0:
                raise Unavailable(f"{reason}, and the run has no retries left", trouble.is_slow) from None
            self.retries_left -= 1
        is_throttled = isinstance(trouble, Throttled)
        kind = "throttled" if is_throttled else "slow" if trouble.is_slow else "failed"
        metrics.increment_counter("PartnerRetries", Reason=kind)
        log.warning("the partner is asked again", extra={"reason": reason, "attempt": attempt})
        if not is_throttled:
            wait = jitter(attempt, FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS)
            self.pace.pause(trouble.after_seconds + wait, reason)

    def post(self, url: str, headers: Mapping[str, str], body: bytes, limit: int) -> Reply:
        """Send a request once. Raises `Again` where there was no answer, `OutOfTime` where there is no time for one."""
        import urllib3

        budget = min(self._timeout_seconds, deadline.remaining() - SPARED_SECONDS)
        if budget <= 0:
            raise OutOfTime("the time of this leg is over")
        began = time.monotonic()
        attempt = self._watch.begin(began + budget)
        try:
            way = self._ways.get(url) or self._open(url)
            response = way.pool.urlopen(
                "POST",
                way.target,
                body,
                headers,
                retries=self._no_retries,
                redirect=False,
                assert_same_host=False,  # of a proxy the target is a whole URL
                timeout=budget,
                preload_content=False,
            )
            found, is_whole = _read(response, limit)
            return Reply(response.status, response.headers, found, is_whole and not attempt.is_cut, began)
        except (urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError) as error:
            raise self._trouble(error, attempt, budget) from None
        finally:
            self._watch.end(attempt)
            metrics.record_metric("PartnerLatency", time.monotonic() - began)

    def _trouble(self, error: Exception, attempt: Attempt, budget: float) -> Exception:
        if self.pace.is_stopped:
            return Stopped("nobody waits for the partner's answer any more")
        if deadline.remaining() <= SPARED_SECONDS:
            return OutOfTime("the partner did not answer before the end of this leg")
        if attempt.is_cut or time.monotonic() >= attempt.cut_at:
            return Again(f"the partner gave no answer within {budget:g} s", is_slow=True)
        return Again(f"the connection to the partner failed ({type(error).__name__})")

    def _open(self, url: str) -> _Way:
        import requests

        with self._lock:
            session = open_session(self._adapter)
            read_environment(session, url)
            request = requests.Request("POST", url).prepare()
            pool = self._adapter.get_connection_with_tls_context(request, session.verify, proxies=session.proxies)
            self._adapter.cert_verify(pool, url, session.verify, None)
            return self._ways.setdefault(url, _Way(pool, self._adapter.request_url(request, session.proxies)))

    def cut(self) -> None:
        """End what is under way, and every wait."""
        self.pace.stop()
        self._watch.cut()

    def close(self) -> None:
        """End what is under way, and hang up."""
        self.pace.stop()
        self._watch.close()
        self._adapter.close()


def _read(response: Any, limit: int) -> tuple[bytes, bool]:
    """Return the body up to a limit and one byte, and whether it ended by itself."""
    import urllib3

    pieces, size = [], 0
    try:
        while size <= limit and (piece := response.read1(PIECE_BYTES, decode_content=True)):
            pieces.append(piece)
            size += len(piece)
    except (urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError):
        return b"".join(pieces), False
    finally:
        if size > limit:
            response.close()
        response.release_conn()
    return b"".join(pieces)[: limit + 1], True
