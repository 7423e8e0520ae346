"""The registry of routes as files: the routes of API Gateway and the scopes for Terraform, and the OpenAPI document.

All are written by `make routes` and committed; `make check` fails when they are stale.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from service.app import create_app
from service.config import Config
from service.operations import Route, routes

ROOT = Path(__file__).parent.parent
OPENAPI = ROOT / "docs" / "openapi.json"
ROUTE_TABLE = ROOT / "terraform" / "application" / "routes.auto.tfvars.json"
SCOPES = ROOT / "terraform" / "foundation" / "scopes.auto.tfvars.json"


def contents() -> dict[Path, str]:
    """Return what each file must hold. Raises `LookupError` for a view that declares nothing."""
    from service.openapi import document

    registry = routes(create_app(Config()))
    return {
        OPENAPI: _json(document(registry)),
        ROUTE_TABLE: _json({"routes": route_table(registry)}),
        SCOPES: _json({"scopes": scopes(registry)}),
    }


def stale() -> list[Path]:
    """Return the files that do not hold what they must."""
    return list(_stale())


def write() -> list[Path]:
    """Write the files that are stale; return them."""
    found = _stale()
    for path, text in found.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return list(found)


def _stale() -> dict[Path, str]:
    return {path: text for path, text in contents().items() if not path.exists() or path.read_text() != text}


def route_table(registry: list[Route]) -> dict[str, dict[str, Any]]:
    """Return the routes of API Gateway by key: who may call each (public, user or a scope), and its throttle.

    Raises `ValueError` where one key stands for routes that declare different things.
    """
    table: dict[str, dict[str, Any]] = {}
    for route in registry:
        entry = {
            "access": route.operation.access,
            "throttling_burst_limit": route.operation.throttle.burst,
            "throttling_rate_limit": route.operation.throttle.rate,
        }
        if table.setdefault(route.key, entry) != entry:
            raise ValueError(f"{route.key} is declared in two ways")
    return dict(sorted(table.items()))


def scopes(registry: list[Route]) -> dict[str, str]:
    """Return every scope that a route asks for, and what it is for in words: `events:write` is to write events."""
    named = sorted({scope for route in registry if (scope := route.operation.scope)})
    return {scope: f"{verb.capitalize()} {noun}" for scope in named for noun, _, verb in [scope.partition(":")]}


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
