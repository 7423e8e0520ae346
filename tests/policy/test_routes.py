"""Every route is closed unless it says for whom it is open."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from flask import Flask
from werkzeug.routing import Rule

from service import config
from service.app import create_app
from service.operations import PUBLIC as ANYBODY
from service.operations import USER, declared_by, operation
from service.security.issuer import OwnIssuer
from tests.transports import Client, event_v1, event_v2

# Open to anybody, on purpose. Whoever adds one says why in its pull request.
PUBLIC = {"events.health", "health.live", "health.ready", "health.welcome"}
PUBLIC |= {"accounts.list_keys", "accounts.refresh", "accounts.register", "accounts.sign_in"}
PUBLIC |= {"docs.asset", "docs.document", "docs.redoc", "docs.swagger"}
EXAMPLES = {"<name>": "swagger-ui.css"}  # what stands for a variable of theirs, so that something is there


def rules_of(app: Flask) -> list[Rule]:
    return list(app.url_map.iter_rules())


# For the names of the tests alone: what the app holds does not depend on a database.
RULES = rules_of(create_app(config.load({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"})))
PROTECTED = [
    (method, rule.rule)
    for rule in RULES
    if rule.endpoint not in PUBLIC
    for method in sorted((rule.methods or set()) - {"OPTIONS"})
]


@pytest.fixture
def app(settings: config.Config) -> Flask:
    return create_app(settings)


def test_every_view_needs_a_scope_or_a_user_or_is_public_on_purpose(app: Flask) -> None:
    declared = {name: declared_by(view) for name, view in app.view_functions.items()}
    assert [name for name, found in declared.items() if found is None] == []
    access = {name: found.access for name, found in declared.items() if found}
    assert {name for name, value in access.items() if value == ANYBODY} == PUBLIC
    others = set(access.values()) - {ANYBODY, USER}
    assert all(re.fullmatch(r"[a-z][a-z0-9-]*:[a-z]+", scope) for scope in others)


def test_the_routes_belong_to_views_that_exist(app: Flask) -> None:
    assert {rule.endpoint for rule in rules_of(app)} == set(app.view_functions)


@pytest.mark.parametrize(("method", "rule"), PROTECTED, ids=[" ".join(pair) for pair in PROTECTED])
def test_a_protected_route_is_closed_without_a_token(client: Client, method: str, rule: str) -> None:
    target = re.sub(r"<int:[^>]*>", "1", re.sub(r"<uuid:[^>]*>", str(uuid.uuid4()), rule))
    target = re.sub(r"<[^>]*>", "x", target)
    answer = client.request(method, target, token=None)
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer error=")
    assert method == "HEAD" or answer.json()["error"] == "Unauthorized"


@pytest.mark.parametrize("endpoint", sorted(PUBLIC))
def test_a_public_route_is_open_without_a_token(client: Client, endpoint: str) -> None:
    for rule in (rule for rule in RULES if rule.endpoint == endpoint):
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            target = re.sub("<.*?>", lambda variable: EXAMPLES[variable[0]], rule.rule)
            assert client.request(method, target, token=None).status not in (401, 403, 404, 405, 500)


def undeclared() -> str:
    return "secret"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_view_that_declares_nothing_is_closed_to_everybody(app: Flask, settings: Any, method: str) -> None:
    app.add_url_rule("/undeclared", "undeclared", undeclared, methods=["GET", "OPTIONS"])
    scopes = {found.scope for found in map(declared_by, app.view_functions.values()) if found and found.scope}
    token = OwnIssuer(settings).issue("root", [*sorted(scopes), "user", "None", "*", ""], 60)
    answer = app.test_client().open("/undeclared", method=method, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403
    assert "secret" not in answer.text
    assert app.test_client().open("/undeclared", method=method).status_code == 401


def test_an_undeclared_view_is_closed_on_lambda_too(handler: Any) -> None:
    from service import lambda_handler

    lambda_handler._app().add_url_rule("/undeclared", "undeclared", undeclared)
    claims = {"sub": "root", "scope": "events:read None *"}
    for build in (event_v1, event_v2):
        assert handler(build("GET", "/undeclared", claims=claims))["statusCode"] == 403


def test_a_declaration_leaves_the_view_as_it_is() -> None:
    def view() -> str:
        return "answer"

    assert operation("a:b")(view) is view
    assert view() == "answer"
