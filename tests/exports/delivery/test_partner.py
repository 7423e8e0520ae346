"""Batches and what becomes of them: every status, every body, when enough is enough."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from service import __version__, deadline, metrics
from service.exports.delivery import calls, partner
from service.exports.delivery.failures import (
    BatchRefused,
    DeliveryError,
    Denied,
    OutOfTime,
    Refused,
    Stopped,
    Unavailable,
)
from service.exports.delivery.partner import Delivered, RowFailure
from service.outgoing.failures import ATTEMPTS
from tests.exports.delivery.conftest import batch, ok
from tests.fullbay.messages import Answer, json_answer
from tests.partner import Fault, Partner

Open = Callable[..., Any]


@contextmanager
def time_left(seconds: float) -> Iterator[deadline.Deadline]:
    try:
        yield deadline.start(seconds)
    finally:
        deadline.clear()


def refused(sender: Any, key: str = "run-1", count: int = 2) -> DeliveryError:
    with pytest.raises(DeliveryError) as failure:
        sender.send(batch(*range(count)), key, count)
    return failure.value


class TestTaken:
    def test_a_batch_arrives_as_it_was_sent(self, start: Open, open_sender: Open) -> None:
        stand_in = start()
        assert open_sender(stand_in).send(batch({"customer_id": "1", "name": "Zoë"}), "run-1", 1) == Delivered(
            200, (), 1
        )
        token, sent = stand_in.requests
        assert [one.row for one in stand_in.rows] == [{"customer_id": "1", "name": "Zoë"}]
        assert stand_in.rows[0].key == "run-1"
        assert sent.body == batch({"customer_id": "1", "name": "Zoë"})
        assert sent.headers["authorization"] == f"Bearer {stand_in.tokens[0]}"
        assert sent.headers["content-type"] == "application/json"
        assert sent.user_agent == token.user_agent == f"Headgate/{__version__} (local)"

    @pytest.mark.parametrize(
        "answer",
        [
            Answer(200),
            Answer(201, b"{}"),
            Answer(202),
            Answer(204),
            Answer(226, b"null"),
            Answer(200, b"<html>thank you</html>", "text/html"),
            Answer(200, b'{"accepted": [1, 2'),
            Answer(200, b"\xff\xfe\x00", "application/octet-stream"),
            Answer(200, b"[" * 100_000),
            Answer(200, b'{"a":' * 100_000),
            Answer(200, b" " * (partner.MAX_BODY_BYTES + 1)),
            Answer(200, b'{"errors": []' + b" " * (3 * partner.MAX_BODY_BYTES)),
            Answer(200, gzip.compress(b"{}", mtime=0), headers={"Content-Encoding": "gzip"}),
            Answer(200, gzip.compress(b" " * 50_000_000, mtime=0), headers={"Content-Encoding": "gzip"}),
            Answer(200, b'{"status": "error", "message": "but 2xx"}'),
            Answer(200, b'{"n": ' + b"9" * 5000 + b"}"),
        ],
        ids=str,
    )
    def test_any_2xx_is_success(self, script: Open, open_sender: Open, answer: Answer) -> None:
        stand_in = script(answer)
        sender = open_sender(stand_in)
        assert sender.send(batch(1, 2), "run-1", 2) == Delivered(answer.status, (), 1)
        assert sender.send(batch(1, 2), "run-2", 2) == Delivered(answer.status, (), 1)

    @pytest.mark.parametrize(
        "broken",
        [
            Answer(body=b"{" * 50, cut=20, is_reset=True),
            Answer(body=b"{" * 50, cut=20),
            Answer(body=b"{}", headers={"Content-Encoding": "gzip"}),
        ],
        ids=["reset", "cut", "no gzip"],
    )
    def test_a_success_that_breaks_off_is_asked_for_again(
        self, script: Open, open_sender: Open, broken: Answer
    ) -> None:
        whole = ok({"errors": [{"index": 1, "message": "no"}]})
        stand_in = script(broken, broken, Answer(500), whole)
        assert open_sender(stand_in).send(batch(1, 2), "run-1", 2) == Delivered(200, (RowFailure(1, "no"),), 4)
        assert {request.headers["idempotency-key"] for request in stand_in.batches} == {"run-1"}

    @pytest.mark.parametrize("status", [200, 422, 409, 302])
    def test_a_success_that_broke_off_stays_one_of_which_nobody_knows_all(
        self, script: Open, open_sender: Open, status: int
    ) -> None:
        broken = Answer(202, b"{" * 50, cut=20)
        stand_in = script(broken, broken if status == 200 else Answer(status))
        delivered = open_sender(stand_in).send(batch(1, 2), "run-1", 2)
        unknown = (RowFailure(None, partner.BROKE_OFF),)
        assert delivered == Delivered(202, unknown, ATTEMPTS if status == 200 else 2)
        stand_in = script(broken)
        assert open_sender(stand_in, max_retries=0).send(batch(1, 2), "run-1", 2) == Delivered(202, unknown, 1)

    @pytest.mark.parametrize(("status", "failure"), [(500, Unavailable), (403, Denied), (401, Denied)])
    def test_a_success_that_broke_off_is_asked_for_in_another_leg_where_that_may_help(
        self, script: Open, open_sender: Open, status: int, failure: type[Exception]
    ) -> None:
        stand_in = script(Answer(202, b"{" * 50, cut=20), Answer(status))
        assert type(refused(open_sender(stand_in))) is failure

    def test_a_success_that_breaks_off_before_the_deadline_is_asked_for_in_the_next_leg(
        self, script: Open, open_sender: Open
    ) -> None:
        stand_in = script(Answer(202, b" " * 5000, interval=0.02))
        with time_left(0.8):
            assert type(refused(open_sender(stand_in))) is OutOfTime

    def test_connections_are_kept(self, script: Open, open_sender: Open) -> None:
        stand_in = script(ok({"fine": True}))
        sender = open_sender(stand_in)
        for number in range(20):
            sender.send(batch(1), f"run-{number}", 1)
        assert len(stand_in._server._connections) == 1

    def test_an_answer_that_is_lost_costs_no_row(self, start: Open, open_sender: Open) -> None:
        stand_in = start(faults=[Fault("lost", requests=[2, 3], path="records")])
        assert open_sender(stand_in).send(batch(1, 2), "run-1", 2).attempts == 3
        assert len(stand_in.rows) == 2
        assert stand_in.violations == []


class TestAskedAgain:
    @pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520, 599])
    def test_what_may_pass_is_asked_again(self, script: Open, open_sender: Open, status: int) -> None:
        stand_in = script(Answer(status), Answer(status), ok())
        assert open_sender(stand_in).send(batch(1), "run-1", 1) == Delivered(200, (), 3)
        assert [request.headers["idempotency-key"] for request in stand_in.batches] == ["run-1"] * 3

    @pytest.mark.parametrize(
        "fault",
        ["deaf", "reset", "lost", "timeout:0.01", "status:503", "html:502", "throttle:0", "throttle:0:form=date"],
    )
    def test_each_fault_alone_is_overcome(self, start: Open, open_sender: Open, fault: str) -> None:
        from tests.partner import Faults

        stand_in = start(faults=Faults.parse(f"{fault}:times=3"))
        delivered = open_sender(stand_in).send(batch(1, 2), "run-1", 2)
        assert delivered.failures == ()
        assert len(stand_in.applied) == 3
        assert [one.row["customer_id"] for one in stand_in.rows] == ["1", "2"]
        assert stand_in.violations == []

    @pytest.mark.parametrize("answer", [Answer(500, b'{"message": "boom"}'), Answer(cut=-1, is_reset=True)])
    def test_it_gives_up_after_so_many_in_a_row(self, script: Open, open_sender: Open, answer: Answer) -> None:
        stand_in = script(answer)
        failure = refused(open_sender(stand_in))
        assert isinstance(failure, Unavailable)
        assert failure.reason.endswith(f", {ATTEMPTS} times in a row")
        assert failure.reason.startswith(("the partner answered 500: boom", "the connection to the partner failed"))
        assert len(stand_in.batches) == ATTEMPTS

    def test_all_threads_share_the_budget_of_the_run(self, script: Open, open_sender: Open) -> None:
        stand_in = script(Answer(500))
        sender = open_sender(stand_in, max_retries=7)
        with ThreadPoolExecutor(4) as threads:
            failures = list(threads.map(lambda number: refused(sender, f"run-{number}"), range(4)))
        assert all(isinstance(failure, Unavailable) for failure in failures)
        assert len(stand_in.batches) == 4 + 7
        assert "no retries left" in refused(sender).reason

    def test_retries_and_requests_are_measured(
        self, script: Open, open_sender: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[Any] = []
        monkeypatch.setattr(metrics, "increment_counter", lambda name, **labels: seen.append((name, labels)))
        monkeypatch.setattr(metrics, "record_metric", lambda name, value: seen.append(name))
        open_sender(script(Answer(429), Answer(500), ok())).send(batch(1), "run-1", 1)
        assert seen.count("PartnerLatency") == 4
        assert [one for one in seen if one != "PartnerLatency"] == [
            ("PartnerRetries", {"Reason": "throttled"}),
            ("PartnerRetries", {"Reason": "failed"}),
        ]


class TestRefused:
    @pytest.mark.parametrize("status", [400, 413, 422])
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"", "the partner answered {status} without a reason"),
            (b'{"message": "row 1 is wrong"}', "row 1 is wrong"),
            (b"first line\nsecond", "first line"),
            (b"<html><head><title>Too large</title></head></html>", "Too large"),
            (b'{"error": {"code": 7, "message": "nested"}}', "nested"),
            (b'{"message": "invalid", "errors": [{"field": "x", "message": "empty"}]}', "invalid: empty"),
            (b'{"errors": {"email": ["is no address"]}}', "email: is no address"),
            (b'["one", "two"]', "one; two"),
            (b'"plain"', "plain"),
            (b"[" * 50_000, "[" * 500),
            (b'{"message": "a\\u0000b\\ud800c\\n\\u202ed"}', "a b c d"),
            (b"x" * 2_000_000, "x" * 500),
        ],
        ids=lambda value: str(value)[:30],
    )
    def test_a_batch_that_is_refused_has_the_partner_s_reason(
        self, script: Open, open_sender: Open, status: int, body: bytes, reason: str
    ) -> None:
        stand_in = script(Answer(status, body))
        failure = refused(open_sender(stand_in))
        assert isinstance(failure, BatchRefused)
        assert (failure.status, failure.reason, failure.attempts) == (status, reason.format(status=status), 1)
        assert len(stand_in.batches) == 1
        failure.reason.encode()

    @pytest.mark.parametrize("status", [402, 404, 405, 406, 409, 410, 415, 451, 499, 300, 304])
    def test_another_answer_is_final(self, script: Open, open_sender: Open, status: int) -> None:
        stand_in = script(Answer(status, headers={"Retry-After": "1"}))
        failure = refused(open_sender(stand_in))
        assert type(failure) is Refused
        assert str(status) in failure.reason
        assert len(stand_in.batches) == 1

    def test_403_is_a_denial(self, script: Open, open_sender: Open) -> None:
        stand_in = script(json_answer({"error": "scope missing"}, 403))
        failure = refused(open_sender(stand_in))
        assert (type(failure), failure.reason) == (Denied, "the partner answered 403: scope missing")
        assert (len(stand_in.batches), len(stand_in.tokens)) == (1, 1)

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize("path", ["records", "token"])
    def test_a_redirect_gets_nothing(self, start: Open, open_sender: Open, status: int, path: str) -> None:
        elsewhere = start()
        for host, port in (("127.0.0.1", elsewhere.port), ("localhost", None), ("127.0.0.1", None)):
            stand_in = start(faults=[Fault("redirect", status=status, host=host, port=port, path=path)])
            failure = refused(open_sender(stand_in))
            assert type(failure) is Refused
            assert failure.reason.endswith(f"answered {status}, a redirect, which is not followed")
            assert len(stand_in.requests) == (2 if path == "records" else 1)
            assert stand_in.leaks == []
        assert elsewhere.requests == []


class TestEnough:
    """What takes too long is cut off, whatever the other side does."""

    @pytest.mark.parametrize("status", [200, 422, 500])
    def test_a_drip_that_tells_no_status_is_cut_at_the_time_out(
        self, script: Open, open_sender: Open, status: int
    ) -> None:
        stand_in = script(Answer(status, interval=0.1, drips_in="headers"))
        began = time.monotonic()
        failure = refused(open_sender(stand_in, timeout_seconds=0.4, max_retries=0))
        assert isinstance(failure, Unavailable)
        assert failure.reason == "the partner gave no answer within 0.4 s, and the run has no retries left"
        assert time.monotonic() - began < 1.5

    @pytest.mark.parametrize(("status", "outcome"), [(200, None), (422, BatchRefused), (500, Unavailable)])
    def test_a_status_counts_though_the_rest_drips(
        self, script: Open, open_sender: Open, status: int, outcome: Any
    ) -> None:
        stand_in = script(Answer(status, b" " * 5000, interval=0.02))
        sender = open_sender(stand_in, timeout_seconds=0.3, max_retries=0)
        began = time.monotonic()
        if outcome is None:
            assert sender.send(batch(1), "run-1", 1) == Delivered(200, (RowFailure(None, partner.BROKE_OFF),), 1)
        else:
            assert type(refused(sender)) is outcome
        assert time.monotonic() - began < 2

    def test_silence_is_cut_at_the_time_out(self, start: Open, open_sender: Open) -> None:
        stand_in = start(faults=[Fault("timeout", seconds=30, path="records")])
        began = time.monotonic()
        failure = refused(open_sender(stand_in, timeout_seconds=0.3, max_retries=1))
        assert isinstance(failure, Unavailable)
        assert failure.is_slow
        assert time.monotonic() - began < 2

    @pytest.mark.parametrize("path", ["records", "token"])
    @pytest.mark.parametrize("kind", ["timeout", "drip"])
    def test_the_deadline_cuts_a_request(self, start: Open, open_sender: Open, path: str, kind: str) -> None:
        options = {"seconds": 30} if kind == "timeout" else {"interval": 0.2, "at": "headers", "first": None}
        stand_in = start(faults=[Fault(kind, path=path, **options)])
        sender = open_sender(stand_in, timeout_seconds=60)
        with time_left(0.8):
            began = time.monotonic()
            assert isinstance(refused(sender), OutOfTime)
        assert time.monotonic() - began < 1.5

    def test_a_deadline_that_another_thread_cuts_cuts_the_request(self, start: Open, open_sender: Open) -> None:
        stand_in = start(faults=[Fault("timeout", seconds=30, path="records")])
        with time_left(60) as found:
            timer = threading.Timer(0.2, found.cut, (0.4,))
            timer.start()
            began = time.monotonic()
            assert isinstance(refused(open_sender(stand_in, timeout_seconds=60)), OutOfTime)
            timer.join()
        assert time.monotonic() - began < 2

    def test_nothing_is_asked_when_the_time_is_over(self, start: Open, open_sender: Open) -> None:
        stand_in = start()
        with time_left(0.1):
            assert isinstance(refused(open_sender(stand_in)), OutOfTime)
        assert stand_in.requests == []

    @pytest.mark.parametrize(("status", "form"), [(429, "60"), (503, "60"), (500, "60"), (429, "date"), (503, "date")])
    def test_a_retry_after_beyond_the_deadline_is_left_to_the_next_leg(
        self, script: Open, start: Open, open_sender: Open, status: int, form: str
    ) -> None:
        if form == "date":
            stand_in = start(faults=[Fault("throttle", seconds=60, form="date", status=status, path="records")])
        else:
            stand_in = script(Answer(status, headers={"Retry-After": form}))
        with time_left(5):
            began = time.monotonic()
            failure = refused(open_sender(stand_in))
        assert time.monotonic() - began < 1
        assert isinstance(failure, OutOfTime)
        assert 58 < failure.seconds < 62
        assert failure.reason.startswith(f"the partner answered {status}")

    @pytest.mark.parametrize("status", [429, 503, 500])
    def test_one_that_is_too_long_is_not_waited_for(self, script: Open, open_sender: Open, status: int) -> None:
        sender = open_sender(script(Answer(status, headers={"Retry-After": "86400"}), ok()))
        failure = refused(sender)
        assert isinstance(failure, Unavailable)
        assert failure.reason == f"the partner answered {status}, and asks to wait 86400 s"
        assert sender.send(batch(1), "run-2", 1).status == 200

    @pytest.mark.parametrize("kind", ["timeout", "drip", "throttle"])
    @pytest.mark.parametrize("how", ["cut", "close"])
    def test_cutting_ends_what_is_under_way_and_all_that_follows(
        self, start: Open, open_sender: Open, kind: str, how: str
    ) -> None:
        options = {"interval": 0.2, "at": "headers", "first": None} if kind == "drip" else {"seconds": 50}
        stand_in = start(faults=[Fault(kind, path="records", **options)])
        sender = open_sender(stand_in, timeout_seconds=60)
        with ThreadPoolExecutor(4) as threads:
            coming = [threads.submit(sender.send, batch(1), f"run-{number}", 1) for number in range(4)]
            while len(stand_in.requests) < (5 if kind != "throttle" else 2):
                time.sleep(0.01)
            time.sleep(0.1)
            began = time.monotonic()
            getattr(sender, how)()
            for each in coming:
                with pytest.raises(Stopped):
                    each.result(5)
            assert time.monotonic() - began < 1
        count = len(stand_in.requests)
        assert isinstance(refused(sender), Stopped)
        assert len(stand_in.requests) == count

    def test_no_thread_is_left(self, start: Open, open_sender: Open) -> None:
        before = threading.active_count()
        sender = open_sender(start())
        sender.send(batch(1), "run-1", 1)
        sender.close()
        assert not [thread for thread in threading.enumerate() if thread.name == "watch"]
        assert threading.active_count() <= before + 2  # the server's own

    def test_only_what_is_late_is_cut(self, start: Open, open_sender: Open) -> None:
        stand_in = start(
            faults=[Fault("timeout", seconds=30, requests=[2], path="records"), Fault("slow", seconds=0.2)]
        )
        sender = open_sender(stand_in, timeout_seconds=0.6, max_retries=1)
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(lambda number: sender.send(batch(number), f"run-{number}", 1), range(12)))
        assert sorted(one.attempts for one in found) == [1] * 11 + [2]


class TestTheWayOut:
    def test_proxies_of_the_environment_are_used_and_netrc_is_not(
        self, script: Open, open_sender: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("default login nobody password nothing\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.delenv("no_proxy", raising=False)
        proxy = script(ok())
        monkeypatch.setenv("http_proxy", proxy.url)
        stand_in = script(ok())
        sender = open_sender(stand_in)
        for _ in range(2):
            sender.send(batch(1), "run-1", 1)
        assert stand_in.requests == []
        assert {request.headers["authorization"] for request in proxy.batches} == {f"Bearer {proxy.tokens[0]}"}
        assert {request.headers["host"] for request in proxy.batches} == {f"127.0.0.1:{stand_in.port}"}

    def test_cookies_are_not_kept(self, script: Open, open_sender: Open) -> None:
        stand_in = script(Answer(200, headers={"Set-Cookie": "session=1"}), ok())
        sender = open_sender(stand_in)
        for _ in range(2):
            sender.send(batch(1), "run-1", 1)
        assert "cookie" not in stand_in.batches[1].headers

    def test_nobody_listens(self, start: Open, open_sender: Open) -> None:
        with Partner() as stand_in:
            pass
        failure = refused(open_sender(stand_in, max_retries=2))
        assert failure.reason.startswith("the connection to the partner failed (NewConnectionError)")

    def test_the_sum_of_waits_is_bounded(self) -> None:
        assert calls.LONGEST_RETRY_AFTER_SECONDS == 900
