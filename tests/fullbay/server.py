"""A small HTTP/1.1 server that may do to its connections what no library lets one do."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.fullbay.messages import Answer, Request

MAX_BODY = 64 * 1024 * 1024
RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time to linger: close() sends RST


class _Connection(socketserver.StreamRequestHandler):
    """One connection: requests and answers in turn until one side has enough."""

    disable_nagle_algorithm = True
    server: Server

    def handle(self) -> None:
        with contextlib.suppress(OSError), self.server.known(self.connection):
            while self._answer_one():
                pass

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()

    def _answer_one(self) -> bool:
        """Answer one request; return whether another may follow."""
        line = self.rfile.readline(65_537).decode("latin-1").split()
        if len(line) != 3:
            return False
        headers: dict[str, str] = {}
        while header := self.rfile.readline(65_537).strip():
            name, _, value = header.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        if not self.server.on_head(line[0], line[1]):
            self._reset()
            return False
        length = min(int(headers.get("content-length", 0)), MAX_BODY)
        body = self.rfile.read(length)
        if len(body) < length:  # whoever sent it has died
            return False
        url = urlsplit(line[1])
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        started = time.perf_counter()
        request = Request(
            0, line[0], unquote(url.path), query, headers, body, self.client_address[0], datetime.now(UTC)
        )
        answer = self.server.answer(request)
        is_kept = self._send(answer)
        self.server.on_answer(request, answer, time.perf_counter() - started)
        return is_kept and line[2] == "HTTP/1.1" and headers.get("connection", "").lower() != "close"

    def _send(self, answer: Answer) -> bool:
        head = answer.head(formatdate(self.server.clock().timestamp(), usegmt=True))
        cut = answer.cut
        if cut == -1:
            head, cut = b"", 0
        body = answer.body if cut is None else answer.body[:cut]
        if answer.interval:
            fast, slow, rest = (b"", head, body) if answer.drips_in == "headers" else (head, body, b"")
            dripping = len(slow) if answer.drips is None else answer.drips
            self.connection.sendall(fast)
            self._drip(slow[:dripping], answer.interval)
            self.connection.sendall(slow[dripping:] + rest)
        else:
            self.connection.sendall(head + body)
        if cut is None:
            return True
        if answer.is_reset:
            self._reset()
        return False

    def _reset(self) -> None:
        # What was sent has to arrive first: RST takes with it what the other side has not read.
        self.server.stopping.wait(0.005)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    def _drip(self, data: bytes, interval: float) -> None:
        for at in range(len(data)):
            self.connection.sendall(data[at : at + 1])
            if self.server.stopping.wait(interval):
                return


class Server(socketserver.ThreadingTCPServer):
    """Answers each request with what `answer` returns for it, a thread a connection, on loopback alone."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, answer: Callable[[Request], Answer], clock: Callable[[], datetime]) -> None:
        self.answer = answer
        self.clock = clock
        self.on_head: Callable[[str, str], bool] = lambda *_: True  # method and target; False: reset before the body
        self.on_answer: Callable[[Request, Answer, float], None] = lambda *_: None
        self.stopping = threading.Event()
        self._is_started = False
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Connection)
        self.port = int(self.server_address[1])

    @contextlib.contextmanager
    def known(self, connection: socket.socket) -> Any:
        """Note a connection, so that `close` ends it."""
        self._connections.add(connection)
        try:
            yield
        finally:
            self._connections.discard(connection)

    def start(self) -> None:
        """Serve in a thread."""
        self._is_started = True
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Stop serving, and end every connection."""
        self.stopping.set()
        if self._is_started:
            self.shutdown()
        self.server_close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection without a FIN before the RST."""
        with contextlib.suppress(OSError):  # its thread has closed it
            lingers = struct.unpack("ii", request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8))[0]
            if not lingers:
                request.shutdown(socket.SHUT_WR)
        self.close_request(request)
