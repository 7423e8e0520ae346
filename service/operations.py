"""What a route declares, once, at its view: who may call it, how often, what it takes and what it answers.

    @goals.post("/goals")
    @operation(USER, body=GoalInput, answers={201: GoalOutput}, errors={409: "Another active goal has the title"})
    def create() -> Response:
        goal = inputs.body()

Flask's URL map and these declarations are the one registry of routes. Security, `inputs`, the routes of API Gateway,
the OpenAPI document and the tests read it; a view that declares nothing is closed to everybody.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from flask import Flask, current_app, request
from marshmallow import Schema
from werkzeug.routing import Rule

View = TypeVar("View", bound=Callable[..., Any])

PUBLIC = "public"  # anybody may call it, on purpose
USER = "user"  # a signed-in user, for what is their own; any other access is a scope, such as events:write

JSON = "application/json"
_DERIVED_METHODS = {"HEAD", "OPTIONS"}
_VARIABLE = re.compile(r"<(?:(?P<converter>[a-z]+):)?(?P<name>[A-Za-z_]+)>")


class Throttle(NamedTuple):
    """What API Gateway lets through to a route, from all callers together: requests per second, and at once."""

    rate: int = 50
    burst: int = 100


USUAL = Throttle()


class ListOf(NamedTuple):
    """A JSON array of at most `limit` such objects."""

    schema: type[Schema]
    limit: int


Shape = type[Schema] | ListOf


class Answer(NamedTuple):
    """An answer that is not simply the JSON of a schema. `headers` are names and what they say.

    Without a schema it has no body, or text where its media type is not JSON.
    """

    schema: Shape | None = None
    media_type: str = JSON
    description: str = ""
    headers: Mapping[str, str] = {}


@dataclass(frozen=True)
class Operation:
    """The declaration of one view.

    `query` and `body` are what `inputs.query()` and `inputs.body()` load; `errors` are statuses with their reasons,
    beyond those that follow from the rest (400, 401, 403, 404, 413, 415, 422, 503); `example` is a body that works.
    """

    access: str
    throttle: Throttle = USUAL
    query: type[Schema] | None = None
    body: Shape | None = None
    is_body_optional: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[int, Shape | Answer] = field(default_factory=dict)
    errors: Mapping[int, str] = field(default_factory=dict)
    example: Any = None

    @property
    def scope(self) -> str | None:
        """The scope that a token must grant, None where the route is public or any user's."""
        return self.access if self.access not in (PUBLIC, USER) else None


class Route(NamedTuple):
    """One method of one path, and what its view declares."""

    method: str
    path: str  # as OpenAPI writes it: /goals/{goalId}
    key: str  # as API Gateway writes it: GET /api/v1/events/{event_id+}
    variables: tuple[tuple[str, str], ...]  # name and converter of each variable: ("goalId", "uuid")
    endpoint: str
    summary: str
    operation: Operation


def operation(access: str, **declared: Any) -> Callable[[View], View]:
    """Declare a view's `Operation`; `access` is PUBLIC, USER, or the scope that a token must grant."""
    declaration = Operation(access, **declared)

    def declare(view: View) -> View:
        view.operation = declaration  # type: ignore[attr-defined]
        return view

    return declare


def declared_by(view: Callable[..., Any]) -> Operation | None:
    """Return what a view declares, None where it declares nothing."""
    found: Operation | None = getattr(view, "operation", None)
    return found


def current_operation() -> Operation:
    """Return what the view of the current request declares."""
    return _operation_of(current_app, str(request.endpoint))


def _operation_of(app: Flask, endpoint: str) -> Operation:
    found = declared_by(app.view_functions[endpoint])
    if found is None:
        raise LookupError(f"the view {endpoint} declares no operation")
    return found


def routes(app: Flask) -> list[Route]:
    """Return the registry: every method of every path, by path and method. Raises `LookupError` for a silent view."""
    return sorted(
        (route for rule in app.url_map.iter_rules() for route in _routes_of(app, rule)),
        key=lambda route: (route.path, route.method),
    )


def _routes_of(app: Flask, rule: Rule) -> Iterator[Route]:
    found = _operation_of(app, rule.endpoint)
    summary = (app.view_functions[rule.endpoint].__doc__ or "").partition("\n")[0]
    path = _VARIABLE.sub(r"{\g<name>}", rule.rule)
    for method in sorted((rule.methods or set()) - _DERIVED_METHODS):
        yield Route(
            method,
            path,
            f"{method} {_gateway_path(rule.rule)}",
            tuple((match["name"], match["converter"] or "string") for match in _VARIABLE.finditer(rule.rule)),
            rule.endpoint,
            summary,
            found,
        )


def _gateway_path(rule: str) -> str:
    """Return a rule as API Gateway writes it. A variable that may hold slashes is greedy, which only the last can be.

    In front of another segment it holds none there; what does goes to the shorter path's greedy route, and from there
    to the same view, as the application routes by itself.
    """
    is_greedy = re.search(r"<path:[A-Za-z_]+>\Z", rule) is not None
    path = _VARIABLE.sub(r"{\g<name>}", rule)
    return path[:-1] + "+}" if is_greedy else path
