"""A way to PostgreSQL that breaks at a moment that was chosen."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Any, Self
from urllib.parse import urlsplit


class Proxy:
    """Hands bytes on between clients and a server on loopback, until it is told to end a connection."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.has_cut = False
        self._sought = b""
        self._left = 0
        self._lock = threading.Lock()

    def url(self, direct: str) -> str:
        """Return the URL of a database by this way."""
        parts = urlsplit(direct)
        return parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{self.port}").geturl()

    def cut_after(self, statement: bytes, number: int) -> None:
        """Cut a connection when the server has answered the `number`th `statement`, and keep the answer back."""
        with self._lock:
            self._sought, self._left, self.has_cut = statement + b"\0", number, False

    def _is_sought(self, data: bytes) -> bool:
        with self._lock:
            if self._left and data.endswith(self._sought):
                self._left -= 1
                self.has_cut = self._left == 0
                return self.has_cut
        return False

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        is_cut = threading.Event()
        with client, socket.create_connection(("127.0.0.1", self._server_port)) as server:
            back = threading.Thread(target=self._hand_back, args=(server, client, is_cut), daemon=True)
            back.start()
            with contextlib.suppress(OSError):
                while data := client.recv(1 << 16):
                    if self._is_sought(data):
                        is_cut.set()
                    server.sendall(data)
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_WR)
            back.join()

    def _hand_back(self, server: socket.socket, client: socket.socket, is_cut: Any) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 16):
                if is_cut.is_set():
                    break
                client.sendall(data)
        time.sleep(0.01)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
