"""One command makes a feature that passes everything unedited, and answers."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from service import config
from service.scaffold.kinds import KINDS
from service.security.issuer import OwnIssuer
from tests import transports
from tests.postgres import Postgres
from tests.scaffold.clone import Clone
from tests.transports import Gunicorn, HttpClient

pytestmark = pytest.mark.slow

EVERY_KIND = " ".join(f"{kind}_a:{kind} {kind}_b:{kind}?" for kind in KINDS)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone with two features, each by one command: of users, with every kind of field; and of a scope."""
    clone = Clone(tmp_path_factory.mktemp("scratch") / "clone")
    for arguments in (
        ("amulet_pages", "--fields", EVERY_KIND, "--auth", "user"),
        (
            "brooches",
            "--fields",
            "name:str price:decimal? in_stock:bool",
            "--auth",
            "scope",
            "--path",
            "/api/old-brooches",
        ),
    ):
        result = clone.new(*arguments)
        assert (result.returncode, result.stderr) == (0, ""), result.stdout
        assert "make test" in result.stdout
        assert "make routes" in result.stdout
        assert "git commit" in result.stdout
        assert not (clone.root / ".cache").exists()
    return clone


def test_it_passes_every_check_unedited(clone: Clone) -> None:
    for command in (
        ("ruff", "format", "--no-cache", "--check", "service", "tests/amulet_pages", "tests/brooches"),
        ("ruff", "check", "--no-cache", "service", "tests/amulet_pages", "tests/brooches"),
        ("mypy",),
        ("python", "-m", "service", "routes", "--check"),
    ):
        result = clone.run(*command)
        assert result.returncode == 0, result.stdout + result.stderr


def test_its_tests_and_those_of_the_house_pass_unedited(clone: Clone) -> None:
    result = clone.run(
        "python",
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/amulet_pages",
        "tests/brooches",
        "tests/policy/test_isolation.py",
        "tests/policy/test_published.py",
        "tests/policy/test_routes.py",
        "tests/policy/test_source.py",
        "tests/policy/test_imports.py",
        "tests/policy/test_migrations.py::test_the_migrations_are_numbered_without_a_gap",
    )
    assert result.returncode == 0, result.stdout[-8000:]
    assert "warning" not in result.stdout


def test_it_answers_over_gunicorn(
    clone: Clone, postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"DATABASE_URL": postgres.create(f"scratch_{uuid.uuid4().hex}"), "DATA_DIR": str(tmp_path)}
    result = clone.run("python", "-m", "service", "migrate", **environment)
    assert result.returncode == 0, result.stderr
    token = OwnIssuer(config.load(environment)).issue("test", ["brooches:read", "brooches:write"], 60)
    monkeypatch.setattr(transports, "ROOT", clone.root)
    server = Gunicorn(tmp_path / "log", **environment)
    try:
        client = HttpClient(server.port, token)
        made = client.post("/api/old-brooches", json={"name": "Fibula", "price": 79.9, "inStock": True})
        assert made.status == 201
        assert client.get(f"/api/old-brooches/{made.json()['broochId']}").json() == made.json()
        assert client.get("/amulet-pages", token=None).status == 401
        document = client.get("/openapi.json", token=None).json()
        assert {"/api/old-brooches", "/amulet-pages/{amuletPageId}"} <= set(document["paths"])
    finally:
        assert server.stop() == 0
