"""Callers of the API: HTTPS to the gateway, as anybody outside has it."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from tests.transports import Answer, Client, Headers

SECONDS = 35
BETWEEN_SECONDS = 0.1


class Caller(Client):
    """Sends requests to an API below its URL, one connection a request."""

    def __init__(self, url: str, port: int, trust: ssl.SSLContext, token: str | None = None) -> None:
        parts = urlsplit(url)
        self._host, self._prefix = str(parts.hostname), parts.path.rstrip("/")
        self._port, self._trust, self.token = port, trust, token

    def send(self, method: str, target: str, headers: Headers, body: bytes) -> Answer:
        connection = http.client.HTTPSConnection(self._host, timeout=SECONDS)
        try:
            plain = socket.create_connection(("127.0.0.1", self._port), SECONDS)
            connection.sock = self._trust.wrap_socket(plain, server_hostname=self._host)
            connection.request(method, self._prefix + target, body or None, headers)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        pairs = [(name.lower(), value) for name, value in response.getheaders()]
        return Answer(response.status, dict(pairs), content)


class Steady:
    """Sends requests one after the other in a thread, and keeps what comes back. Bounded by `seconds`."""

    def __init__(self, send: Callable[[], Answer], seconds: float) -> None:
        self._send, self._expires_at = send, time.monotonic() + seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.contents: list[Any] = []
        self.failures: list[str] = []

    def __enter__(self) -> Steady:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def is_exhausted(self) -> bool:
        """Whether it has stopped by itself, and so has not seen all."""
        return time.monotonic() > self._expires_at

    def _work(self) -> None:
        while not self._stop.wait(BETWEEN_SECONDS) and not self.is_exhausted:
            try:
                answer = self._send()
            except OSError as error:
                self.failures.append(f"{type(error).__name__}: {error}")
                continue
            if answer.status == 200:
                self.contents.append(answer.json())
            else:
                self.failures.append(f"{answer.status}: {answer.body[:200]!r}")
