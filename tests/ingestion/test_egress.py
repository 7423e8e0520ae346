"""The public address: asked of strangers, who may say anything, late, or nothing."""

from __future__ import annotations

import contextlib
import gzip
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from service import config, deadline
from service.errors import ServiceUnavailable
from service.ingestion.fullbay import egress
from service.ingestion.fullbay.egress import AddressUnknown, EgressAddress


class Stranger:
    """A service at `url` that says `body`, and notes the headers of who asks."""

    def __init__(self, body: bytes = b"203.0.113.7\n") -> None:
        self.body = body
        self.status = 200
        self.headers: dict[str, str] = {}
        self.delay = 0.0
        self.drip = 0.0  # between bytes
        self.is_gone = False
        self.asked: list[dict[str, str]] = []
        stranger = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stranger.asked.append(dict(self.headers))
                time.sleep(stranger.delay)
                if stranger.is_gone:
                    return
                with contextlib.suppress(OSError):  # it did not wait
                    self.send_response(stranger.status)
                    for name, value in stranger.headers.items():
                        self.send_header(name, value)
                    if "Content-Length" not in stranger.headers:
                        self.send_header("Content-Length", str(len(stranger.body)))
                    self.end_headers()
                    self._say()

            def _say(self) -> None:
                step = 1 if stranger.drip else 65536
                for start in range(0, len(stranger.body), step):
                    self.wfile.write(stranger.body[start : start + step])
                    self.wfile.flush()
                    time.sleep(stranger.drip)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/ip"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def stranger() -> Iterator[Callable[..., Stranger]]:
    """Makes services."""
    made: list[Stranger] = []

    def make(body: bytes = b"203.0.113.7\n", **behaviour: Any) -> Stranger:
        made.append(Stranger(body))
        for name, value in behaviour.items():
            setattr(made[-1], name, value)
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(autouse=True)
def _no_deadline() -> Iterator[None]:
    deadline.clear()
    yield
    deadline.clear()


def address_by(*services: Stranger, **environ: str) -> EgressAddress:
    urls = ",".join(service.url for service in services)
    return EgressAddress(config.load({"FULLBAY_IP_SERVICES": urls, **environ}).fullbay)


def test_the_configured_address_is_used_and_nobody_is_asked(stranger: Callable[..., Stranger]) -> None:
    service = stranger()
    address = address_by(service, FULLBAY_SERVER_IP="198.51.100.9")
    assert address.get() == "198.51.100.9"
    assert not address.refresh()
    assert service.asked == []


def test_an_address_is_asked_for_once_and_kept(stranger: Callable[..., Stranger]) -> None:
    first, second = stranger(), stranger(b"198.51.100.9")
    address = address_by(first, second)
    assert first.asked == []
    assert [address.get() for _ in range(5)] == ["203.0.113.7"] * 5
    assert len(first.asked) == 1
    assert second.asked == []


def test_a_stranger_is_told_nothing(stranger: Callable[..., Stranger]) -> None:
    service = stranger()
    address_by(service, FULLBAY_API_KEY="hunter2").get()
    (headers,) = service.asked
    assert "hunter2" not in str(headers)
    assert headers["User-Agent"] == "Headgate"
    assert not {"Authorization", "Cookie"} & set(headers)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "HTML": ({"body": b"<html>203.0.113.7</html>"}, "no IPv4 address"),
    "JSON": ({"body": b'{"ip": "203.0.113.7"}'}, "no IPv4 address"),
    "an address of six": ({"body": b"2001:db8::1"}, "no IPv4 address"),
    "a mapped address": ({"body": b"::ffff:203.0.113.7"}, "no IPv4 address"),
    "two addresses": ({"body": b"203.0.113.7, 203.0.113.8"}, "no IPv4 address"),
    "too many parts": ({"body": b"203.0.113.7.1"}, "no IPv4 address"),
    "a part too large": ({"body": b"203.0.113.256"}, "no IPv4 address"),
    "leading zeros": ({"body": b"203.000.113.007"}, "no IPv4 address"),
    "other digits": ({"body": "٢٠٣.0.113.7".encode()}, "no IPv4 address"),
    "a number": ({"body": b"3405803783"}, "no IPv4 address"),
    "nothing": ({"body": b""}, "no IPv4 address"),
    "no text": ({"body": bytes(range(200, 230))}, "no IPv4 address"),
    "an address and then a flood": ({"body": b"203.0.113.7\n" + b"\n" * 50_000_000}, "no IPv4 address"),
    "an error": ({"status": 500}, "status 500"),
    "too often": ({"status": 429}, "status 429"),
    "no content": ({"status": 204, "body": b""}, "status 204"),
    "a redirect": ({"status": 302, "headers": {"Location": "http://127.0.0.1:9/"}}, "status 302"),
    "a hang-up": ({"is_gone": True}, "ConnectionError"),
    "half an answer": ({"headers": {"Content-Length": "500"}}, "ChunkedEncodingError"),
    "no compression": ({"headers": {"Content-Encoding": "gzip"}}, "ContentDecodingError"),
}


