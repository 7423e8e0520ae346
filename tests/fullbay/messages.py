"""What comes in and what goes out: requests, pages and answers, down to their bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, NamedTuple

REASONS = {status.value: status.phrase for status in HTTPStatus}
HIDDEN = ("key", "token")


class Request(NamedTuple):
    """A request as it came: tests look for keys in it, so nothing is hidden."""

    number: int  # counted from 1, from when the faults were set
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    body: bytes
    ip: str
    time: datetime

    @property
    def user_agent(self) -> str:
        return self.headers.get("user-agent", "")

    @property
    def is_service(self) -> bool:
        """Is it for the dialect of getInvoices.php?"""
        return self.path.startswith("/services/")


@dataclass
class Answer:
    """An answer, and what is done to it on its way."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None  # what Content-Length says, where it is not true
    cut: int | None = None  # how many bytes of the body are sent before the connection ends; -1: not even headers
    is_reset: bool = False  # does it end with RST?
    interval: float = 0.0  # seconds between two bytes, where they drip
    drips_in: str = "body"
    drips: int | None = None  # how many of them; None: all
    faults: tuple[str, ...] = ()

    def head(self, date: str) -> bytes:
        """Return the status line and the headers."""
        length = len(self.body) if self.length is None else self.length
        lines = [
            f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Unknown')}",
            f"Date: {date}",
            f"Content-Type: {self.content_type}",
            f"Content-Length: {length}",
            *(f"{name}: {value}" for name, value in self.headers.items()),
        ]
        if self.cut is not None:
            lines.append("Connection: close")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


@dataclass
class Page:
    """A page of records before it is written down. Faults change it."""

    ids: list[str]
    raws: list[Any]  # a record, or its text
    members: dict[str, Any]  # beside the records; `Page.OMITTED` is left out
    data: str | None  # the name of the records; None: they are the whole answer
    total: str  # the name of their number
    OMITTED = ...

    def text(self) -> str:
        """Return the page as JSON."""
        records = ", ".join(raw.text if isinstance(raw, Text) else dumps(raw) for raw in self.raws)
        if self.data is None:
            return f"[{records}]"
        members = {name: value for name, value in self.members.items() if value is not self.OMITTED}
        rest = json.dumps(members)[1:-1]
        return f'{{{rest}{", " if rest else ""}"{self.data}": [{records}]}}'


class Text(NamedTuple):
    """A record that is written down already."""

    text: str


dumps = json.JSONEncoder(ensure_ascii=False).encode


def json_answer(value: Any, status: int = 200, **headers: str) -> Answer:
    """Return an answer with a JSON body."""
    return Answer(status, json.dumps(value).encode(), headers=headers)


def text_answer(text: str, status: int = 200) -> Answer:
    """Return an answer in plain text."""
    return Answer(status, text.encode(), "text/plain; charset=utf-8")
