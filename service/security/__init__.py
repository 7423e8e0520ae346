"""Who may call what. A view says which scope it needs, or that it is public; one that says neither is closed to all.

@events.post("/events")
@requires("events:write")
def create(): ...
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from flask import Flask, current_app, g, request

from service import gateway
from service.config import Config
from service.errors import Forbidden, Unauthorized
from service.security.tokens import Verifier

View = TypeVar("View", bound=Callable[..., Any])


class Principal(NamedTuple):
    """Who sends the request: the token's subject, and the scopes it grants."""

    subject: str
    scopes: frozenset[str]


def requires(scope: str) -> Callable[[View], View]:
    """Let a view be called only with a token that grants `scope`."""

    def declare(view: View) -> View:
        view.required_scope = scope  # type: ignore[attr-defined]
        return view

    return declare


def public(view: View) -> View:
    """Let a view be called by anybody, on purpose."""
    view.is_public = True  # type: ignore[attr-defined]
    return view


def init_app(app: Flask, config: Config) -> None:
    """Check every request before its view is called."""
    app.extensions["token_verifier"] = Verifier(config)
    app.before_request(_authorize)


def current_principal() -> Principal:
    """Return who sends the current request."""
    principal: Principal = g.principal
    return principal


def _authorize() -> None:
    if request.endpoint is None:
        return  # no such route, or another method: the answer is on its way
    view = current_app.view_functions[request.endpoint]
    is_preflight = request.method == "OPTIONS" and getattr(request.url_rule, "provide_automatic_options", False)
    if is_preflight or getattr(view, "is_public", False):
        return
    claims = gateway.claims(request.environ)
    if claims is None:
        claims = current_app.extensions["token_verifier"].verify(_bearer_token())
    granted = claims.get("scope")
    g.principal = Principal(str(claims.get("sub", "")), frozenset(granted.split() if isinstance(granted, str) else ()))
    scope = getattr(view, "required_scope", None)
    if scope is None or scope not in g.principal.scopes:
        raise Forbidden(
            f"The token does not grant the scope {scope}" if scope else "Nobody may call this route",
            headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope or ""}"'},
        )


def _bearer_token() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("A Bearer token is needed in the header Authorization", code="invalid_request")
    return token.strip()
