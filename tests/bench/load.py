"""A load generator: keep-alive clients over raw sockets, each of which sends its next event when it has its answer.

It spends little of the machine on itself, as it shares it with the servers: one process, one epoll, ready bytes into
which only the ids are set. `ceiling` tells how much it could send to a server that does nothing.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field

from tests.bench.samples import car_event

CLIENTS = 32
SILENCE_SECONDS = 10
BUFFER = 65_536
PLACEHOLDER = "0" * 32  # stands in the ready request where an event's own digits go


@dataclass
class Load:
    """What came of a run: how long it took, the time of each good answer, and how many answers were no 200."""

    seconds: float = 0.0
    times: list[float] = field(default_factory=list)
    errors: int = 0
    first_error: str = ""

    @property
    def rate(self) -> float:
        """Return good answers per second."""
        return len(self.times) / self.seconds

    def percentile(self, share: float) -> float:
        """Return the time in ms within which `share` of the good answers came."""
        ordered = sorted(self.times)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000


class Client:
    """One connection: what it has sent and when, and what has come back of the answer so far."""

    def __init__(self, port: int, template: bytes) -> None:
        self._template = template
        self._received = b""
        self.sent_at = 0.0
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=SILENCE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self) -> None:
        """Send the next event, with a uuid and an entity that nobody has used."""
        digits = os.urandom(16).hex().encode()
        uuid = b"-".join((digits[:8], digits[8:12], b"4" + digits[13:16], b"8" + digits[17:20], digits[20:]))
        self._received = b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(self._template % (uuid, digits, digits))

    def receive(self) -> bytes | None:
        """Return the answer if it is whole by now."""
        chunk = self.socket.recv(BUFFER)
        if not chunk:
            raise ConnectionError("the server hung up")
        received = self._received = self._received + chunk
        head, separator, body = received.partition(b"\r\n\r\n")
        if not separator:
            return None
        _, _, length = head.lower().partition(b"content-length:")
        return received if len(body) >= int(length.partition(b"\r\n")[0]) else None


def run(port: int, token: str, seconds: float) -> Load:
    """Send events for a time; return when every answer has come."""
    template = _template(port, token)
    clients = [Client(port, template) for _ in range(CLIENTS)]
    by_number = {client.socket.fileno(): client for client in clients}
    poller = select.epoll()
    for number in by_number:
        poller.register(number, select.EPOLLIN)
    load = Load()
    started = time.perf_counter()
    ends_at = started + seconds
    try:
        for client in clients:
            client.send()
        waiting = len(clients)
        while waiting:
            ready = poller.poll(SILENCE_SECONDS)
            if not ready:
                raise TimeoutError(f"{waiting} answers did not come within {SILENCE_SECONDS} s")
            for number, _ in ready:
                client = by_number[number]
                answer = client.receive()
                if answer is None:
                    continue
                now = time.perf_counter()
                if answer.startswith(b"HTTP/1.1 200"):
                    load.times.append(now - client.sent_at)
                else:
                    load.errors += 1
                    load.first_error = load.first_error or answer[:500].decode("latin-1")
                if now < ends_at:
                    client.send()
                else:
                    waiting -= 1
        load.seconds = time.perf_counter() - started
    finally:
        poller.close()
        for client in clients:
            client.socket.close()
    return load


def _template(port: int, token: str) -> bytes:
    event = car_event(f"CAR-{PLACEHOLDER}")
    event["eventHeader"]["uuid"] = PLACEHOLDER
    body = json.dumps(event).encode().replace(b"%", b"%%").replace(PLACEHOLDER.encode(), b"%b")
    length = len(body) - 3 * len(b"%b") + 36 + 32 + 32
    head = (
        f"POST /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
    return head.encode() + body


def ceiling(seconds: float, token: str) -> Load:
    """Return what comes of a run against a server that reads nothing and answers at once."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.echo"], stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    ) as server:
        try:
            return run(int(server.stdout.readline()), token, seconds)  # type: ignore[union-attr]
        finally:
            server.terminate()