@pytest.mark.parametrize(("behaviour", "failure"), WRONG.values(), ids=WRONG)
def test_who_says_anything_else_is_passed_over(
    stranger: Callable[..., Stranger], behaviour: dict[str, Any], failure: str
) -> None:
    wrong, right = stranger(**behaviour), stranger(b"198.51.100.9")
    begun_at = time.monotonic()
    assert address_by(wrong, right).get() == "198.51.100.9"
    assert time.monotonic() - begun_at < 2.8
    with pytest.raises(AddressUnknown) as error:
        address_by(wrong).get()
    assert error.value.reason == f"the public IPv4 address is unknown; asked: 127.0.0.1 ({failure})"


def test_a_redirect_is_not_followed(stranger: Callable[..., Stranger]) -> None:
    elsewhere = stranger()
    wrong = stranger(status=302, headers={"Location": elsewhere.url})
    with pytest.raises(AddressUnknown):
        address_by(wrong).get()
    assert elsewhere.asked == []


@pytest.mark.parametrize("behaviour", [{"delay": 1.5}, {"drip": 0.2}], ids=["late", "a byte now and then"])
def test_who_is_slow_is_left_alone(
    stranger: Callable[..., Stranger], behaviour: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(egress, "ASK_SECONDS", 0.4)
    slow, right = stranger(**behaviour), stranger(b"198.51.100.9")
    begun_at = time.monotonic()
    assert address_by(slow, right).get() == "198.51.100.9"
    assert time.monotonic() - begun_at < 1.4


def test_nobody_is_waited_for_beyond_the_deadline(stranger: Callable[..., Stranger]) -> None:
    slow = [stranger(delay=2) for _ in range(3)]
    deadline.start(0.3)
    begun_at = time.monotonic()
    with pytest.raises(AddressUnknown, match="temporarily") as error:
        address_by(*slow).get()
    assert time.monotonic() - begun_at < 1.8
    assert error.value.reason.count("(no answer in time)") == 3


def test_an_answer_may_be_compressed_and_have_white_space_around_it(stranger: Callable[..., Stranger]) -> None:
    assert address_by(stranger(b" 203.0.113.7 \r\n")).get() == "203.0.113.7"
    packed = stranger(gzip.compress(b"203.0.113.7"), headers={"Content-Encoding": "gzip"})
    assert address_by(packed).get() == "203.0.113.7"


def test_the_error_names_every_host_that_was_asked_and_no_more_of_its_url() -> None:
    urls = "https://me:hunter2@nobody.invalid/hunter2?hunter2 http://127.0.0.1:9/hunter2"
    address = EgressAddress(config.load({"FULLBAY_IP_SERVICES": urls}).fullbay)
    with pytest.raises(ServiceUnavailable) as error:
        address.get()
    assert isinstance(error.value, AddressUnknown)
    assert error.value.reason == (
        "the public IPv4 address is unknown; asked: nobody.invalid (ConnectionError), 127.0.0.1 (ConnectionError)"
    )
    assert error.value.__context__ is None


def test_a_new_address_is_seen_when_the_known_one_is_due(
    stranger: Callable[..., Stranger], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(egress, "KEEP_SECONDS", 1)
    service = stranger()
    address = address_by(service)
    assert address.get() == "203.0.113.7"
    service.body = b"198.51.100.9"
    assert address.get() == "203.0.113.7"
    time.sleep(1.1)
    assert address.get() == "198.51.100.9"


def test_a_new_address_is_seen_at_once_when_the_old_one_was_refused(stranger: Callable[..., Stranger]) -> None:
    service = stranger()
    address = address_by(service)
    assert address.get() == "203.0.113.7"
    service.body = b"198.51.100.9"
    assert address.refresh()
    assert address.get() == "198.51.100.9"
    service.body = b"192.0.2.1"
    for _ in range(5):
        assert not address.refresh()  # was asked for just now
    assert len(service.asked) == 2


def test_an_address_that_is_the_same_as_before_has_not_changed(stranger: Callable[..., Stranger]) -> None:
    address = address_by(stranger())
    address.get()
    assert not address.refresh()


def test_a_known_address_stays_while_nobody_answers(
    stranger: Callable[..., Stranger], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(egress, "KEEP_SECONDS", 0)
    service = stranger()
    address = address_by(service)
    assert address.get() == "203.0.113.7"
    service.status = 500
    assert [address.get() for _ in range(4)] == ["203.0.113.7"] * 4
    assert len(service.asked) == 2
    (record,) = [record for record in caplog.records if record.name == "service.ingestion.fullbay.egress"]
    assert record.levelname == "WARNING"
    with pytest.raises(AddressUnknown):
        address.refresh()
    assert address.get() == "203.0.113.7"


def test_threads_that_need_the_address_at_once_have_it_asked_for_once(stranger: Callable[..., Stranger]) -> None:
    service = stranger(delay=0.1)
    address = address_by(service)
    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(lambda _: address.get(), range(24))) == {"203.0.113.7"}
    assert len(service.asked) == 1


def test_a_thread_waits_for_another_s_question_no_longer_than_its_own_deadline(
    stranger: Callable[..., Stranger],
) -> None:
    address = address_by(stranger(delay=1.2))
    first = threading.Thread(target=address.get)
    first.start()
    time.sleep(0.1)
    deadline.start(0.2)
    with pytest.raises(AddressUnknown) as error:
        address.get()
    assert error.value.reason == "the public IPv4 address was not known before the deadline"
    first.join()
