"""What the tests ask of Docker: whether it answers, the image, containers that go away again, and the emulator."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tests.transports import ROOT, HttpClient

HERE = Path(__file__).parent
BASE = "python:3.13-slim-trixie"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
EMULATORS = {"amd64": "x86_64", "arm64": "arm64"}  # Docker's name of an architecture: the emulator's

T = TypeVar("T")


def run(*command: str | Path, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, whatever its exit code."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)


def docker(*arguments: str, timeout: float = 60) -> str:
    """Run a docker command that must work; return what it printed."""
    done = run("docker", *arguments, timeout=timeout)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


def compose_command() -> str | None:
    """Return how Compose is called here, None where it is not."""
    for command in ("docker compose", "docker-compose"):
        if shutil.which(command.split()[0]) and run(*command.split(), "version").returncode == 0:
            return command
    return None


def why_not() -> str | None:
    """Return why Docker cannot be used here, None where it can."""
    if shutil.which("docker") is None:
        return "there is no docker command"
    try:
        answer = run("docker", "version", "--format", "{{.Server.Version}}", timeout=10)
    except subprocess.TimeoutExpired:
        return "Docker does not answer"
    if answer.returncode:
        return f"no Docker Engine answers: {answer.stderr.strip()}"
    return None if compose_command() else "there is neither docker compose nor docker-compose"


def inspect(what: str, kind: str = "container") -> dict[str, Any]:
    """Return what Docker knows about a container or an image."""
    found: list[dict[str, Any]] = json.loads(docker(kind, "inspect", what))
    return found[0]


def build(tag: str) -> None:
    """Build the image as users do. The one that had the tag before is removed, so that runs leave one image in all."""
    previous = run("docker", "image", "inspect", "--format", "{{.Id}}", tag).stdout.strip()
    done = run("make", "image", f"IMAGE={tag}", f"COMMIT={COMMIT}", timeout=850)
    assert done.returncode == 0, f"make image:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    if previous and previous != inspect(tag, "image")["Id"]:
        run("docker", "image", "rm", previous)


@contextmanager
def container(*arguments: str) -> Iterator[str]:
    """Run a container in the background; stop and remove it with its volumes at the end."""
    name = docker("run", "--detach", *arguments)
    try:
        yield name
    finally:
        docker("rm", "--force", "--volumes", name)


def port_of(name: str, port: int = 8080) -> int:
    """Return the port of this machine that leads to a port of the container."""
    return int(docker("port", name, str(port)).splitlines()[0].rpartition(":")[2])


def logs(name: str) -> str:
    """Return all that a container has written."""
    done = run("docker", "logs", name)
    return done.stdout + done.stderr


def wait_for(condition: Callable[[], T | None], what: str, seconds: float = 30) -> T:
    """Return what `condition` returns as soon as that is true; fail when it takes too long."""
    expires_at = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < expires_at, f"{what}: not within {seconds:g} s"
        time.sleep(0.1)
    return value


def wait_until_ready(port: int) -> None:
    """Wait until the service behind a port is ready."""
    http = HttpClient(port, timeout=5)

    def is_ready() -> bool:
        try:
            return http.get("/ready").status == 200
        except OSError:
            return False

    wait_for(is_ready, "the service is ready")


def invoke(port: int, event: Any) -> Any:
    """Invoke the function behind a port, as AWS does; return its answer, or what AWS tells of its error."""
    url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
    with urllib.request.urlopen(url, json.dumps(event).encode(), timeout=60) as response:
        return json.load(response)


def wait_for_function(port: int) -> None:
    """Wait until the function behind a port answers, its database up to date."""

    def is_up() -> bool:
        try:
            return bool(invoke(port, {"command": "migrate"}) == {"applied": []})
        except OSError:
            return False

    wait_for(is_up, "the emulator answers")


def emulator() -> Path:
    """Return the Lambda Runtime Interface Emulator for the engine's architecture, fetched at its first use."""
    architecture = EMULATORS[docker("version", "--format", "{{.Server.Arch}}")]
    requirements = HERE / "requirements-rie.txt"
    version = requirements.read_text().partition("==")[2].split()[0]
    folder = ROOT / ".cache" / "rie" / version
    binary = folder / f"aws-lambda-rie-{architecture}"
    if not binary.exists():
        arguments = ("download", "--quiet", "--no-deps", "--require-hashes", "-r", requirements, "--dest", folder)
        done = run(sys.executable, "-m", "pip", *arguments, timeout=300)
        assert done.returncode == 0, done.stderr
        wheel = next(folder.glob("*.whl"))
        draft = binary.with_name(f"{binary.name}.{os.getpid()}")
        with zipfile.ZipFile(wheel) as archive:
            draft.write_bytes(archive.read(f"samcli/local/rapid/{binary.name}"))
        draft.chmod(0o755)
        draft.rename(binary)  # whole or not at all
    return binary
