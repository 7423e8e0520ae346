"""The operator's commands, run as an operator runs them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service import __version__
from service.database.schema import shipped
from tests.postgres import Postgres, free_port
from tests.transports import HttpClient

ROOT = Path(__file__).parent.parent


def command(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            [],
            ["migrate", "run", "token", "docs/configuration.md", "Exit codes: 0 done, 1 failed, 2 wrong", "--version"],
        ),
        (["ingest"], ["SOURCE", "--resource", "--shop", "--since", "--backfill", "--full", "--json", "Exit codes"]),
        (["runs"], ["list", "show"]),
        (["rejects"], ["list", "show", "replay"]),
        (["coverage"], ["SOURCE", "--resource", "--shop"]),
        (["export"], ["TABLE", "--where", "Exit codes"]),
        (["exports"], ["list", "show", "rejects", "retry", "cancel"]),
        (["worker"], ["SIGTERM"]),
        (["jobs"], ["list", "retry", "drop"]),
        (["migrate"], ["Safe to run at any time", "--json"]),
        (["token"], ["--scope", "--subject", "--expires-in", "TOKEN=$(python -m service token --scope events:read"]),
        (["run"], ["DATA_DIR", "HOST:PORT", "Ctrl-C"]),
        (["routes"], ["--check", "--write", "docs/openapi.json"]),
        (["endpoint"], ["new"]),
        (["endpoint", "new"], ["--fields", "--auth", "--dry-run", "endpoint new meals"]),
    ],
    ids=[
        "all",
        "ingest",
        "runs",
        "rejects",
        "coverage",
        "export",
        "exports",
        "worker",
        "jobs",
        "migrate",
        "token",
        "run",
        "routes",
        "endpoint",
        "endpoint new",
    ],
)
def test_help_says_what_a_command_does(arguments: list[str], words: list[str]) -> None:
    for option in ("--help", "-h"):
        result = command(*arguments, option)
        assert (result.returncode, result.stderr) == (0, "")
        for word in words:
            assert word in result.stdout
        assert "..." not in result.stdout.replace("[ARGS]...", "")  # nothing is cut off


def test_the_version_is_told() -> None:
    assert command("--version").stdout == f"headgate, version {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing"],
        ["token"],
        ["token", "--scope"],
        ["token", "--scope", "a", "--expires-in", "0"],
        ["migrate", "--yaml"],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    result = command(*arguments)
    assert result.returncode == 2
    assert "Error: " in result.stderr
    assert "Traceback" not in result.stderr


def test_a_token_is_accepted_by_the_service(http: HttpClient, environment: dict[str, str]) -> None:
    result = command("token", "--scope", "events:read,x", "--scope", "events:write", **environment)
    assert (result.returncode, result.stderr) == (0, "")
    (token,) = result.stdout.splitlines()
    assert http.get("/api/v1/events", token=token).status == 200
    assert http.post("/api/v1/events", json={}, token=token).status == 422
    (other,) = command("token", "--scope", "events:write", "--subject", "me", **environment).stdout.splitlines()
    assert http.get("/api/v1/events", token=other).status == 403


def test_no_token_is_made_where_another_issues_them(tmp_path: Path) -> None:
    result = command(
        "token", "--scope", "a", TOKEN_ISSUER="https://issuer.example.com", DATA_DIR=str(tmp_path / "data")
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        "headgate: TOKEN_ISSUER is set: tokens come from https://issuer.example.com, not from here\n"
    )
    assert not (tmp_path / "data").exists()


def test_a_key_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "issuer-key.pem").write_text("")
    result = command("token", "--scope", "a", DATA_DIR=str(tmp_path))
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert f"headgate: {tmp_path / 'issuer-key.pem'} holds no RSA private key" in result.stderr


@pytest.mark.parametrize("arguments", [["migrate"], ["run"], ["token", "--scope", "a"]], ids=" ".join)
def test_a_wrong_variable_is_named_in_one_line(arguments: list[str]) -> None:
    result = command(*arguments, PORT="eighty", LOG_LEVEL="loud")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("headgate: The configuration cannot be used: ")
    assert "PORT must be a number" in result.stderr
    assert "LOG_LEVEL must be one of" in result.stderr
    assert result.stderr.count("\n") == 1


def test_migrate_brings_a_database_to_the_schema_and_says_so(postgres: Postgres) -> None:
    url = postgres.create(f"cli_{uuid.uuid4().hex}")
    first = command("migrate", DATABASE_URL=url)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout == "".join(f"applied {name}\n" for name in shipped())
    second = command("migrate", DATABASE_URL=url)
    assert (second.returncode, second.stdout) == (0, "nothing to do: every migration has run\n")


def test_migrate_speaks_json(postgres: Postgres) -> None:
    url = postgres.create(f"cli_{uuid.uuid4().hex}")
    assert json.loads(command("migrate", "--json", DATABASE_URL=url).stdout) == {"applied": shipped()}
    assert json.loads(command("migrate", "--json", DATABASE_URL=url).stdout) == {"applied": []}


TALKATIVE = """
import sys
from pathlib import Path
from service import __main__
from service.database import schema
schema.MIGRATIONS = Path(sys.argv[1])
__main__.main(["migrate", "--json"])
"""


def test_what_a_migration_selects_does_not_mix_with_the_json(postgres: Postgres, tmp_path: Path) -> None:
    (tmp_path / "0001_talk.sql").write_text("SELECT 'so much' AS talk;")
    url = postgres.create(f"cli_{uuid.uuid4().hex}")
    result = subprocess.run(
        [sys.executable, "-c", TALKATIVE, tmp_path],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert json.loads(result.stdout) == {"applied": ["0001_talk"]}
    assert "so much" in result.stderr


def test_migrate_ends_with_1_where_a_migration_fails(postgres: Postgres) -> None:
    name = f"cli_{uuid.uuid4().hex}"
    url = postgres.create(name)
    connection = postgres.connect(name)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE business_events (id integer)")
    connection.close()
    result = command("migrate", DATABASE_URL=url)
    assert (result.returncode, result.stdout) == (1, "")
    assert "headgate: The database refused: DuplicateTable" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("kind", ["nobody listens", "nobody answers", "no such host", "wrong password"])
def test_migrate_ends_with_3_within_seconds_where_the_database_is_out_of_reach(kind: str, postgres: Postgres) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = {
            "nobody listens": f"127.0.0.1:{free_port()}",
            "nobody answers": f"127.0.0.1:{silent.getsockname()[1]}",
            "no such host": "nowhere.invalid",
            "wrong password": f"127.0.0.1:{postgres.port}",
        }[kind]
        started = time.monotonic()
        result = command("migrate", DATABASE_URL=f"postgresql://postgres:marker-3@{host}/app")
    assert time.monotonic() - started < 10
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr.startswith("headgate: The database cannot be reached: ")
    assert result.stderr.count("\n") == 1
    assert "marker-3" not in result.stderr


def test_a_port_in_use_is_named_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = command("run", PORT=str(port), DATA_DIR=str(tmp_path / "data"))
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        f"headgate: Cannot listen on 127.0.0.1:{port} (Address already in use); choose another PORT\n"
    )
    assert not (tmp_path / "data").exists()


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    result = command("run", PORT=str(free_port()), DATA_DIR=str(tmp_path / "file" / "data"))
    assert result.returncode == 2
    assert f"PostgreSQL cannot keep its data in {tmp_path / 'file'}" in result.stderr
    assert "DATA_DIR" in result.stderr
    assert "Traceback" not in result.stderr


class Run:
    """`python -m service run` on a free port. Its whole output is in `output`."""

    def __init__(self, output: Path, **environ: str) -> None:
        self.port = free_port()
        self.output = output
        with output.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "service", "run"],
                cwd=ROOT,
                env={"PATH": os.environ["PATH"], "PORT": str(self.port), **environ},
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)

    def curl(self) -> str:
        """Wait for the command that it prints; return it."""
        expires_at = time.monotonic() + 60
        while not (found := re.search(r"\n(curl .*?\}')\n\n", self.output.read_text(), re.DOTALL)):
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < expires_at, self.output.read_text()
            time.sleep(0.05)
        return found[1]

    def family(self) -> set[int]:
        """Return the processes below it: gunicorn and its workers."""
        pids: set[int] = set()
        frontier = {self.process.pid}
        while frontier:
            frontier = {pid for pid in processes() if parent_of(pid) in frontier}
            pids |= frontier
        return pids

    def gunicorn(self) -> int:
        (pid,) = [pid for pid in processes() if parent_of(pid) == self.process.pid]
        return pid


def processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def parent_of(pid: int) -> int | None:
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[:2]
    except (OSError, ValueError):
        return None
    return None if state == "Z" else int(parent)


def left_of(pids: set[int]) -> set[int]:
    """Wait a little for processes to end; return those that do not."""
    expires_at = time.monotonic() + 10
    while (left := {pid for pid in pids if parent_of(pid) is not None}) and time.monotonic() < expires_at:
        time.sleep(0.05)
    return left


@pytest.fixture
def own_data_dir() -> Iterator[Path]:
    """Not below pytest's directory, which the user of PostgreSQL may not enter."""
    home = Path(tempfile.mkdtemp(prefix="headgate-run-"))
    home.chmod(0o755)
    yield home / "data"
    shutil.rmtree(home)


