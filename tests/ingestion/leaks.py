"""Looks for secrets wherever a run leaves something: its log, its rows, its measurements, what it raises."""

from __future__ import annotations

import base64
import html
import io
import json
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import quote, quote_plus, unquote, urlsplit

from service import logs, metrics
from tests.fullbay import Fullbay
from tests.fullbay.services import token_of

Sql = Callable[..., list[tuple[Any, ...]]]

LOGGERS = ("", "service", "urllib3")


class Leaks:
    """Knows secrets, and takes the log of this process down as the service writes it with LOG_LEVEL=debug."""

    def __init__(self) -> None:
        self.log = io.StringIO()
        self._spellings: dict[str, str] = {}

    def __enter__(self) -> Self:
        root = logging.getLogger()
        self._handlers = root.handlers[:]
        self._levels = [logging.getLogger(name).level for name in LOGGERS]
        logs.configure("DEBUG")
        (handler,) = root.handlers
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(self.log)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().handlers[:] = self._handlers
        for name, level in zip(LOGGERS, self._levels, strict=True):
            logging.getLogger(name).setLevel(level)

    def add(self, name: str, secret: str) -> None:
        """Look for a secret, however it is written."""
        plain = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), quote(quote(secret, safe=""))}
        coded = {base64.b64encode(text.encode()).decode().rstrip("=") for text in (secret, f":{secret}")}
        quoted = {json.dumps(text)[1:-1] for text in plain}
        written = plain | quoted | {json.dumps(text)[1:-1] for text in quoted} | {html.escape(text) for text in plain}
        for spelling in written | coded:
            self._spellings[spelling.lower()] = name

    def add_source(self, fullbay: Fullbay, *keys: str) -> None:
        """Look for every key of a source, its header, and the tokens of it for the days around."""
        today = datetime.now(UTC).date()
        for key in {*fullbay.shops.values(), *keys}:
            self.add("a key", key)
            self.add("the header", f"Bearer {key}")
            for days in range(-3, 4):
                self.add("a token", token_of(key, today + timedelta(days=days), fullbay.egress_ip or "127.0.0.1"))

    def add_database(self, url: str) -> None:
        """Look for the password in a URL."""
        password = urlsplit(url).password
        assert password
        self.add("the password of the database", unquote(password))

    def find(self, text: str) -> list[str]:
        """Return what secrets a text holds."""
        text = text.lower()
        return sorted({name for spelling, name in self._spellings.items() if spelling in text})

    def assert_none(self, sql: Sql, texts: Iterable[str] = ()) -> None:
        """Look through the log, the whole database, what is measured, and texts."""
        exposition = metrics.exposition()
        measured = exposition.text().decode() if exposition else ""
        assert self._spellings
        for where, text in (("log", self.log.getvalue()), ("metrics", measured), ("database", dump(sql))):
            assert self.find(text) == [], where
        for text in texts:
            assert self.find(text) == [], text[:200]


def dump(sql: Sql) -> str:
    """Return every row of a database as text, and once more as JSON."""
    tables = [name for (name,) in sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    rows = [row for table in tables for row in sql(f'SELECT t::text, to_json(t)::text FROM "{table}" AS t')]
    return "\n".join(f"{text.replace(chr(34) * 2, chr(34))}\n{written}" for text, written in rows)
