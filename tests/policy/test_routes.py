"""Every route is closed unless it says for whom it is open."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from werkzeug.routing import Rule

from service import config
from service.app import create_app
from service.security import public, requires
from service.security.issuer import OwnIssuer
from tests.transports import Client, event_v1, event_v2

# Open to anybody, on purpose. Whoever adds one says why in its pull request.
PUBLIC = {"events.health", "health.live", "health.ready"}


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


def test_every_view_needs_a_scope_or_is_public_on_purpose(app: Flask) -> None:
    scopes = {name: getattr(view, "required_scope", None) for name, view in app.view_functions.items()}
    open_views = {name for name, view in app.view_functions.items() if getattr(view, "is_public", False)}
    assert open_views == PUBLIC
    assert {name for name, scope in scopes.items() if scope is None} == PUBLIC
    assert all(re.fullmatch(r"[a-z]+:[a-z]+", scope) for scope in scopes.values() if scope)


def test_the_routes_belong_to_views_that_exist(app: Flask) -> None:
    assert {rule.endpoint for rule in rules_of(app)} == set(app.view_functions)


@pytest.mark.parametrize(("method", "rule"), PROTECTED, ids=[" ".join(pair) for pair in PROTECTED])
def test_a_protected_route_is_closed_without_a_token(client: Client, method: str, rule: str) -> None:
    target = re.sub(r"<[^>]*>", "x", rule)
    answer = client.request(method, target, token=None)
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer error=")
    assert method == "HEAD" or answer.json()["error"] == "Unauthorized"


@pytest.mark.parametrize("endpoint", sorted(PUBLIC))
def test_a_public_route_is_open_without_a_token(client: Client, endpoint: str) -> None:
    (rule,) = [rule for rule in RULES if rule.endpoint == endpoint]
    assert client.get(rule.rule, token=None).status == 200


def undeclared() -> str:
    return "secret"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_view_that_declares_nothing_is_closed_to_everybody(app: Flask, settings: Any, method: str) -> None:
    app.add_url_rule("/undeclared", "undeclared", undeclared, methods=["GET", "OPTIONS"])
    scopes = sorted({view.required_scope for view in app.view_functions.values() if hasattr(view, "required_scope")})
    token = OwnIssuer(settings).issue("root", [*scopes, "None", "*", ""], 60)
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

    assert requires("a:b")(view) is view
    assert public(view) is view
    assert view() == "answer"
