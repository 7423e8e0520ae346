"""A user sees their own data and nobody else's: every route of users, walked with a second user's token.

The routes are those of the registry, so a new one is walked without anybody thinking of it. What stands behind its
variables is made by `POST` on the path in front of each, with that route's own example; where there is no such route,
the test fails until it can be made.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from marshmallow import fields

from service import operations
from service.app import create_app
from service.config import Config
from service.operations import USER, Route
from tests.conftest import Person
from tests.transports import Answer, Client

ROUTES = operations.routes(create_app(Config()))
OF_USERS = [route for route in ROUTES if route.operation.access == USER]
WITH_VARIABLES = [route for route in OF_USERS if route.variables]
WITHOUT_VARIABLES = [route for route in OF_USERS if not route.variables]

NewUser = Callable[..., Person]


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


def make(client: Client, owner: Person, path: str) -> str:
    """Make what stands behind each variable of a path, as its owner; return the path with their ids."""
    for name in [segment[1:-1] for segment in path.split("/") if segment.startswith("{")]:
        collection = path.partition(f"/{{{name}}}")[0]
        template = [route for route in ROUTES if route.method == "POST" and same(route.path, collection)]
        assert template, f"nothing makes {name}: no POST on the path in front of it"
        answer = client.post(collection, json=template[0].operation.example, token=owner.token)
        assert answer.status == 201, answer.body
        path = path.replace(f"{{{name}}}", answer.json()[name])
    return path


def same(template: str, path: str) -> bool:
    """Return whether a path is one of a template, whose variables may have become ids."""
    ours, theirs = template.split("/"), path.split("/")
    pairs = zip(ours, theirs, strict=False)
    return len(ours) == len(theirs) and all(a == b or a.startswith("{") for a, b in pairs)


def call(client: Client, route: Route, target: str, person: Person) -> Answer:
    return client.request(route.method, target + query_of(route), json=route.operation.example, token=person.token)


def query_of(route: Route) -> str:
    """Return what the query must have: today where it asks for a day."""
    found = route.operation.query and route.operation.query().load_fields
    today = datetime.now(UTC).date().isoformat()
    needed = [field.data_key or name for name, field in (found or {}).items() if field.required]
    assert all(isinstance(field, fields.Date) for field in (found or {}).values() if field.required)
    return "?" + "&".join(f"{name}={today}" for name in needed) if needed else ""


def without_ids(answer: Answer) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    return {key: value for key, value in body.items() if key not in ("requestId", "timestamp")}


def test_there_are_routes_to_walk() -> None:
    assert len(WITH_VARIABLES) >= 9
    assert len(WITHOUT_VARIABLES) >= 6


@pytest.mark.parametrize("route", WITH_VARIABLES, ids=name_of)
def test_the_object_of_another_user_is_not_found(client: Client, new_user: NewUser, route: Route) -> None:
    owner, stranger = new_user(), new_user()
    target = make(client, owner, route.path)
    refused = call(client, route, target, stranger)
    assert refused.status == 404, refused.body
    nowhere = "/".join(str(uuid.uuid4()) if part.startswith("{") else part for part in route.path.split("/"))
    missing = call(client, route, nowhere, stranger)
    ids = dict(zip(target.split("/"), nowhere.split("/"), strict=True))
    told = json.dumps(without_ids(refused))
    for theirs, none in ids.items():
        told = told.replace(theirs, none) if theirs != none else told
    assert json.loads(told) == without_ids(missing)  # the answer does not tell that it is there
    assert call(client, route, target, owner).status in (200, 201, 204)  # and there it is, untouched


@pytest.mark.parametrize("route", WITHOUT_VARIABLES, ids=name_of)
def test_a_list_holds_nothing_of_another_user(client: Client, new_user: NewUser, route: Route) -> None:
    owner, stranger = new_user(), new_user()
    makers = {other.path.partition("/{")[0] for other in WITH_VARIABLES}
    made = [make(client, owner, f"{path}/{{{variable_of(path)}}}").rpartition("/")[2] for path in sorted(makers)]
    answer = call(client, route, route.path, stranger)
    assert answer.status in (200, 201, 204), answer.body
    told = answer.body.decode()
    assert [secret for secret in (*made, owner.id, owner.email) if secret in told] == []


def variable_of(path: str) -> str:
    """Return the variable that follows a path in the registry."""
    return next(
        route.path.split("/{")[1].partition("}")[0] for route in WITH_VARIABLES if route.path.startswith(path + "/{")
    )


@pytest.mark.parametrize("route", OF_USERS, ids=name_of)
def test_a_token_that_is_no_users_is_refused(client: Client, token: str, route: Route) -> None:
    target = "/".join(str(uuid.uuid4()) if part.startswith("{") else part for part in route.path.split("/"))
    assert client.request(route.method, target + query_of(route), json=route.operation.example).status == 403
