"""Which route of an HTTP API a request takes: the most specific one that matches, or $default."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

DEFAULT = "$default"
_VARIABLE = re.compile(r"\{([^}+]+)(\+?)\}")


class Match(NamedTuple):
    """A route, and what its variables hold."""

    route: Mapping[str, Any]
    parameters: dict[str, str]


def find(routes: Iterable[Mapping[str, Any]], method: str, path: str) -> Match | None:
    """Return the route of a request, None where there is none."""
    ranked: list[tuple[tuple[Any, ...], Match]] = []
    fallback = None
    for route in routes:
        if route["RouteKey"] == DEFAULT:
            fallback = Match(route, {})
            continue
        route_method, _, pattern = route["RouteKey"].partition(" ")
        if route_method not in (method, "ANY"):
            continue
        parameters = _matched(pattern, path)
        if parameters is not None:
            ranked.append(((*_rank(pattern), route_method == "ANY"), Match(route, parameters)))
    return min(ranked, key=lambda pair: pair[0])[1] if ranked else fallback


def _matched(pattern: str, path: str) -> dict[str, str] | None:
    expression = ""
    for segment in pattern.split("/")[1:]:
        variable = _VARIABLE.fullmatch(segment)
        if not variable:
            expression += "/" + re.escape(segment)
        else:
            expression += f"/(?P<v{variable.start()}_{len(expression)}>{'.+' if variable[2] else '[^/]+'})"
    match = re.fullmatch(expression, path)
    names = [variable[1] for variable in _VARIABLE.finditer(pattern)]
    return dict(zip(names, match.groups(), strict=True)) if match else None


def _rank(pattern: str) -> tuple[int, ...]:
    """Return how general each segment is: as written, any one, any number. The whole is 1 where the last is the end."""
    kinds = [_VARIABLE.fullmatch(segment) for segment in pattern.split("/")[1:]]
    ranks = [0 if kind is None else 2 if kind[2] else 1 for kind in kinds]
    return (int(2 in ranks), *ranks)
