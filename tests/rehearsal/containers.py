"""The containers of one rehearsal, in a network of their own. Their logs are kept, they themselves never."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType

from tests.docker import engine


class Containers:
    """Starts containers and notes them. At the end all of them go, and their network."""

    def __init__(self, name: str, logs: Path) -> None:
        self.name, self._logs = name, logs
        self._lock = threading.Lock()
        self._running: dict[str, None] = {}
        self._count = 0

    def __enter__(self) -> Containers:
        engine.docker("network", "create", "--label", f"headgate.rehearsal={self.name}", self.name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in self.running():
            self.stop(name)
        engine.docker("network", "rm", self.name)

    def running(self) -> list[str]:
        """Return the names of the containers that have been started and not been stopped."""
        with self._lock:
            return list(self._running)

    def gateway(self) -> str:
        """Return the address under which the containers see this machine, where Docker runs on it."""
        configurations = engine.inspect(self.name, "network")["IPAM"]["Config"]
        return str(next(found["Gateway"] for found in configurations if "." in found["Gateway"]))

    def start(self, role: str, image: str, *command: str, port: int, options: tuple[str, ...] = ()) -> str:
        """Start a container one of whose ports leads to a port of loopback; return its name."""
        with self._lock:
            self._count += 1
            name = f"{self.name}-{role}-{self._count}"
            self._running[name] = None  # even where Docker fails half-way, or is interrupted, it goes
        place = ("--name", name, "--network", self.name, "--label", f"headgate.rehearsal={self.name}")
        engine.docker(
            "run", "--detach", *place, "--publish", f"127.0.0.1::{port}", *options, image, *command, timeout=300
        )
        return name

    def stop(self, name: str) -> None:
        """Keep the log of a container; remove it and its volumes."""
        with self._lock:
            self._running.pop(name, None)
        self._logs.mkdir(parents=True, exist_ok=True)
        (self._logs / f"{name.removeprefix(f'{self.name}-')}.log").write_text(engine.logs(name))
        engine.run("docker", "rm", "--force", "--volumes", name)
