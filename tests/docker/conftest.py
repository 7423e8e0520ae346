"""The image, built once; the stack of docker/compose.yaml, and the same image under the Lambda emulator beside it."""

from __future__ import annotations

import json
import os
import shlex
import urllib.request
import uuid
from dataclasses import dataclass
from typing import Any

import pytest

from tests.docker import engine
from tests.postgres import free_port
from tests.transports import ROOT, Client, Headers, HttpClient, LambdaClient, event_v2

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
        """Invoke the function with an event, as AWS does; return its answer, or what AWS tells of its error."""
        url = f"http://127.0.0.1:{self.emulator_port}/2015-03-31/functions/function/invocations"
        with urllib.request.urlopen(url, json.dumps(event).encode(), timeout=60) as response:
            return json.load(response)


@pytest.fixture(scope="session", autouse=True)
def docker_engine() -> None:
    """Skip where no Docker answers, unless it is required."""
    reason = engine.why_not()
    if reason and os.environ.get("REQUIRE_DOCKER") == "1":
        pytest.fail(f"REQUIRE_DOCKER=1, but {reason}", pytrace=False)
    if reason:
        pytest.skip(reason)


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
    return [str(ROOT / "docker" / "compose.yaml"), str(engine.HERE / "compose.emulator.yaml")]


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
def stack(docker_services: Any, docker_compose_project_name: str, ports: tuple[int, int]) -> Stack:
    """Start everything; wait until the service is ready and the emulator's database is there."""
    stack = Stack(docker_services, docker_compose_project_name, *ports)
    docker_services._docker_compose.execute("up --detach")
    stack.compose("exec -T database createdb --username=headgate emulated")
    http = HttpClient(stack.port, timeout=5)

    def is_ready() -> bool:
        try:
            return http.get("/ready").status == 200
        except OSError:
            return False

    engine.wait_for(is_ready, "the service is ready")
    return stack


@pytest.fixture(scope="session")
def first_migration(stack: Stack) -> Any:
    """What the function answers to the command that brings its empty database up to date."""
    return stack.invoke({"command": "migrate"})


@pytest.fixture(scope="session")
def docker_token(stack: Stack) -> str:
    """A token of the container's own making."""
    scopes = " ".join(f"--scope {scope}" for scope in SCOPES.split())
    return stack.compose(f"exec -T service python -m service token {scopes}")


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
