"""Leads a port of a container to a port elsewhere: `python relay.py 443 host port`. Reads nothing of what passes."""

from __future__ import annotations

import socket
import sys
import threading
from contextlib import suppress


def main(port: int, host: str, there: int) -> None:
    """Listen, until somebody ends the process."""
    listening = socket.create_server(("0.0.0.0", port), backlog=128)
    while True:
        here, _ = listening.accept()
        threading.Thread(target=_lead, args=(here, host, there), daemon=True).start()


def _lead(here: socket.socket, host: str, port: int) -> None:
    with here, suppress(OSError), socket.create_connection((host, port), 10) as other:
        other.settimeout(None)
        back = threading.Thread(target=_copy, args=(other, here), daemon=True)
        back.start()
        _copy(here, other)
        back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
