"""What the client gets of an answer: the same through every shape of event, where the shape allows it."""

from __future__ import annotations

import base64
import gzip
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from service import gateway
from tests.gateway.shapes import HEADERS, SHAPES, Event, answer_of, invoke, saying
from tests.transports import event_alb, event_alb_multi, event_v1, event_v2

Build = Callable[..., Event]
COOKIES = ["a=1; Path=/", "b=2; Expires=Sat, 21 Nov 2026 00:00:00 GMT", "c=3"]


@pytest.fixture(params=SHAPES.values(), ids=SHAPES)
def build(request: pytest.FixtureRequest) -> Any:
    return request.param


class Output:
    """A body that remembers whether it was closed, and fails where it is told to."""

    def __init__(self, *chunks: bytes, error: Exception | None = None) -> None:
        self.chunks, self.error, self.closed = list(chunks), error, 0

    def __iter__(self) -> Iterator[bytes]:
        yield from self.chunks
        if self.error:
            raise self.error

    def close(self) -> None:
        self.closed += 1


class TestEveryShape:
    @pytest.mark.parametrize("status", ["200 OK", "201 Created", "404 Not Found", "500 Internal Server Error"])
    def test_the_status_is_an_integer(self, build: Build, status: str) -> None:
        answer = invoke(saying(status=status), build())
        assert type(answer["statusCode"]) is int
        assert answer["statusCode"] == int(status[:3])

    @pytest.mark.parametrize("body", [b"", b"{}", "é日\n".encode(), b"\xef\xbb\xbfx", b"a\x00b"], ids=repr)
    def test_utf_8_is_sent_as_text(self, build: Build, body: bytes) -> None:
        answer = invoke(saying(body), build())
        assert answer["isBase64Encoded"] is False
        assert answer["body"].encode() == body

    @pytest.mark.parametrize(
        "body", [b"\xff", b"\x89PNG\r\n\x1a\n", "é".encode("latin-1"), bytes(range(256))], ids=repr
    )
    def test_what_is_no_utf_8_is_sent_in_base64(self, build: Build, body: bytes) -> None:
        answer = invoke(saying(body), build())
        assert answer["isBase64Encoded"] is True
        assert base64.b64decode(answer["body"]) == body

    @pytest.mark.parametrize(
        "body", [gzip.compress(b"hello"), b"plain bytes of some other encoding"], ids=["gzip", "text"]
    )
    def test_an_encoded_body_is_sent_in_base64_whatever_its_bytes(self, build: Build, body: bytes) -> None:
        answer = invoke(saying(body, headers=[*HEADERS, ("content-encoding", "gzip")]), build())
        assert answer["isBase64Encoded"] is True
        assert base64.b64decode(answer["body"]) == body

    def test_identity_is_no_encoding(self, build: Build) -> None:
        answer = invoke(saying(b"x", headers=[*HEADERS, ("Content-Encoding", "identity")]), build())
        assert (answer["isBase64Encoded"], answer["body"]) == (False, "x")

    def test_several_cookies_all_arrive_in_order(self, build: Build) -> None:
        headers = HEADERS + [("Set-Cookie", cookie) for cookie in COOKIES]
        assert answer_of(saying(headers=headers), build()).cookies == COOKIES

    def test_cookies_arrive_however_the_application_spells_them(self, build: Build) -> None:
        names = ["Set-Cookie", "set-cookie", "SET-COOKIE"]
        headers = HEADERS + list(zip(names, COOKIES, strict=True))
        assert answer_of(saying(headers=headers), build()).cookies == COOKIES

    def test_without_cookies_there_are_none(self, build: Build) -> None:
        assert answer_of(saying(), build()).cookies == []

    def test_duplicate_headers_all_arrive(self, build: Build) -> None:
        headers = [*HEADERS, ("Vary", "Origin"), ("X-A", "1"), ("vary", "Accept")]
        answer = answer_of(saying(headers=headers), build())
        assert answer.headers["vary"] == "Origin,Accept"
        assert answer.headers["x-a"] == "1"

    def test_an_answer_to_head_has_headers_but_no_body(self, build: Build) -> None:
        answer = invoke(saying(b"body", headers=[*HEADERS, ("Content-Length", "4")]), build("HEAD"))
        assert (answer["body"], answer["isBase64Encoded"]) == ("", False)
        headers = answer.get("headers") or {name: values[0] for name, values in answer["multiValueHeaders"].items()}
        assert headers["Content-Length"] == "4"

    @pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
    def test_an_answer_that_may_have_no_body_has_none(self, build: Build, status: str) -> None:
        answer = invoke(saying(b"\xff", status, headers=[("ETag", '"1"')]), build())
        assert (answer["body"], answer["isBase64Encoded"]) == ("", False)

    def test_a_body_in_pieces_is_joined(self, build: Build) -> None:
        def app(_environ: Event, start_response: Any) -> list[bytes]:
            start_response("200 OK", HEADERS)
            return [b"\xc3", b"", b"\xa9"]

        assert invoke(app, build())["body"] == "é"

    def test_a_generator_may_start_the_answer_late(self, build: Build) -> None:
        def app(_environ: Event, start_response: Any) -> Iterator[bytes]:
            start_response("202 Accepted", [*HEADERS, ("X-Late", "1")])
            yield b"a"
            yield b"b"

        answer = answer_of(app, build())
        assert (answer.status, answer.headers["x-late"], answer.body) == (202, "1", b"ab")

    def test_what_is_written_comes_before_what_is_returned(self, build: Build) -> None:
        def app(_environ: Event, start_response: Any) -> list[bytes]:
            write = start_response("200 OK", HEADERS)
            write(b"a")
            write(b"b")
            return [b"c"]

        assert answer_of(app, build()).body == b"abc"

    def test_the_body_is_closed_once(self, build: Build) -> None:
        output = Output(b"a", b"b")

        def app(_environ: Event, start_response: Any) -> Output:
            start_response("200 OK", HEADERS)
            return output

        assert answer_of(app, build()).body == b"ab"
        assert output.closed == 1

    def test_the_body_is_closed_after_an_error_which_is_raised(self, build: Build) -> None:
        output = Output(b"a", error=LookupError("half way"))

        def app(_environ: Event, start_response: Any) -> Output:
            start_response("200 OK", HEADERS)
            return output

        with pytest.raises(LookupError, match="half way"):
            invoke(app, build())
        assert output.closed == 1

    def test_an_error_before_the_answer_is_raised(self, build: Build) -> None:
        def app(_environ: Event, _start_response: Any) -> list[bytes]:
            raise LookupError("at once")

        with pytest.raises(LookupError, match="at once"):
            invoke(app, build())

    def test_an_answer_that_was_never_started_is_an_error(self, build: Build) -> None:
        output = Output()
        with pytest.raises(AssertionError, match="without calling start_response"):
            gateway.respond(lambda _environ, _start_response: output, build(), None)
        assert output.closed == 1

    def test_an_answer_cannot_be_started_twice(self, build: Build) -> None:
        def app(_environ: Event, start_response: Any) -> list[bytes]:
            start_response("200 OK", HEADERS)
            start_response("201 Created", HEADERS)
            return []

        with pytest.raises(AssertionError, match="without exc_info"):
            invoke(app, build())

    def test_after_an_error_the_answer_may_be_replaced_as_a_whole(self, build: Build) -> None:
        def app(_environ: Event, start_response: Any) -> Iterator[bytes]:
            start_response("200 OK", [*HEADERS, ("X-Old", "1")])
            yield b"half a"
            try:
                raise LookupError
            except LookupError:
                start_response("500 Internal Server Error", [*HEADERS, ("X-New", "1")], sys.exc_info())
            yield b"sorry"

        answer = answer_of(app, build())
        assert (answer.status, answer.body) == (500, b"sorry")
        assert "x-new" in answer.headers
        assert "x-old" not in answer.headers

    def test_headers_that_are_changed_after_the_start_do_not_change(self, build: Build) -> None:
        def app(_environ: Event, start_response: Any) -> list[bytes]:
            headers = [*HEADERS, ("X-A", "1")]
            start_response("200 OK", headers)
            headers.clear()
            return []

        assert answer_of(app, build()).headers["x-a"] == "1"

    def test_a_status_without_a_reason_is_enough(self, build: Build) -> None:
        def app(_environ: Event, start_response: Any) -> list[bytes]:
            start_response("200", HEADERS)
            return []

        assert gateway.respond(app, build(), None)["statusCode"] == 200


