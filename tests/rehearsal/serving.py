"""HTTP servers in threads: one class of handler for every method, and no line for a request."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
HANDSHAKE_SECONDS = 10
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass(frozen=True)
class Request:
    """A request as it came: the target is the path with its query, `client` the address of who sent it."""

    method: str
    target: str
    headers: Message
    body: bytes
    client: str


@dataclass(frozen=True)
class Response:
    """What is sent back. Headers may repeat."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""


Answer = Callable[[Request], Response]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], answer: Answer, tls: ssl.SSLContext | None) -> None:
        super().__init__(address, _Handler)
        self.answer, self.tls = answer, tls

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.tls is None:
            super().finish_request(request, client_address)
            return
        # Here and not where connections are accepted: a client that is slow to greet costs its own thread.
        request.settimeout(HANDSHAKE_SECONDS)
        with self.tls.wrap_socket(request, server_side=True) as secured:
            secured.settimeout(None)
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: whoever asked has gone, or did not trust the certificate."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def respond(self) -> None:
        request = Request(self.command, self.path, self.headers, self._body(), self.client_address[0])
        response = self.server.answer(request)
        self.send_response_only(response.status)
        for name, value in response.headers:
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        length = str(len(response.body))
        if self.command == "HEAD":  # its answer tells the length of what it does not hold
            length = next((value for name, value in response.headers if name.lower() == "content-length"), "0")
        if response.status not in (204, 304):
            self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            pass
        return b"".join(chunks)

    def log_message(self, *_: Any) -> None:
        """Write nothing: what is worth knowing is in the logs of the containers and of moto."""


for _method in METHODS:
    setattr(_Handler, f"do_{_method}", _Handler.respond)


@contextmanager
def serving(
    answer: Answer, address: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Answer requests while the block runs; yields the port."""
    server = _Server((address, port), answer, tls)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def is_ours(address: str) -> bool:
    """Return whether a server of this machine can listen on an address."""
    with contextlib.suppress(OSError), socket.socket() as probe:
        probe.bind((address, 0))
        return True
    return False
