"""Lambda's `Invoke`: a version's image, under the Runtime Interface Emulator, with that version's environment.

A container answers one invocation at a time, and stays warm for the next. What a version is moto tells.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tests.docker import engine
from tests.rehearsal import aws
from tests.rehearsal.containers import Containers

PORT = 8080
USER = "1051:1051"  # Lambda runs an image as a user of its own
MAX_INSTANCES = 4  # of a version; what comes then waits, on AWS it would be throttled
START_SECONDS = 60
# Whom the image trusts: to be Aurora, and to be anybody else.
TRUSTED = ("/app/service/database/rds-ca.pem", "/opt/venv/lib/python3.13/site-packages/certifi/cacert.pem")
UNHANDLED = {"errorMessage", "errorType", "requestId", "stackTrace"}  # what the runtime tells of an exception
# Lambda sets these itself, and refuses a function that wants to.
RESERVED = re.compile(
    "AWS_(LAMBDA_.*|REGION|DEFAULT_REGION|EXECUTION_ENV|ACCESS_KEY.*|SECRET_ACCESS_KEY|SESSION_TOKEN)"
)


class Refused(Exception):
    """What Lambda answers instead of invoking: status, code and a message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


@dataclass(frozen=True)
class Invocation:
    """What a function answered. `error` is `Unhandled` where it raised."""

    version: str
    payload: bytes
    error: str | None
    log: str


@dataclass(frozen=True)
class Version:
    """A version of a function, as moto tells it."""

    name: str
    number: str
    image: str
    memory_mb: int
    timeout_seconds: int
    scratch_mb: int
    environment: tuple[tuple[str, str], ...]

    def key(self) -> tuple[str, str, str]:
        """Return what a container of this version is known by: $LATEST may be another each time."""
        return self.name, self.number, hashlib.sha256(repr(self).encode()).hexdigest()


@dataclass(eq=False)
class _Instance:
    container: str
    port: int


@dataclass
class _Pool:
    idle: list[_Instance] = field(default_factory=list)
    count: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)