TWO = [*HEADERS, ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Vary", "X"), ("Vary", "Y")]


@pytest.mark.parametrize(
    ("build", "answer"),
    [
        (event_v2, {"headers": {"Content-Type": "text/plain", "Vary": "X,Y"}, "cookies": ["a=1", "b=2"]}),
        (
            event_v1,
            {
                "headers": {"Content-Type": "text/plain", "Set-Cookie": "b=2", "Vary": "Y"},
                "multiValueHeaders": {
                    "Content-Type": ["text/plain"],
                    "Set-Cookie": ["a=1", "b=2"],
                    "Vary": ["X", "Y"],
                },
            },
        ),
        (
            event_alb,
            {
                "statusDescription": "200 OK",
                "headers": {"Content-Type": "text/plain", "Vary": "X,Y", "set-cookie": "a=1", "set-cookiE": "b=2"},
            },
        ),
        (
            event_alb_multi,
            {
                "statusDescription": "200 OK",
                "multiValueHeaders": {
                    "Content-Type": ["text/plain"],
                    "Set-Cookie": ["a=1", "b=2"],
                    "Vary": ["X", "Y"],
                },
            },
        ),
    ],
    ids=["2.0", "1.0", "alb", "alb-multi"],
)
def test_each_sender_gets_the_format_that_it_reads(build: Build, answer: Event) -> None:
    common = {"statusCode": 200, "isBase64Encoded": False, "body": "x"}
    assert invoke(saying(b"x", headers=TWO), build()) == common | answer


def test_fifty_cookies_fit_in_the_single_headers_of_a_load_balancer() -> None:
    cookies = [f"c{number}=1" for number in range(50)]
    headers = HEADERS + [("Set-Cookie", cookie) for cookie in cookies]
    assert answer_of(saying(headers=headers), event_alb()).cookies == cookies


def test_payload_2_is_answered_as_such_even_where_an_emulator_adds_a_method() -> None:
    answer = invoke(saying(headers=TWO), event_v2() | {"httpMethod": "GET"})
    assert answer["cookies"] == ["a=1", "b=2"]
