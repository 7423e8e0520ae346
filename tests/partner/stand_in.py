"""The stand-in itself: what it is asked, what it answers, and what it has taken."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Self

from tests.fullbay.faults import Applied
from tests.fullbay.messages import Answer, Request, json_answer, text_answer
from tests.fullbay.server import Server
from tests.partner import control
from tests.partner.faults import Fault, Schedule, throttled
from tests.partner.grants import Grants, refused
from tests.partner.records import Accepted, Records, Refuses

MAX_REQUESTS = 10_000  # that are remembered
FAST = Answer(body=b'{"status": "ok"}')


class Partner:
    """A partner's API on loopback: `with Partner(seed=1) as partner: partner.url`.

    `credentials` is what a client has to know. A row that `refuses` gives a reason for is refused as `refusing` says:
    with its whole "batch", or by itself in one of the `spellings`, or "mixed". `requests_per_second` is enforced, with
    a Retry-After of the form `retry_after` ("none", "seconds", "date"). A partner that `is_fast` looks at nothing.
    """

    def __init__(
        self,
        seed: int = 1,
        *,
        client_id: str = "client-of-nobody",
        client_secret: str = 's3cret/of+nobody%&"=x',
        scope: str | None = None,
        auth_method: str | None = None,
        token_seconds: float = 3600,
        token_uses: int | None = None,
        refuses: Refuses | None = None,
        refusing: str = "batch",
        key_columns: tuple[str, ...] = ("customer_id",),
        max_rows: int | None = None,
        max_bytes: int | None = None,
        success: str = "json",
        requests_per_second: float | None = None,
        retry_after: str = "none",
        latency: float = 0.0,
        is_fast: bool = False,
        faults: Iterable[Fault] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        port: int = 0,
    ) -> None:
        self.seed = seed
        self.clock = clock
        self.latency = latency
        self.is_fast = is_fast
        self.requests_per_second = requests_per_second
        self.retry_after = retry_after
        self.token_path, self.records_path = "/oauth/token", "/records"
        self.grants = Grants(seed, client_id, client_secret, scope, token_seconds)
        self.grants.uses = token_uses
        self.records = Records(seed, refuses, refusing, key_columns)
        self.records.max_rows, self.records.max_bytes, self.records.success = max_rows, max_bytes, success
        self.requests: list[Request] = []
        self.count = 0
        self.applied: list[Applied] = []
        self.leaks: list[Request] = []  # requests that came by another name of this host
        self.errors: list[Exception] = []  # of the stand-in itself
        self.impolite = 0  # requests that came before the time that Retry-After named
        self.not_before: datetime | None = None
        self._auth_method = auth_method
        self._room = 1.0
        self._room_at = time.monotonic()
        self._schedule = Schedule(faults, seed)
        self._lock = threading.RLock()
        self._head = threading.local()
        self._server = Server(port, self._answer, lambda: self.clock())
        self._server.on_head = self._welcome
        self.port = self._server.port
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.close()
        if self.errors and kind is None:
            raise self.errors[0]

    @property
    def credentials(self) -> dict[str, str]:
        """What a client has to know, as it stands in its secret."""
        found = {
            "api_base_url": self.url,
            "client_id": self.grants.client_id,
            "client_secret": self.grants.client_secret,
            "token_endpoint": self.token_path,
            "scope": self.grants.scope,
            "token_endpoint_auth_method": self._auth_method,
        }
        return {name: value for name, value in found.items() if value is not None}

    @property
    def rows(self) -> list[Accepted]:
        """The rows that were taken, in their order."""
        return self.records.rows

    @property
    def refused_rows(self) -> list[Accepted]:
        """The rows that were refused by themselves: in an answer of 2xx, or alone in their batch."""
        return self.records.refused

    @property
    def violations(self) -> list[str]:
        """What no client may do, and one did."""
        return self.records.violations

    @property
    def tokens(self) -> list[str]:
        """All tokens that were ever given out."""
        return self.grants.tokens

    @property
    def faults(self) -> list[Any]:
        """What goes wrong. Setting them counts requests from 1 anew."""
        return self._schedule.faults

    @faults.setter
    def faults(self, faults: Iterable[Fault]) -> None:
        self._schedule = Schedule(faults, self.seed)

    def revoke(self) -> None:
        """Let no token be good that was given out."""
        with self._lock:
            self.grants.revoke()

    def wait(self, seconds: float) -> None:
        """Do nothing for that long, or until the end."""
        self._server.stopping.wait(seconds)

    def close(self) -> None:
        """Stop, and end every connection."""
        self._server.close()

    def serve_forever(self, on_answer: Callable[[Request, Answer, float], None]) -> None:
        """Serve in this thread, and call `on_answer` after each request."""
        self._server.on_answer = on_answer
        self._server.serve_forever()

    def process(self, request: Request) -> Answer:
        """Return what a request gets when nothing goes wrong."""
        with self._lock:
            if request.path == self.token_path:
                return self.grants.answer(request)
            if request.path != self.records_path:
                return json_answer({"error": "Not Found"}, 404)
            if not self._has_room():
                return throttled(self, 1, self.retry_after)
            return self.records.answer(request) if self.grants.takes(request) else refused()

    def _welcome(self, method: str, target: str) -> bool:
        """Count a request and see what befalls it, before its body is read; return whether that is read."""
        if self.is_fast or control.is_meant(target):
            return True
        head = Request(0, method, target, {}, {}, b"", "", self.clock())
        with self._lock:
            schedule = self._schedule
            number, faults = schedule.next(head)
        self._head.found = schedule, number, faults
        return schedule.is_welcome(self, head._replace(number=number), faults)

    def _answer(self, request: Request) -> Answer:
        if self.is_fast and request.path == self.records_path:
            self.count += 1
            return FAST
        try:
            return self._dispatch(request)
        except Exception as error:
            self.errors.append(error)
            return text_answer(f"The stand-in is broken: {error!r}", 500)

    def _dispatch(self, request: Request) -> Answer:
        if control.is_meant(request.path):
            with self._lock:
                return control.answer(self, request)
        if self.is_fast:
            return self.process(request)
        schedule, number, faults = self._head.found
        request = request._replace(number=number, time=self.clock())
        with self._lock:
            self.count += 1
            self.requests.append(request)
            if len(self.requests) > 2 * MAX_REQUESTS:
                del self.requests[:MAX_REQUESTS]
            if not request.headers.get("host", "").startswith("127.0.0.1"):
                self.leaks.append(request)
            if self.not_before and request.time < self.not_before and request.path == self.records_path:
                self.impolite += 1
        if self.latency:
            self.wait(self.latency)
        return schedule.reply(self, request, faults) if faults else self.process(request)

    def _has_room(self) -> bool:
        """Return whether the rate allows a request, and count it."""
        if self.requests_per_second is None:
            return True
        now = time.monotonic()
        self._room = min(self.requests_per_second, self._room + (now - self._room_at) * self.requests_per_second)
        self._room_at = now
        if self._room < 1:
            return False
        self._room -= 1
        return True