class Functions:
    """Invokes functions. `endpoint` is where their containers find AWS."""

    def __init__(self, containers: Containers, moto: str, endpoint: str, authority: Path) -> None:
        self._containers = containers
        self._lambda = aws.client("lambda", moto)
        self._endpoint, self._authority = endpoint, authority
        self._emulator = engine.emulator()
        self._lock = threading.Lock()
        self._pools: dict[tuple[str, str, str], _Pool] = {}

    def invoke(self, name: str, qualifier: str | None, payload: bytes) -> Invocation:
        """Invoke a function (name or ARN, with a qualifier or without), and wait for it. Raises `Refused`."""
        version = self._version(name, qualifier)
        with self._lock:
            pool = self._pools.setdefault(version.key(), _Pool())
        instance = self._acquire(pool, version)
        try:
            answer = _ask(instance.port, payload, version.timeout_seconds)
        except BaseException:
            # As on AWS: what did not answer is not asked again.
            self._drop(pool, instance)
            raise
        self._release(pool, instance)
        error = "Unhandled" if _is_error(answer) else None
        return Invocation(version.number, answer, error, engine.logs(instance.container)[-4096:])

    def sweep(self) -> None:
        """Stop the containers of functions that are no more."""
        names = {function["FunctionName"] for function in self._lambda.list_functions()["Functions"]}
        with self._lock:
            gone = [self._pools.pop(key) for key in list(self._pools) if key[0] not in names]
        for instance in (instance for pool in gone for instance in pool.idle):
            self._containers.stop(instance.container)

    def _version(self, name: str, qualifier: str | None) -> Version:
        bare, own_qualifier = _split(name)
        try:
            arguments = {"Qualifier": qualifier or own_qualifier} if qualifier or own_qualifier else {}
            found = self._lambda.get_function(FunctionName=bare, **arguments)
        except ClientError as error:
            raise Refused(404, error.response["Error"]["Code"], error.response["Error"]["Message"]) from None
        told = found["Configuration"]
        environment = told.get("Environment", {}).get("Variables", {})
        if reserved := sorted(filter(RESERVED.fullmatch, environment)):
            raise Refused(400, "InvalidParameterValueException", f"Reserved keys are used: {', '.join(reserved)}")
        return Version(
            name=told["FunctionName"],
            number=told["Version"],
            image=found["Code"]["ImageUri"],
            memory_mb=told["MemorySize"],
            timeout_seconds=told["Timeout"],
            scratch_mb=told["EphemeralStorage"]["Size"],
            environment=tuple(sorted(environment.items())),
        )

    def _acquire(self, pool: _Pool, version: Version) -> _Instance:
        with pool.changed:
            while not pool.idle and pool.count >= MAX_INSTANCES:
                pool.changed.wait()
            if pool.idle:
                return pool.idle.pop()
            pool.count += 1
        try:
            return self._start(version)
        except BaseException:
            with pool.changed:
                pool.count -= 1
                pool.changed.notify()
            raise

    def _release(self, pool: _Pool, instance: _Instance) -> None:
        with pool.changed:
            pool.idle.append(instance)
            pool.changed.notify()

    def _drop(self, pool: _Pool, instance: _Instance) -> None:
        self._containers.stop(instance.container)
        with pool.changed:
            pool.count -= 1
            pool.changed.notify()

    def _start(self, version: Version) -> _Instance:
        if engine.run("docker", "image", "inspect", version.image).returncode:
            engine.docker("pull", "--quiet", version.image, timeout=300)
        configuration = engine.inspect(version.image, "image")["Config"]
        command = [*(configuration["Entrypoint"] or []), *(configuration["Cmd"] or [])]
        environment = {**dict(version.environment), **self._set_by_lambda(version)}
        container = self._containers.start(
            f"function-{version.name}-{version.number.strip('$').lower()}",
            version.image,
            *command,
            port=PORT,
            options=(
                *("--entrypoint", "/emulator", "--volume", f"{self._emulator}:/emulator:ro"),
                *(option for path in TRUSTED for option in ("--volume", f"{self._authority}:{path}:ro")),
                *("--user", USER, "--read-only", "--tmpfs", f"/tmp:size={version.scratch_mb}m"),
                *("--cap-drop", "ALL", "--security-opt", "no-new-privileges:true", "--no-healthcheck"),
                *("--memory", f"{version.memory_mb}m", "--add-host", "host.docker.internal:host-gateway"),
                *(option for name, value in environment.items() for option in ("--env", f"{name}={value}")),
            ),
        )
        port = engine.port_of(container, PORT)
        engine.wait_for(lambda: aws.answers(f"http://127.0.0.1:{port}/"), f"{container} answers", START_SECONDS)
        return _Instance(container, port)

    def _set_by_lambda(self, version: Version) -> dict[str, str]:
        return {
            "AWS_LAMBDA_FUNCTION_NAME": version.name,
            "AWS_LAMBDA_FUNCTION_VERSION": version.number,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(version.memory_mb),
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(version.timeout_seconds),
            "AWS_REGION": aws.REGION,
            "AWS_DEFAULT_REGION": aws.REGION,
            **aws.CREDENTIALS,
            "AWS_SESSION_TOKEN": "rehearsal",
            "AWS_ENDPOINT_URL": self._endpoint,
        }


def _split(name: str) -> tuple[str, str | None]:
    """Return the function's name and the qualifier that a name or an ARN has."""
    bare = name.partition(":function:")[2] or name
    function, _, qualifier = bare.partition(":")
    return function, qualifier or None


def _ask(port: int, payload: bytes, seconds: int) -> bytes:
    url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
    expires_at = time.monotonic() + seconds + 5
    while True:
        try:
            with urllib.request.urlopen(url, payload or b"{}", timeout=expires_at - time.monotonic()) as response:
                return bytes(response.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.read()
        except ConnectionError:
            # Between the port of Docker and the emulator's own there is a moment in which nobody listens.
            if time.monotonic() > expires_at - seconds:
                raise
            time.sleep(0.05)


def _is_error(answer: bytes) -> bool:
    try:
        told: Any = json.loads(answer)
    except ValueError:
        return True  # the emulator's own words: the time was over, or the runtime has gone
    return isinstance(told, dict) and set(told) >= UNHANDLED


def tail(log: str) -> str:
    """Return the end of a log as Lambda's header has it."""
    return base64.b64encode(log.encode()).decode()
