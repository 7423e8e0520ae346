"""Manners towards a source, against real sockets: when it is asked again, when not, and when enough is enough."""

from __future__ import annotations

import gzip
import threading
import time
import traceback
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from service import deadline
from service.ingestion import client as module
from service.ingestion.client import Answer as Got
from service.ingestion.client import Client, Request
from service.ingestion.failures import ATTEMPTS, Again, Denied, OutOfTime, Refused, SourceError, Unavailable
from service.ingestion.records import Stream
from service.outgoing import retries
from tests.fullbay import Fault, Fullbay
from tests.fullbay.messages import Answer
from tests.fullbay.messages import Request as Asked

KEY = "key-of-default"
TOKEN = "a-token/of+today"
WHOLE = Answer(body=b'{"data": []}')


class Script(Fullbay):
    """A server that gives the answers of a list, the last one for ever, and knows who connected."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__(work_orders=0, customers=0, parts=0, invoices=0)
        self.answers = list(answers)
        self.asked: list[Asked] = []
        self.connections = 0
        known = self._server.known

        def counted(connection: Any) -> Any:
            self.connections += 1
            return known(connection)

        self._server.known = counted  # type: ignore[method-assign]

    def _answer(self, request: Asked) -> Answer:
        self.asked.append(request)
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


@pytest.fixture
def script() -> Iterator[Callable[..., Script]]:
    """Starts servers: `script(Answer(500), WHOLE)`."""
    made: list[Script] = []

    def start(*answers: Answer) -> Script:
        made.append(Script(*answers))
        return made[-1].__enter__()

    yield start
    for one in made:
        one.close()


@pytest.fixture
def open_client() -> Iterator[Callable[..., Client]]:
    made: list[Client] = []

    def start(
        timeout: float = 5, retries: int = 100, renew: Callable[[Request], bool] = lambda refused: False
    ) -> Client:
        made.append(Client(Stream("work-orders", "work-orders", "default"), timeout, retries, renew))
        return made[-1]

    yield start
    for one in made:
        one.close()


@pytest.fixture
def fullbay() -> Iterator[Fullbay]:
    with Fullbay(work_orders=30, customers=0, parts=0, invoices=0) as it:
        yield it
        assert it.leaks == []


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client wanted to wait; it does not."""
    waited: list[float] = []
    monkeypatch.setattr(Client, "pause", lambda of, seconds, reason="": waited.append(seconds))
    return waited


def request_to(url: str) -> Callable[[], Request]:
    headers = {"Authorization": f"Bearer {KEY}", "User-Agent": "Headgate/1 (test)"}
    return lambda: Request(f"{url}/v1/work-orders", {"key": KEY, "token": TOKEN}, headers)


def ask(client: Client, url: str, read: Callable[[Got], Any] = lambda answer: answer.text) -> Any:
    return client.begin(request_to(url), read).result()


def refused(client: Client, url: str, read: Callable[[Got], Any] = lambda answer: answer.text) -> SourceError:
    """Ask in vain; return why. The failure holds no secret, however it is written down."""
    with pytest.raises(SourceError) as failure:
        ask(client, url, read)
    told = "".join(traceback.format_exception(failure.value)) + repr(vars(failure.value))
    for secret in (KEY, TOKEN, "a-token%2Fof%2Btoday", "Bearer"):
        assert secret not in told
    return failure.value


def not_json(answer: Got) -> Any:
    raise Again("the answer is not JSON")


