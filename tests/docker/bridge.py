"""Leads ports of a container's loopback to the same ports of this machine's, over sockets in a folder that both see.

The service sends secrets over plain HTTP to loopback only; so that is where a container has to find a stand-in that
runs here.

    with bridged(folder, 8098): ...              this machine's end
    python -m tests.docker.bridge FOLDER 8098    the container's end, which says when it is there
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path


@contextmanager
def bridged(folder: Path, *ports: int) -> Iterator[None]:
    """Lead what comes through the sockets of a folder to ports of loopback."""
    folder.chmod(0o755)  # containers have users of their own
    with ExitStack() as stack:
        for port in ports:
            listening = stack.enter_context(socket.socket(socket.AF_UNIX))
            path = folder / str(port)
            listening.bind(str(path))
            path.chmod(0o777)
            listening.listen(128)
            thread = threading.Thread(target=_lead, args=(listening, _to_port(port)))
            thread.start()
            stack.callback(thread.join)
            stack.callback(listening.shutdown, socket.SHUT_RDWR)
        yield


def main(folder: str, *ports: str) -> None:
    """Lead what comes to ports of loopback to the sockets of a folder, until somebody ends the process."""
    for port in ports:
        listening = socket.create_server(("127.0.0.1", int(port)), backlog=128)
        threading.Thread(target=_lead, args=(listening, _to_socket(f"{folder}/{port}"))).start()
    print("there", flush=True)


def _to_port(port: int) -> Callable[[], socket.socket]:
    return lambda: socket.create_connection(("127.0.0.1", port))


def _to_socket(path: str) -> Callable[[], socket.socket]:
    def connect() -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        return connection

    return connect


def _lead(listening: socket.socket, connect: Callable[[], socket.socket]) -> None:
    with suppress(OSError):  # it was shut down
        while True:
            here, _ = listening.accept()
            threading.Thread(target=_join, args=(here, connect), daemon=True).start()


def _join(here: socket.socket, connect: Callable[[], socket.socket]) -> None:
    with here, suppress(OSError), connect() as there:
        back = threading.Thread(target=_copy, args=(there, here), daemon=True)
        back.start()
        _copy(here, there)
        back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main(*sys.argv[1:])
