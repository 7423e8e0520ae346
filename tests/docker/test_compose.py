"""What `make up` starts."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.docker import engine
from tests.docker.conftest import Stack
from tests.transports import HttpClient

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]


def test_migrations_run_to_their_end_before_the_service_starts(stack: Stack) -> None:
    migrate, service = stack.container("migrate")["State"], stack.container("service")["State"]
    assert migrate["ExitCode"] == 0
    assert migrate["FinishedAt"] < service["StartedAt"]


def test_migrations_may_run_again(stack: Stack) -> None:
    assert stack.compose("run --rm -T migrate") == "nothing to do: every migration has run"


@pytest.mark.parametrize("service", ["database", "service", "worker"])
def test_a_service_becomes_healthy(stack: Stack, service: str) -> None:
    engine.wait_for(lambda: stack.container(service)["State"]["Health"]["Status"] == "healthy", f"{service} is healthy")


@pytest.mark.parametrize("service", ["migrate", "service", "worker"])
def test_a_service_has_no_more_rights_than_it_needs(stack: Stack, service: str) -> None:
    host = stack.container(service)["HostConfig"]
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Privileged"] is False


def test_only_the_service_is_published(stack: Stack) -> None:
    assert stack.container("service")["HostConfig"]["PortBindings"]["8080/tcp"][0]["HostPort"] == str(stack.port)
    assert not stack.container("database")["HostConfig"]["PortBindings"]


def test_a_token_of_another_container_on_the_same_volume_is_accepted(stack: Stack) -> None:
    token = stack.compose("run --rm --no-deps -T service token --scope events:read")
    assert HttpClient(stack.port, token).get("/api/v1/events").status == 200


@pytest.mark.parametrize("service", ["service", "worker"])
def test_a_service_has_longer_to_stop_than_it_takes(stack: Stack, service: str) -> None:
    from service.config import Config

    assert stack.container(service)["Config"]["StopTimeout"] > Config().graceful_seconds


def test_the_worker_takes_the_jobs_of_the_database(stack: Stack) -> None:
    job_id = "00000000-0000-0000-0000-000000000001"
    put = f"INSERT INTO jobs (id, name, arguments) VALUES ('{job_id}', 'nothing', '{{}}')"
    stack.compose(f'exec -T database psql --username=headgate --dbname=headgate --command="{put}"')

    def dead() -> list[Any]:
        found: list[Any] = json.loads(stack.compose("exec -T worker python -m service jobs list --dead --json"))
        return [job for job in found if job["id"] == job_id]

    engine.wait_for(dead, "the worker has given the job up")
    assert dead()[0]["lastReason"].startswith("No job is named 'nothing'; there are: ")
    assert stack.compose(f"exec -T worker python -m service jobs drop {job_id}") == f"dropped: {job_id}"


def test_a_worker_that_cannot_have_jobs_is_not_healthy(stack: Stack) -> None:
    worker = stack.container("worker")["Id"]
    check = ("docker", "exec", worker, "python", "/app/docker/healthcheck.py", "--file", "/tmp/worker")
    assert engine.run(*check).returncode == 0
    old = "import os, time; os.utime('/tmp/other', (0, time.time() - 61)) if open('/tmp/other', 'w') else None"
    engine.docker("exec", worker, "python", "-c", old)
    assert re.search(r"touched 6\d seconds ago", engine.run(*check[:-1], "/tmp/other").stderr)
    assert engine.run(*check[:-1], "/tmp/none").returncode == 1
