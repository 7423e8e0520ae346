"""Phase 3: the database is migrated before the new version serves, and it serves only as long as it is seen to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.scripts.conftest import Surroundings

SERVED = "s3://states/headgate/dev/served"
BROKEN = {"errorType": "DivisionByZero", "errorMessage": "division by zero"}


class Gateway(BaseHTTPRequestHandler):
    """Answers as the live version does. `broken` are those that do not serve, `closed` whether tokens are looked at."""

    surroundings: Surroundings
    broken: set[str]
    asked: list[str]
    is_open: bool

    def do_GET(self) -> None:
        version = self.surroundings.state["application"]["live_version"]
        self.asked.append(f"{version} {self.path}")
        has_token = self.headers.get("Authorization") == "Bearer token-of-smoke"
        status, answer = {
            "/dev/health": (200, {"commit": f"commit-{version}"}),
            "/dev/ready": (503, {}) if version in self.broken else (200, {"status": "ready"}),
            "/dev/api/aws-info": (200, {"functionVersion": version}) if has_token or self.is_open else (401, {}),
            "/dev/api/v1/events": (403, {}),
        }[self.path]
        self._answer(status, answer)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200, {"access_token": "token-of-smoke"})

    def _answer(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def gateway(surroundings: Surroundings) -> Iterator[type[Gateway]]:
    class Fresh(Gateway):
        broken: set[str] = set()
        asked: list[str] = []
        is_open = False

    Fresh.surroundings = surroundings
    with ThreadingHTTPServer(("127.0.0.1", 0), Fresh) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        surroundings.change(url=f"http://127.0.0.1:{server.server_port}/dev")
        yield Fresh
        server.shutdown()


def release(surroundings: Surroundings, version: int) -> tuple[int, str]:
    """Release an image that becomes this version; return the exit code and what was said."""
    done = surroundings.run("release", COMMIT=f"commit-{version}", DIGEST=f"sha256:{version}", SMOKE_SECONDS="0")
    return done.returncode, done.stdout + done.stderr


def test_the_first_release_migrates_and_serves(surroundings: Surroundings, gateway: type[Gateway]) -> None:
    code, said = release(surroundings, 1)
    assert code == 0, said
    assert surroundings.state["calls"] == ["live 1", "migrate with 1"]
    assert {"1 /dev/health", "1 /dev/ready", "1 /dev/api/aws-info", "1 /dev/api/v1/events"} <= set(gateway.asked)
    assert "release: version 1 serves (was none): http" in said


def test_the_next_one_migrates_while_the_old_version_serves(surroundings: Surroundings, gateway: type[Gateway]) -> None:
    release(surroundings, 1)
    surroundings.change(calls=[])
    code, said = release(surroundings, 2)
    assert code == 0, said
    assert surroundings.state["calls"] == ["live 1", "migrate with 2", "live 2"]
    assert "release: version 2 serves (was 1): http" in said
    assert surroundings.state["objects"][SERVED] == "1\n2\n"


def test_an_image_that_serves_already_is_only_asked_whether_it_does(
    surroundings: Surroundings, gateway: type[Gateway]
) -> None:
    release(surroundings, 1)
    surroundings.change(calls=[])
    gateway.asked.clear()
    code, said = release(surroundings, 1)
    assert code == 0, said
    assert surroundings.state["calls"] == ["live 1", "migrate with 1"]
    assert "1 /dev/health" in gateway.asked
    assert surroundings.state["objects"][SERVED] == "1\n"


def test_a_migration_that_fails_leaves_the_old_version_live(surroundings: Surroundings, gateway: type[Gateway]) -> None:
    release(surroundings, 1)
    surroundings.change(calls=[], migration=BROKEN)
    code, said = release(surroundings, 2)
    assert code == 1
    assert surroundings.state["calls"] == ["live 1", "migrate with 2"]
    assert "release: the migration failed: DivisionByZero: division by zero; version 1 still serves" in said


def test_a_version_that_does_not_serve_is_taken_back(surroundings: Surroundings, gateway: type[Gateway]) -> None:
    release(surroundings, 1)
    surroundings.change(calls=[])
    gateway.broken.add("2")
    code, said = release(surroundings, 2)
    assert code == 1
    assert surroundings.state["calls"] == ["live 1", "migrate with 2", "live 2", "live 1"]
    assert gateway.asked[-1] == "1 /dev/api/v1/events"
    assert "release: version 1 serves again; 2 stays unused" in said
    assert surroundings.state["objects"][SERVED] == "1\n"


def test_a_first_version_that_does_not_serve_has_none_to_go_back_to(
    surroundings: Surroundings, gateway: type[Gateway]
) -> None:
    gateway.broken.add("1")
    code, said = release(surroundings, 1)
    assert code == 1
    assert "version 1 does not serve well, and there is no earlier one to go back to" in said
    assert SERVED not in surroundings.state["objects"]


def test_a_release_that_was_killed_is_made_up_for_by_the_next(
    surroundings: Surroundings, gateway: type[Gateway]
) -> None:
    release(surroundings, 1)
    release(surroundings, 2)
    surroundings.change(calls=[], objects={SERVED: "1\n"})  # as if the second one had ended before it was seen to serve
    code, said = release(surroundings, 3)
    assert code == 0, said
    assert surroundings.state["calls"] == ["live 1", "migrate with 3", "live 3"]


def test_a_route_that_lets_everybody_in_fails_the_release(surroundings: Surroundings, gateway: type[Gateway]) -> None:
    gateway.is_open = True
    code, said = release(surroundings, 1)
    assert code == 1
    assert "/api/aws-info answered 200, expected 401" in said


def test_another_commit_than_the_released_one_fails_the_release(
    surroundings: Surroundings, gateway: type[Gateway]
) -> None:
    done = surroundings.run("release", COMMIT="another", DIGEST="sha256:1", SMOKE_SECONDS="0")
    assert done.returncode == 1
    assert '{"commit": "commit-1"}' in done.stderr


def test_a_rollback_goes_to_the_newest_version_that_served(surroundings: Surroundings, gateway: type[Gateway]) -> None:
    release(surroundings, 1)
    gateway.broken.add("2")
    release(surroundings, 2)
    release(surroundings, 3)
    for expected in ("1", "1"):  # the second time nothing is left to go back to
        done = surroundings.run("rollback", SMOKE_SECONDS="0")
        assert surroundings.state["application"]["live_version"] == expected
    assert done.returncode == 1
    assert "no other version is known to have served" in done.stderr
    assert surroundings.state["objects"][SERVED] == "1\n"


def test_a_rollback_goes_where_it_is_told_to(surroundings: Surroundings, gateway: type[Gateway]) -> None:
    for version in (1, 2, 3):
        release(surroundings, version)
    done = surroundings.run("rollback", VERSION="1", SMOKE_SECONDS="0")
    assert done.returncode == 0, done.stderr
    assert "rollback: version 1 serves (was 3)" in done.stdout
    assert surroundings.state["application"]["live_version"] == "1"


def test_a_rollback_to_a_version_that_does_not_exist_changes_nothing(
    surroundings: Surroundings, gateway: type[Gateway]
) -> None:
    release(surroundings, 1)
    done = surroundings.run("rollback", VERSION="9", SMOKE_SECONDS="0")
    assert done.returncode == 1
    assert "rollback: there is no version 9" in done.stderr
    assert surroundings.state["calls"] == ["live 1", "migrate with 1"]


@pytest.mark.parametrize("name", ["AWS_REGION", "COMMIT", "DIGEST", "ENVIRONMENT", "STATE_BUCKET"])
def test_a_variable_that_is_missing_is_named(surroundings: Surroundings, name: str) -> None:
    done = surroundings.run("release", **{"COMMIT": "a", "DIGEST": "sha256:a", name: ""})
    assert done.returncode == 1
    assert done.stderr == f"release: needs the variable {name} (see docs/deploying.md)\n"
    assert surroundings.state["calls"] == []