class TestAskedAgain:
    @pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520, 599])
    def test_what_may_pass_is_asked_again(self, script: Any, open_client: Any, waits: list[float], status: int) -> None:
        server = script(Answer(status), Answer(status), WHOLE)
        assert ask(open_client(), server.url) == '{"data": []}'
        assert (len(server.asked), len(waits)) == (3, 2)

    @pytest.mark.parametrize(
        "answer",
        [
            Answer(body=b"{" * 50, cut=20, is_reset=True),
            Answer(body=b"{" * 50, cut=20),
            Answer(cut=-1, is_reset=True),
            Answer(cut=-1),
            Answer(body=b"{}", headers={"Content-Encoding": "gzip"}),
            Answer(body="é".encode("latin-1"), content_type="application/json; charset=utf-8"),
            Answer(body=b"{}", content_type="application/json; charset=no-such"),
            Answer(body=b"\xff\xfe{\x00}\x00"),
            Answer(body=gzip.compress(b"{}", mtime=0)),
        ],
        ids=["reset", "cut", "reset at once", "cut at once", "no gzip", "charset", "no charset", "utf-16", "gzip"],
    )
    def test_what_arrives_broken_is_asked_again(
        self, script: Any, open_client: Any, waits: list[float], answer: Answer
    ) -> None:
        server = script(answer, WHOLE)
        assert ask(open_client(), server.url) == '{"data": []}'
        assert len(server.asked) == 2
        server.answers = [answer]
        reason = refused(open_client(), server.url).reason
        assert reason.endswith(f", {ATTEMPTS} times in a row")

    def test_waits_grow_and_each_is_drawn_from_nothing_to_its_limit(
        self, script: Any, open_client: Any, waits: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        drawn: list[tuple[float, float]] = []
        monkeypatch.setattr(retries.random, "uniform", lambda low, high: drawn.append((low, high)) or high / 2)
        monkeypatch.setattr(module, "LONGEST_WAIT_SECONDS", 10.0)
        refused(open_client(), script(Answer(503)).url)
        assert drawn == [(0, 1.0), (0, 2.0), (0, 4.0), (0, 8.0), (0, 10.0)]
        assert waits == [0.5, 1.0, 2.0, 4.0, 5.0]

    def test_the_request_is_made_anew_for_each_attempt(self, script: Any, open_client: Any, waits: list[float]) -> None:
        server = script(Answer(500), Answer(500), WHOLE)
        numbers = iter(range(9))
        open_client().begin(lambda: Request(server.url, {"n": str(next(numbers))}), lambda answer: None).result()
        assert [asked.query["n"] for asked in server.asked] == ["0", "1", "2"]

    def test_a_leg_has_a_budget_for_all_its_requests(self, script: Any, open_client: Any, waits: list[float]) -> None:
        server = script(Answer(500), Answer(500), WHOLE, Answer(500), WHOLE, Answer(500))
        client = open_client(retries=4)
        ask(client, server.url)
        ask(client, server.url)
        failure = refused(client, server.url)
        assert failure.reason == "the source answered 500, and the run has no retries left"
        assert (len(server.asked), client.retries_left) == (7, 0)
        refused(client, server.url)
        assert len(server.asked) == 8

    def test_an_answer_that_cannot_be_read_counts(self, script: Any, open_client: Any, waits: list[float]) -> None:
        server = script(WHOLE)
        assert refused(open_client(), server.url, not_json).reason == "the answer is not JSON, 6 times in a row"
        assert len(server.asked) == 6


class TestNotAskedAgain:
    @pytest.mark.parametrize("status", [400, 402, 404, 405, 406, 409, 410, 413, 422, 451])
    def test_another_error_of_ours_is_final(
        self, script: Any, open_client: Any, waits: list[float], status: int
    ) -> None:
        server = script(Answer(status, headers={"Retry-After": "1"}))
        failure = refused(open_client(), server.url)
        assert (type(failure), failure.reason) == (Refused, f"the source answered {status}")
        assert (len(server.asked), waits) == (1, [])

    @pytest.mark.parametrize("status", [201, 202, 204, 206])
    def test_another_success_is_none(self, script: Any, open_client: Any, status: int) -> None:
        assert isinstance(refused(open_client(), script(Answer(status)).url), Refused)

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1"], ids=["elsewhere", "here"])
    def test_a_redirect_is_not_followed(self, open_client: Any, fullbay: Fullbay, status: int, host: str) -> None:
        fullbay.faults = [Fault("redirect", status=status, host=host)]
        failure = refused(open_client(), fullbay.url)
        assert failure.reason == f"the source answered {status}, a redirect, which is not followed"
        assert len(fullbay.requests) == 1
        assert fullbay.leaks == []

    @pytest.mark.parametrize("status", [401, 403])
    @pytest.mark.parametrize("is_renewed", [True, False], ids=["renewed", "not renewed"])
    def test_a_denial_is_answered_once_with_another_key(
        self, script: Any, open_client: Any, waits: list[float], status: int, is_renewed: bool
    ) -> None:
        server = script(Answer(status))
        seen: list[Request] = []
        client = open_client(renew=lambda request: seen.append(request) or is_renewed)
        failure = refused(client, server.url)
        assert (type(failure), failure.reason) == (Denied, f"the source answered {status}: it does not accept the key")
        assert (len(server.asked), len(seen), waits) == (1 + is_renewed, 1, [])
        assert seen[0].parameters["key"] == KEY

    def test_another_key_is_accepted(self, script: Any, open_client: Any) -> None:
        server = script(Answer(401), WHOLE)
        assert ask(open_client(renew=lambda request: True), server.url) == '{"data": []}'


class TestRetryAfter:
    @pytest.mark.parametrize("form", ["seconds", "date"])
    @pytest.mark.parametrize("status", [429, 503])
    def test_it_is_honoured(
        self, open_client: Any, fullbay: Fullbay, monkeypatch: pytest.MonkeyPatch, form: str, status: int
    ) -> None:
        monkeypatch.setattr(module, "FIRST_WAIT_SECONDS", 0.001)
        fullbay.faults = [Fault("throttle", seconds=1, form=form, status=status, requests=[1, 2])]
        ask(open_client(), fullbay.url)
        assert len(fullbay.requests) == 3
        assert fullbay.impolite == 0

    def test_one_that_is_too_long_is_not_waited_for(self, script: Any, open_client: Any, waits: list[float]) -> None:
        server = script(Answer(429, headers={"Retry-After": "86400"}))
        assert refused(open_client(), server.url).reason == "the source answered 429, and asks to wait 86400 s"
        server.answers = [Answer(429, headers={"Retry-After": "9" * 400})]
        assert isinstance(refused(open_client(), server.url), Unavailable)
        assert waits == []

    def test_one_beyond_the_deadline_is_left_to_the_next_leg(self, script: Any, open_client: Any) -> None:
        server = script(Answer(429, headers={"Retry-After": "60"}))
        deadline.start(5)
        try:
            began = time.monotonic()
            failure = refused(open_client(), server.url)
        finally:
            deadline.clear()
        assert time.monotonic() - began < 1
        assert isinstance(failure, OutOfTime)
        assert failure.reason == "the source answered 429"
        assert 60 <= failure.seconds < 62


class TestEnough:
    """What takes too long, or is too much, is cut off, whatever the other side does."""

    @pytest.mark.parametrize("at", ["headers", "body"])
    def test_a_slow_drip_is_cut_at_the_time_out(self, script: Any, open_client: Any, at: str) -> None:
        server = script(Answer(body=b" " * 5000, interval=0.02, drips_in=at))
        began = time.monotonic()
        failure = refused(open_client(timeout=0.5, retries=0), server.url)
        assert time.monotonic() - began < 1.5
        assert isinstance(failure, Unavailable)
        assert failure.is_slow
        assert failure.reason == "no whole answer came within 0.5 s, and the run has no retries left"

    def test_silence_is_cut_at_the_time_out(self, fullbay: Fullbay, open_client: Any) -> None:
        fullbay.faults = [Fault("timeout", seconds=30)]
        began = time.monotonic()
        assert isinstance(refused(open_client(timeout=0.4, retries=0), fullbay.url), Unavailable)
        assert time.monotonic() - began < 1.5

    @pytest.mark.parametrize("at", ["headers", "body"])
    def test_the_deadline_cuts_a_request(self, script: Any, open_client: Any, at: str) -> None:
        server = script(Answer(body=b" " * 50_000, interval=0.02, drips_in=at))
        deadline.start(0.9)
        try:
            began = time.monotonic()
            failure = refused(open_client(timeout=60), server.url)
        finally:
            deadline.clear()
        assert time.monotonic() - began < 1.5
        assert isinstance(failure, OutOfTime)
        assert failure.seconds == 0

    def test_a_deadline_that_is_cut_cuts_the_request_under_way(self, fullbay: Fullbay, open_client: Any) -> None:
        fullbay.faults = [Fault("timeout", seconds=30)]
        found = deadline.start(60)
        timer = threading.Timer(0.3, found.cut, (0.5,))
        timer.start()
        try:
            began = time.monotonic()
            failure = refused(open_client(timeout=60), fullbay.url)
        finally:
            deadline.clear()
            timer.join()
        assert time.monotonic() - began < 3
        assert isinstance(failure, OutOfTime)

    def test_nothing_is_asked_when_the_time_is_over(self, script: Any, open_client: Any) -> None:
        server = script(WHOLE)
        deadline.start(0.1)
        try:
            assert isinstance(refused(open_client(), server.url), OutOfTime)
        finally:
            deadline.clear()
        assert server.asked == []

    @pytest.mark.parametrize("at", ["silence", "drip"])
    def test_hanging_up_ends_a_request_under_way(self, script: Any, open_client: Any, at: str) -> None:
        server = script(Answer(body=b" " * 50_000, interval=0.01, drips_in="headers" if at == "silence" else "body"))
        client = open_client(timeout=60)
        coming = client.begin(request_to(server.url), lambda answer: answer)
        while not server.asked:
            time.sleep(0.01)
        began = time.monotonic()
        client.close()
        with pytest.raises(Unavailable, match="nobody waits for the answer any more"):
            coming.result()
        assert time.monotonic() - began < 1
        assert len(server.asked) == 1

    def test_hanging_up_ends_a_wait(self, script: Any, open_client: Any) -> None:
        server = script(Answer(503, headers={"Retry-After": "30"}))
        client = open_client()
        coming = client.begin(request_to(server.url), lambda answer: answer)
        while not server.asked:
            time.sleep(0.01)
        time.sleep(0.1)
        began = time.monotonic()
        client.close()
        with pytest.raises(SourceError):
            coming.result()
        assert time.monotonic() - began < 1

    def test_a_body_has_a_limit(self, script: Any, open_client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "MAX_BODY_BYTES", 1000)
        server = script(Answer(body=b" " * 1000), Answer(body=b" " * 1001))
        assert len(ask(open_client(), server.url)) == 1000
        failure = refused(open_client(), server.url)
        assert (type(failure), failure.reason) == (Refused, "the answer is larger than 1000 bytes")
        assert len(server.asked) == 2

    def test_what_unfolds_has_the_same_limit(
        self, script: Any, open_client: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "MAX_BODY_BYTES", 1_000_000)
        bomb = gzip.compress(b" " * 100_000_000)
        server = script(Answer(body=bomb, headers={"Content-Encoding": "gzip"}))
        client = open_client()
        tracemalloc.start()
        try:
            assert isinstance(refused(client, server.url), Refused)
            assert tracemalloc.get_traced_memory()[1] < 8_000_000
        finally:
            tracemalloc.stop()


class TestAnswers:
    @pytest.mark.parametrize(
        "answer",
        [
            Answer(body='{"a": "é"}'.encode()),
            Answer(body=b"\xef\xbb\xbf" + '{"a": "é"}'.encode()),
            Answer(body='{"a": "é"}'.encode(), content_type="application/json; charset=utf-8"),
            Answer(body='{"a": "é"}'.encode("latin-1"), content_type="application/json; charset=latin-1"),
            Answer(body='{"a": "é"}'.encode("utf-16"), content_type="application/json; charset=utf-16"),
            Answer(body='{"a": "é"}'.encode(), content_type="text/html"),
            Answer(body=gzip.compress('{"a": "é"}'.encode(), mtime=0), headers={"Content-Encoding": "gzip"}),
        ],
        ids=["plain", "bom", "named", "latin-1", "utf-16", "html", "gzip"],
    )
    def test_text_is_read_as_it_is_meant(self, script: Any, open_client: Any, answer: Answer) -> None:
        assert ask(open_client(), script(answer).url) == '{"a": "é"}'

    def test_a_length_that_is_too_short_costs_the_next_answer_nothing(
        self, script: Any, open_client: Any, waits: list[float]
    ) -> None:
        server = script(Answer(body=b'{"data": []}, HTTP/1.1 200 OK\r\n\r\n', length=12), WHOLE)
        client = open_client()
        assert [ask(client, server.url) for _ in range(3)] == ['{"data": []}'] * 3

    def test_the_date_is_the_source_s(self, script: Any, open_client: Any) -> None:
        found = ask(open_client(), script(WHOLE).url, lambda answer: answer.date)
        assert abs(found - datetime.now(UTC)) < timedelta(seconds=3)


class TestConnections:
    def test_one_connection_serves_a_leg(self, script: Any, open_client: Any, waits: list[float]) -> None:
        server = script(WHOLE)
        client = open_client()
        for _ in range(10):
            ask(client, server.url)
        assert (len(server.asked), server.connections) == (10, 1)
        server.answers = [WHOLE] * 10 + [Answer(500, body=b"{}"), WHOLE]
        for _ in range(10):
            ask(client, server.url)
        assert server.connections == 2  # who sent an error gets another one

    def test_a_connection_that_the_source_closed_is_opened_again(
        self, script: Any, open_client: Any, waits: list[float]
    ) -> None:
        server = script(WHOLE, Answer(body=b"{}", cut=0), WHOLE)
        client = open_client()
        for _ in range(5):
            ask(client, server.url)

    def test_netrc_and_proxies_of_the_environment_leave_the_key_alone(
        self, script: Any, open_client: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login nobody password nothing\ndefault login nobody password nothing\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        direct, proxy = script(WHOLE), script(WHOLE)
        client = open_client()
        for _ in range(2):
            ask(client, direct.url)
        assert [asked.headers["authorization"] for asked in direct.asked] == [f"Bearer {KEY}"] * 2
        monkeypatch.setenv("http_proxy", proxy.url.replace("//", "//nobody:nothing@"))
        client = open_client()
        for _ in range(2):
            ask(client, "http://source.example")
        assert [asked.headers["authorization"] for asked in proxy.asked] == [f"Bearer {KEY}"] * 2
        assert {asked.headers["host"] for asked in proxy.asked} == {"source.example"}
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        ask(open_client(), direct.url)
        assert (len(direct.asked), len(proxy.asked)) == (3, 2)

    def test_cookies_of_one_answer_are_no_credentials_for_the_next(self, script: Any, open_client: Any) -> None:
        server = script(Answer(body=b"{}", headers={"Set-Cookie": "session=1"}), WHOLE)
        client = open_client()
        ask(client, server.url)
        ask(client, server.url)
        assert set(server.asked[1].headers) == set(server.asked[0].headers)
