"""The image, built once; the stack of docker/compose.yaml, and the same image under the Lambda emulator beside it."""

from __future__ import annotations

import re
import shlex
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.docker import engine
from tests.installations import Installation
from tests.postgres import free_port
from tests.required import skip_without
from tests.transports import ROOT, Client, Headers, HttpClient, LambdaClient, event_v2

COMPOSE = ROOT / "docker" / "compose.yaml"
IMAGE = "headgate:test"
PASSWORD = "p@ss/:%word"
SCOPES = "events:read events:write"


@dataclass(frozen=True)
class Stack:
    """The running containers, as Compose started them."""

    services: Any
    project: str
    port: int
    emulator_port: int

    def compose(self, command: str) -> str:
        """Run a Compose command; return its standard output."""
        output: bytes = self.services._docker_compose.execute(command, ignore_stderr=True)
        return output.decode().strip()

    def container(self, service: str) -> dict[str, Any]:
        """Return what Docker knows about the container of a service, be it running or done."""
        labels = (f"project={self.project}", f"service={service}", "oneoff=False")
        filters = [argument for label in labels for argument in ("--filter", f"label=com.docker.compose.{label}")]
        return engine.inspect(engine.docker("ps", "--all", "--quiet", *filters))

    def invoke(self, event: Any) -> Any:
        """Invoke the function with an event; see `engine.invoke`."""
        return engine.invoke(self.emulator_port, event)

    @contextmanager
    def run(
        self,
        service: str,
        *options: str,
        environ: Mapping[str, str],
        companion: Sequence[str],
        folder: Path | None = None,
    ) -> Iterator[str]:
        """Run one more container of a service, with options of Compose, and a companion on its loopback.

        `companion` is a module of the tests and its arguments. It sees `folder` where it is here, and has to write a
        line as soon as it serves.
        """
        told = [shlex.quote(word) for name, value in environ.items() for word in ("-e", f"{name}={value}")]
        name = self.compose(" ".join(["run --detach --no-deps", *options, *told, service])).splitlines()[-1]
        place = ["--network", f"container:{name}", "--volume", f"{ROOT / 'tests'}:/stand-in/tests:ro"]
        place += ["--volume", f"{folder}:{folder}"] if folder else []
        try:
            serve = ("--workdir", "/stand-in", "--entrypoint", "python", IMAGE, "-m", *companion)
            with engine.container(*place, *serve) as beside:
                engine.wait_for(lambda: engine.logs(beside), f"{companion[0]} serves")
                yield name
        finally:
            engine.docker("rm", "--force", "--volumes", name)


@pytest.fixture(scope="session", autouse=True)
def docker_engine() -> None:
    """Skip where no Docker answers, unless it is required."""
    skip_without("DOCKER", engine.why_not())


@pytest.fixture(scope="session")
def image(docker_engine: None) -> str:
    """The image of this working tree. Its tag stays, and with it the builder's cache."""
    engine.build(IMAGE)
    return IMAGE


@pytest.fixture(scope="session")
def ports() -> tuple[int, int]:
    return free_port(), free_port()


# The next five are pytest-docker's own fixtures. It does not clean up where its setup fails; so it has none, and
# `stack` starts the containers.


@pytest.fixture(scope="session")
def docker_compose_command(image: str, ports: tuple[int, int]) -> str:
    settings = {
        "IMAGE": image,
        "PORT": ports[0],
        "POSTGRES_PASSWORD": PASSWORD,
        "EMULATOR": engine.emulator(),
        "EMULATOR_PORT": ports[1],
    }
    return " ".join([*(f"{name}={shlex.quote(str(value))}" for name, value in settings.items()), _compose()])


def _compose() -> str:
    command = engine.compose_command()
    assert command is not None
    return command


@pytest.fixture(scope="session")
def docker_compose_file() -> list[str]:
    return [str(COMPOSE), str(engine.HERE / "compose.emulator.yaml")]


@pytest.fixture(scope="session")
def docker_compose_project_name() -> str:
    return f"headgate-test-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="session")
def docker_setup() -> list[str]:
    return []


@pytest.fixture(scope="session")
def docker_cleanup() -> list[str]:
    return ["down --volumes --remove-orphans --timeout 10"]


@pytest.fixture(scope="session")
def stack(docker_services: Any, docker_compose_project_name: str, ports: tuple[int, int]) -> Iterator[Stack]:
    """Start everything; wait until the service is ready and the emulator's database is there."""
    stack = Stack(docker_services, docker_compose_project_name, *ports)
    with pytest.MonkeyPatch.context() as patch:
        for name in re.findall("^    ([A-Z_]+):$", COMPOSE.read_text(), re.MULTILINE):
            patch.delenv(name, raising=False)  # Compose passes on what the caller's shell is told
        docker_services._docker_compose.execute("up --detach")
        stack.compose("exec -T database createdb --username=headgate emulated")
        engine.wait_until_ready(stack.port)
        yield stack


@pytest.fixture(scope="session")
def first_migration(stack: Stack) -> Any:
    """What the function answers to the command that brings its empty database up to date."""
    return stack.invoke({"command": "migrate"})


@pytest.fixture(scope="session")
def docker_token(stack: Stack) -> str:
    """A token of the container's own making."""
    scopes = " ".join(f"--scope {scope}" for scope in SCOPES.split())
    return stack.compose(f"exec -T service python -m service token {scopes}")


@pytest.fixture(scope="session")
def database(stack: Stack) -> Iterator[Callable[[str], Installation]]:
    """Opens a database of the stack: `database("emulated")`."""
    networks = stack.container("database")["NetworkSettings"]["Networks"]
    address = next(iter(networks.values()))["IPAddress"]
    opened: list[Installation] = []

    def open_it(name: str) -> Installation:
        opened.append(Installation(f"postgresql://headgate:{quote(PASSWORD, safe='')}@{address}/{name}"))
        return opened[-1]

    yield open_it
    for installation in opened:
        installation.close()


@pytest.fixture
def no_other_worker(stack: Stack) -> Iterator[None]:
    """The worker of the stack is told of no source and no partner, and would take the jobs all the same."""
    stack.compose("stop worker")
    yield
    stack.compose("start worker")


def event_of_gateway(method: str, target: str, *, headers: Headers, body: bytes) -> dict[str, Any]:
    """Return the event of a request whose Bearer token, where it has one, API Gateway's authorizer has verified."""
    is_verified = any(name.lower() == "authorization" for name in headers)
    claims = {"sub": "partner", "scope": SCOPES} if is_verified else None
    return event_v2(method, target, headers=headers, body=body, claims=claims)


@pytest.fixture(params=["docker", "lambda"])
def client(request: pytest.FixtureRequest, stack: Stack) -> Client:
    """Each test that takes it runs over HTTP against the container, and as events through the emulator."""
    if request.param == "docker":
        return HttpClient(stack.port, request.getfixturevalue("docker_token"))
    request.getfixturevalue("first_migration")
    return LambdaClient(stack.invoke, "verified by the gateway", event_of_gateway)