def try_out(curl: str) -> dict[str, Any]:
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    result = subprocess.run(["bash", "-c", curl], capture_output=True, text=True, timeout=30)
    assert (result.returncode, result.stderr) == (0, "")
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])


@pytest.mark.slow
def test_run_serves_stops_clean_and_keeps_its_data(own_data_dir: Path, tmp_path: Path) -> None:
    with Run(tmp_path / "first", DATA_DIR=str(own_data_dir)) as first:
        curl = first.curl()
        assert f"http://127.0.0.1:{first.port}/api/v1/events" in curl
        answer = try_out(curl)
        assert answer["success"] is True
        assert try_out(curl)["success"] is True  # pasted once more it works too
        family = first.family() | {postmaster(own_data_dir)}
        assert len(family) == 4  # gunicorn, its two workers, PostgreSQL
        first.process.send_signal(signal.SIGINT)
        assert first.process.wait(30) == 0
        assert left_of(family) == set()
        said = [line for line in first.output.read_text().splitlines() if line.startswith("headgate: ")]
        assert said[-2:] == ["headgate: stopping", "headgate: stopped"]

    with Run(tmp_path / "second", DATA_DIR=str(own_data_dir)) as second:
        token = second.curl().partition("Bearer ")[2].partition("'")[0]
        found = HttpClient(second.port, token).get(f"/api/v1/events/{answer['event_id']}")
        assert found.status == 200
        assert "headgate: migrations: up to date" in second.output.read_text()
        family = second.family() | {postmaster(own_data_dir)}
        os.kill(second.gunicorn(), signal.SIGKILL)
        assert second.process.wait(30) == 1
        assert left_of(family) == set()
        said = second.output.read_text().splitlines()
        assert "headgate: gunicorn ended by itself with code -9; its log stands above" in said


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_run_with_a_configured_database_stops_for_every_signal(
    environment: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    with Run(tmp_path / "output", **environment) as run:
        assert try_out(run.curl())["success"] is True
        assert "headgate: using the configured PostgreSQL" in run.output.read_text()
        family = run.family()
        assert len(family) == 3
        run.process.send_signal(number)
        assert run.process.wait(30) == 0
        assert left_of(family) == set()


def test_run_needs_an_address_of_this_machine(tmp_path: Path) -> None:
    result = command("run", HOST="192.0.2.1", DATA_DIR=str(tmp_path / "data"))
    assert (result.returncode, result.stdout) == (2, "")
    assert "headgate: Cannot listen on 192.0.2.1:8080 (Cannot assign requested address)" in result.stderr


def test_run_ends_with_3_where_the_configured_database_is_out_of_reach(tmp_path: Path) -> None:
    port = str(free_port())
    url = f"postgresql://me:x@127.0.0.1:{free_port()}/app"
    result = command("run", PORT=port, DATA_DIR=str(tmp_path), DATABASE_URL=url)
    assert result.returncode == 3
    assert result.stderr.splitlines()[-1].startswith("headgate: The database cannot be reached: ")
