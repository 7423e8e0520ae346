"""The files that are generated from the routes: whole, fresh, and the same routes as Flask's own map."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from openapi_spec_validator import validate

from service import operations, published
from service.app import create_app
from service.config import Config
from service.operations import PUBLIC, USER, Throttle, operation

ROOT = Path(__file__).parent.parent.parent
DERIVED = {"HEAD", "OPTIONS"}


@pytest.fixture(scope="module")
def app() -> Flask:
    return create_app(Config())


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(published.OPENAPI.read_text())
    return found


@pytest.fixture(scope="module")
def table() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(published.ROUTE_TABLE.read_text())["routes"]
    return found


def flask_routes(app: Flask) -> set[tuple[str, str]]:
    """Return method and path of each of Flask's own rules, variables without their converters."""
    return {
        (method, re.sub("<(?:[a-z]+:)?([A-Za-z_]+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - DERIVED
    }


def test_the_files_are_not_stale() -> None:
    assert published.stale() == [], "run `make routes`, and commit what it writes"


def test_flask_the_gateway_and_the_document_have_the_same_routes(
    app: Flask, document: dict[str, Any], table: dict[str, Any]
) -> None:
    ours = flask_routes(app)
    assert len(ours) > 10
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    routed = {tuple(key.replace("+}", "}").split(" ")) for key in table}
    assert described == ours
    assert routed == ours


def test_a_route_is_open_in_the_gateway_exactly_where_it_is_public(app: Flask, table: dict[str, Any]) -> None:
    for route in operations.routes(app):
        assert table[route.key]["access"] == route.operation.access
    assert {entry["access"] for entry in table.values()} > {PUBLIC}


def test_the_user_pool_has_every_scope_that_a_route_asks_for_and_no_other(table: dict[str, Any]) -> None:
    scopes = json.loads(published.SCOPES.read_text())["scopes"]
    assert set(scopes) == {entry["access"] for entry in table.values()} - {PUBLIC, USER}
    assert scopes["events:write"] == "Write events"


def test_a_greedy_variable_is_the_last_segment(table: dict[str, Any]) -> None:
    """API Gateway takes no other; and a path with more behind it has a greedy neighbour with the same access."""
    for key, entry in table.items():
        assert re.fullmatch(r"(GET|POST|PUT|DELETE) (/|(/[A-Za-z0-9._-]+|/\{[A-Za-z_]+\})*(/|/\{[A-Za-z_]+\+\})?)", key)
        if "+}" in key:
            prefix = key.removesuffix("+}") + "}/"
            assert all(other["access"] == entry["access"] for name, other in table.items() if name.startswith(prefix))


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    validate(document)


def test_each_operation_says_who_may_call_it_and_every_error_has_the_one_shape(
    app: Flask, document: dict[str, Any]
) -> None:
    for route in operations.routes(app):
        found = document["paths"][route.path][route.method.lower()]
        assert found["summary"].endswith("."), route
        security = {PUBLIC: [], USER: [{"bearer": []}]}.get(
            route.operation.access, [{"bearer": [route.operation.access]}]
        )
        assert found["security"] == security
        if route.operation.access != PUBLIC:
            assert {"401", "403"} <= set(found["responses"])
        for status, answer in found["responses"].items():
            if int(status) >= 400 and "content" not in answer:
                assert answer["$ref"] == f"#/components/responses/{status}"
    for status, response in document["components"]["responses"].items():
        media = response["content"]["application/json"]
        assert media["schema"] == {"$ref": "#/components/schemas/Error"}
        assert media["example"]["status"] == int(status)


def test_every_body_has_an_example(app: Flask) -> None:
    silent = [
        route.key
        for route in operations.routes(app)
        if route.operation.body is not None and route.operation.example is None and not route.operation.is_body_optional
    ]
    assert silent == []


def test_operation_ids_are_unique_and_schemas_say_what_they_are(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch("[a-zA-Z_]+", name) for name in ids)
    assert [name for name, schema in document["components"]["schemas"].items() if not schema.get("description")] == []


def view() -> str:
    """Answer."""
    return "answer"


def test_a_view_that_declares_nothing_stops_the_generator() -> None:
    app = create_app(Config())
    app.add_url_rule("/undeclared", "undeclared", view)
    with pytest.raises(LookupError, match="undeclared"):
        operations.routes(app)


def test_one_key_of_the_gateway_cannot_be_declared_in_two_ways() -> None:
    app = create_app(Config())
    for name, throttle in (("<one>", Throttle()), ("<uuid:one>", Throttle(1, 1))):

        def copy() -> str:
            """Answer."""
            return "answer"

        app.add_url_rule(f"/twice/{name}", name, operation("a:b", throttle=throttle)(copy))
    with pytest.raises(ValueError, match=re.escape("GET /twice/{one} is declared in two ways")):
        published.route_table(operations.routes(app))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service", "routes", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_the_command_lists_the_routes_and_checks_the_files(app: Flask) -> None:
    listed = run()
    assert listed.returncode == 0, listed.stderr
    assert {tuple(line.split()[:2]) for line in listed.stdout.splitlines()} == flask_routes(app)
    checked = run("--check")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "up to date" in checked.stdout


def test_a_stale_file_is_named_and_written_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from service.__main__ import main

    for name in ("OPENAPI", "ROUTE_TABLE", "SCOPES"):
        copy = tmp_path / getattr(published, name).name
        copy.write_text(getattr(published, name).read_text())
        monkeypatch.setattr(published, name, copy)
    monkeypatch.setattr(published, "ROOT", tmp_path)
    table = published.ROUTE_TABLE
    fresh = table.read_text()
    table.write_text(fresh.replace("public", "open"))
    with pytest.raises(SystemExit) as ended:
        main(["routes", "--check"])
    assert ended.value.code == 1
    assert f"stale: {table.name};" in capsys.readouterr().err
    assert published.write() == [table]
    assert table.read_text() == fresh
    assert published.write() == []
