"""What a WSGI application says, as the answer that each kind of event expects."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any

import awsgi

from service.gateway.events import Event

Headers = list[tuple[str, str]]


class Answer(awsgi.StartResponse):
    """A `start_response` that collects the answer, in the format of payload 2.0 and Function URLs."""

    status_line: str
    status: int
    headers: Headers

    def __init__(self, method: str) -> None:
        self.method = method
        self.is_started = False
        self.status = 500
        self.headers = []
        self.chunks: list[bytes] = []

    def __call__(self, status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], None]:
        if self.is_started and not exc_info:
            raise AssertionError("start_response was called again without exc_info")
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
        return {"statusCode": self.status, **self.format_headers(), **self.format_body()}

    def format_headers(self) -> Event:
        """Return the headers: repeated ones joined, cookies apart."""
        formatted: Event = {"headers": joined([pair for pair in self.headers if not _is_cookie(pair)])}
        if len(formatted["headers"]) != len(self.headers):
            cookies = [value for name, value in self.headers if name.lower() == "set-cookie"]
            if cookies:
                formatted["cookies"] = cookies
        return formatted

    def format_body(self) -> Event:
        """Return the body: as text, or in base64 where it is encoded or no UTF-8; none where HTTP allows none."""
        if self.method == "HEAD" or self.status in (204, 304):
            return {"isBase64Encoded": False, "body": ""}
        body = b"".join(self.chunks)
        if not any(name.lower() == "content-encoding" and value != "identity" for name, value in self.headers):
            try:
                return {"isBase64Encoded": False, "body": body.decode("utf-8")}
            except UnicodeDecodeError:
                pass
        return {"isBase64Encoded": True, "body": b64encode(body).decode("ascii")}


class AnswerV1(Answer):
    """Payload 1.0: every header as a list."""

    def format_headers(self) -> Event:
        many: dict[str, list[str]] = {}
        for name, value in self.headers:
            many.setdefault(name, []).append(value)
        return {"headers": {name: values[-1] for name, values in many.items()}, "multiValueHeaders": many}


class AnswerALBMulti(AnswerV1):
    """A load balancer with multi-value headers: it reads no others."""

    def format_headers(self) -> Event:
        return {
            "statusDescription": self.status_line,
            "multiValueHeaders": super().format_headers()["multiValueHeaders"],
        }


class AnswerALB(Answer):
    """A load balancer with single headers: several cookies are told apart by the case of their header's name."""

    def format_headers(self) -> Event:
        headers = joined([pair for pair in self.headers if not _is_cookie(pair)])
        cookies = [value for name, value in self.headers if name.lower() == "set-cookie"]
        headers |= zip(_spellings("set-cookie"), cookies, strict=False)
        return {"statusDescription": self.status_line, "headers": headers}


def answer_for(event: Event, method: str) -> Answer:
    """Return the empty answer to an event, of the kind that the event's sender reads."""
    if "elb" in (event.get("requestContext") or {}):
        return AnswerALBMulti(method) if "multiValueHeaders" in event else AnswerALB(method)
    return AnswerV1(method) if "httpMethod" in event else Answer(method)


def joined(pairs: Headers) -> dict[str, str]:
    """Return the headers as one value for each name, repeated ones joined with a comma."""
    headers: dict[str, str] = {}
    names: dict[str, str] = {}
    for name, value in pairs:
        name = names.setdefault(name.lower(), name)
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def _is_cookie(pair: tuple[str, str]) -> bool:
    return pair[0].lower() == "set-cookie"


def _spellings(name: str) -> Iterable[str]:
    return map("".join, product(*((c, c.upper()) if c.isalpha() else (c,) for c in name)))
