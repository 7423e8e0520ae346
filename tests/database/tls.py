"""TLS in front of a real PostgreSQL: the wheel's own server is built without it."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from pathlib import Path

SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")  # of PostgreSQL's protocol


class TlsFront:
    """Listens on a loopback port with a certificate, and hands what it decrypts on to a server."""

    def __init__(self, certificate: Path, key: Path, server_port: int) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # it was closed
            # The client hangs up where it does not trust the certificate.
            with client, contextlib.suppress(OSError):
                self._relay(client)

    def _relay(self, client: socket.socket) -> None:
        client.settimeout(10)
        if client.recv(8) != SSL_REQUEST:
            return  # it wants no TLS, and gets nothing else
        client.sendall(b"S")
        with (
            self._context.wrap_socket(client, server_side=True) as encrypted,
            socket.create_connection(("127.0.0.1", self._server_port)) as server,
        ):
            while True:
                ready, _, _ = select.select([encrypted, server], [], [], 10)
                for source, target in ((encrypted, server), (server, encrypted)):
                    if source in ready:
                        data = source.recv(65536)
                        if not data:
                            return
                        target.sendall(data)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
