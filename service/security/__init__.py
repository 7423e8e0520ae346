"""Who may call what, as each view declares it (`operations`); one that declares nothing is closed to all."""

from __future__ import annotations

from typing import NamedTuple

from flask import Flask, current_app, g, request

from service import gateway
from service.config import Config
from service.errors import Forbidden, Unauthorized
from service.operations import PUBLIC, USER, declared_by
from service.security.tokens import Verifier


class Principal(NamedTuple):
    """Who sends the request: the token's subject, and the scopes it grants."""

    subject: str
    scopes: frozenset[str]


def init_app(app: Flask, config: Config) -> None:
    """Check every request before its view is called."""
    app.extensions["token_verifier"] = Verifier(config)
    app.config["USER_SCOPE"] = config.tokens.user_scope
    app.config["SCOPE_PREFIX"] = config.tokens.scope_prefix
    app.before_request(_authorize)


def current_principal() -> Principal:
    """Return who sends the current request."""
    principal: Principal = g.principal
    return principal


def bearer_token() -> str:
    """Return the token of the current request. Raises `Unauthorized` where it has none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("A Bearer token is needed in the header Authorization", code="invalid_request")
    return token.strip()


def _authorize() -> None:
    if request.endpoint is None:
        return  # no such route, or another method: the answer is on its way
    declared = declared_by(current_app.view_functions[request.endpoint])
    is_preflight = request.method == "OPTIONS" and getattr(request.url_rule, "provide_automatic_options", False)
    if is_preflight or (declared and declared.access == PUBLIC):
        return
    claims = gateway.claims(request.environ)
    if claims is None:
        claims = current_app.extensions["token_verifier"].verify(bearer_token())
    g.principal = Principal(str(claims.get("sub", "")), _scopes_of(claims.get("scope")))
    access = declared.access if declared else None
    scope = current_app.config["USER_SCOPE"] if access == USER else access
    if scope is None or scope not in g.principal.scopes:
        raise Forbidden(
            f"The token does not grant the scope {scope}" if scope else "Nobody may call this route",
            headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope or ""}"'},
        )


def _scopes_of(claim: object) -> frozenset[str]:
    """Return the scopes as routes name them: those of a resource server stand behind its name (`headgate/`)."""
    granted = claim.split() if isinstance(claim, str) else ()
    prefix, user_scope = current_app.config["SCOPE_PREFIX"], current_app.config["USER_SCOPE"]
    return frozenset(scope.removeprefix(prefix) for scope in granted if scope.startswith(prefix) or scope == user_scope)
