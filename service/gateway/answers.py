"""What a WSGI application says, as the answer that each kind of event expects."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import awsgi

from service.gateway.events import Event, is_alb, is_v2

Headers = list[tuple[str, str]]
Grouped = dict[str, tuple[str, list[str]]]  # lower-case name → the application's spelling, and all values


class Answer(awsgi.StartResponse):  # type: ignore[misc]  # aws-wsgi has no types
    """A `start_response` that collects the answer, in the format of payload 2.0 and Function URLs."""

    status_line: str
    status: int
    headers: Headers

    def __init__(self, method: str) -> None:
        self.method = method
        self.is_started = False
        self.headers = []
        self.chunks: list[bytes] = []

    def __call__(self, status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], None]:
        if self.is_started:
            if not exc_info:
                raise AssertionError("start_response was called again without exc_info")
            self.chunks.clear()  # nothing has been sent: the error's own page is the whole body
        self.is_started = True
        write: Callable[[bytes], None] = super().__call__(status, headers)
        return write

    def consume(self, output: Iterable[bytes]) -> None:
        """Read the body to its end, and close it whatever happens. A generator may start the answer only here."""
        try:
            for chunk in output:
                self.chunks.append(chunk)
        finally:
            if hasattr(output, "close"):
                output.close()
        if not self.is_started:
            raise AssertionError("the application returned without calling start_response")

    def finish(self) -> Event:
        """Return the whole answer."""
        grouped: Grouped = {}
        for name, value in self.headers:
            grouped.setdefault(name.lower(), (name, []))[1].append(value)
        is_encoded = "content-encoding" in grouped and grouped["content-encoding"][1] != ["identity"]
        return {"statusCode": self.status, **self.format_headers(grouped), **self.format_body(is_encoded)}

    def format_headers(self, grouped: Grouped) -> Event:
        """Return the headers: repeated ones joined, cookies apart."""
        cookies = grouped.pop("set-cookie", None)
        headers = {name: ",".join(values) for name, values in grouped.values()}
        return {"headers": headers, "cookies": cookies[1]} if cookies else {"headers": headers}

    def format_body(self, is_encoded: bool) -> Event:
        """Return the body: as text, or in base64 where it is encoded or no UTF-8; none where HTTP allows none."""
        if self.method == "HEAD" or self.status in (204, 304):
            return {"isBase64Encoded": False, "body": ""}
        body = b"".join(self.chunks)
        if not is_encoded:
            try:
                return {"isBase64Encoded": False, "body": body.decode("utf-8")}
            except UnicodeDecodeError:
                pass
        return {"isBase64Encoded": True, "body": b64encode(body).decode("ascii")}


class AnswerV1(Answer):
    """Payload 1.0: every header as a list."""

    def format_headers(self, grouped: Grouped) -> Event:
        many = dict(grouped.values())
        return {"headers": {name: values[-1] for name, values in many.items()}, "multiValueHeaders": many}


class AnswerALBMulti(Answer):
    """A load balancer with multi-value headers: it reads no others."""

    def format_headers(self, grouped: Grouped) -> Event:
        return {"statusDescription": self.status_line, "multiValueHeaders": dict(grouped.values())}


class AnswerALB(Answer):
    """A load balancer with single headers: several cookies are told apart by the case of their header's name."""

    def format_headers(self, grouped: Grouped) -> Event:
        formatted = super().format_headers(grouped)
        cookies = zip(_spellings("set-cookie"), formatted.pop("cookies", ()), strict=False)
        return {"statusDescription": self.status_line, "headers": formatted["headers"] | dict(cookies)}


def answer_for(event: Event, method: str) -> Answer:
    """Return the empty answer to an event, of the kind that the event's sender reads."""
    if is_v2(event):
        return Answer(method)
    if is_alb(event):
        return AnswerALBMulti(method) if "multiValueHeaders" in event else AnswerALB(method)
    return AnswerV1(method)


def _spellings(name: str) -> Iterable[str]:
    return map("".join, product(*((c, c.upper()) if c.isalpha() else (c,) for c in name)))
