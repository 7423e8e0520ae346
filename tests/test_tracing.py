"""Traces: what X-Ray's daemon is sent, when, and that nothing about it disturbs the invocation."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import config, lambda_handler, logs, tracing
from service.lambda_handler import UnknownEvent
from tests.test_logs import written
from tests.transports import event_alb, event_v2

ROOT = "1-5759e988-bd862e3fe1be46a994272793"
PARENT = "53995c3f42cd8ad8"
SAMPLED = f"Root={ROOT};Parent={PARENT};Sampled=1"


class Daemon:
    """A UDP socket as X-Ray's daemon has it."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.3)
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"

    def received(self) -> list[dict[str, Any]]:
        """Return the documents that have come, read as the daemon reads them: a header, a line break, a document."""
        documents = []
        while True:
            try:
                datagram = self.socket.recv(65536)
            except TimeoutError:
                return documents
            header, document = datagram.split(b"\n")
            assert json.loads(header) == {"format": "json", "version": 1}
            documents.append(json.loads(document))


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    found = Daemon()
    yield found
    found.socket.close()


@pytest.fixture
def function(handler: Any, daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The handler on Lambda, traced."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "headgate")
    monkeypatch.setenv("TOKEN_ISSUER", "https://issuer.example.com")
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", daemon.address)
    monkeypatch.setenv("_X_AMZN_TRACE_ID", SAMPLED)
    return handler


def test_a_request_puts_its_id_on_the_trace(function: Any, daemon: Daemon) -> None:
    event = event_v2("GET", "/health")
    began = time.time()
    answer = function(event)
    (subsegment,) = daemon.received()
    assert subsegment.pop("start_time") == pytest.approx(began, abs=5)
    assert 0 < subsegment.pop("end_time") - began < 5
    assert re.fullmatch("[0-9a-f]{16}", subsegment.pop("id"))
    assert subsegment == {
        "name": "headgate",
        "trace_id": ROOT,
        "parent_id": PARENT,
        "type": "subsegment",
        "annotations": {"request_id": event["requestContext"]["requestId"]},
        "fault": False,
    }
    assert answer["headers"]["X-Request-Id"] == event["requestContext"]["requestId"]


def test_a_request_without_an_id_of_the_gateway_has_the_one_of_its_answer(function: Any, daemon: Daemon) -> None:
    answer = function(event_alb("GET", "/health", headers={"X-Request-Id": "mine"}))
    (subsegment,) = daemon.received()
    assert subsegment["annotations"] == {"request_id": answer["headers"]["X-Request-Id"]} == {"request_id": "mine"}


def test_each_invocation_is_on_its_own_trace(function: Any, daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda sets the trace anew for each."""
    roots = [f"1-5759e988-{number:024x}" for number in range(3)]
    for root in roots:
        monkeypatch.setenv("_X_AMZN_TRACE_ID", f"Root={root};Parent={PARENT};Sampled=1;Lineage=a:0")
        function(event_v2("GET", "/health"))
    documents = daemon.received()
    assert [document["trace_id"] for document in documents] == roots
    assert len({document["id"] for document in documents}) == 3


def test_an_invocation_that_fails_is_a_fault(function: Any, daemon: Daemon, context: Any) -> None:
    with pytest.raises(UnknownEvent):
        function({"what": 1})
    (subsegment,) = daemon.received()
    assert (subsegment["fault"], subsegment["annotations"]) == (True, {"request_id": context.aws_request_id})


def test_an_answer_of_5xx_is_a_fault(function: Any, daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me@127.0.0.1:1/app")
    assert function(event_v2("GET", "/ready"))["statusCode"] == 503
    assert [document["fault"] for document in daemon.received()] == [True]


SILENT = {
    "not sampled": {"_X_AMZN_TRACE_ID": f"Root={ROOT};Parent={PARENT};Sampled=0"},
    "no decision": {"_X_AMZN_TRACE_ID": f"Root={ROOT};Parent={PARENT}"},
    "no trace": {"_X_AMZN_TRACE_ID": ""},
    "no parent": {"_X_AMZN_TRACE_ID": f"Root={ROOT};Sampled=1"},
    "noise": {"_X_AMZN_TRACE_ID": "a;b=c;=;Root=;Sampled=1"},
    "no daemon": {"AWS_XRAY_DAEMON_ADDRESS": ""},
    "an address that is none": {"AWS_XRAY_DAEMON_ADDRESS": "nowhere"},
    "a port that is none": {"AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:99999"},
    "a host that is none": {"AWS_XRAY_DAEMON_ADDRESS": "999.999.999.999:2000"},
}


@pytest.mark.parametrize("environment_of_aws", SILENT.values(), ids=SILENT)
def test_nothing_is_sent_and_nothing_fails(
    function: Any, daemon: Daemon, monkeypatch: pytest.MonkeyPatch, environment_of_aws: dict[str, str]
) -> None:
    for name, value in environment_of_aws.items():
        monkeypatch.setenv(name, value)
    assert function(event_v2("GET", "/health"))["statusCode"] == 200
    assert daemon.received() == []


def test_elsewhere_nothing_is_sent(handler: Any, daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", daemon.address)
    monkeypatch.setenv("_X_AMZN_TRACE_ID", SAMPLED)
    assert handler(event_v2("GET", "/health"))["statusCode"] == 200
    assert daemon.received() == []


def test_the_udp_side_of_a_daemon_with_two_is_found(
    function: Any, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", f"tcp:127.0.0.1:1 udp:{daemon.address}")
    function(event_v2("GET", "/health"))
    assert len(daemon.received()) == 1


def test_a_daemon_that_is_gone_disturbs_nobody(function: Any, daemon: Daemon) -> None:
    daemon.socket.close()
    began = time.monotonic()
    for _ in range(3):
        assert function(event_v2("GET", "/health"))["statusCode"] == 200
    assert time.monotonic() - began < 5


@given(st.text())
def test_no_trace_header_fails(header: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "trace_header", lambda: header)
        trace = tracing.current()
    assert trace is None or re.fullmatch("1-[0-9a-f]{8}-[0-9a-f]{24}", trace.id)


def test_log_lines_bear_the_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", f"Root={ROOT};Parent={PARENT};Sampled=0")
    (line,) = written(lambda logger: logger.info("x"))
    assert line["traceId"] == ROOT
    monkeypatch.delenv("_X_AMZN_TRACE_ID")
    (line,) = written(lambda logger: logger.info("x"))
    assert "traceId" not in line


def test_the_id_of_an_invocation_is_not_left_to_the_next(function: Any, daemon: Daemon) -> None:
    function(event_v2("GET", "/health"))
    assert logs.request_id() is None
    other = SimpleNamespace(aws_request_id="invocation-8", get_remaining_time_in_millis=lambda: 30_000)
    with pytest.raises(UnknownEvent):
        lambda_handler.handler({"what": 1}, other)
    assert [document["annotations"]["request_id"] for document in daemon.received()][1:] == ["invocation-8"]
