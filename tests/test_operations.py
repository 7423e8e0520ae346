"""What a view declares is what is checked, loaded and routed."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from flask import Flask, jsonify
from marshmallow import fields

from service import inputs, operations
from service.app import create_app
from service.config import Config
from service.operations import PUBLIC, USER, ListOf, Throttle, current_operation, operation
from service.security.issuer import OwnIssuer
from service.validation import StrictSchema, Text


class Thing(StrictSchema):
    """A thing."""

    name = Text(required=True, limit=5)
    size = fields.Integer(load_default=1)


@pytest.fixture
def app(settings: Any) -> Flask:
    app = create_app(settings)

    @app.post("/things")
    @operation(PUBLIC, query=Thing, body=Thing)
    def make() -> Any:
        """Make a thing."""
        return jsonify(body=inputs.body(), query=inputs.query())

    @app.post("/maybe")
    @operation(PUBLIC, body=StrictSchema, is_body_optional=True)
    def maybe() -> Any:
        """Take a body or none."""
        return jsonify(inputs.body())

    @app.post("/silent")
    @operation(PUBLIC, body=ListOf(Thing, 2))
    def silent() -> Any:
        """Load what is not declared."""
        return jsonify(inputs.body())

    @app.get("/own/<uuid:thingId>")
    @operation(USER, throttle=Throttle(1, 2))
    def own(thingId: uuid.UUID) -> Any:  # noqa: N803
        """Show one's own."""
        return jsonify(current_operation().throttle)

    return app


def test_body_and_query_are_loaded_by_the_declared_schemas(app: Flask) -> None:
    answer = app.test_client().post("/things?name=query", json={"name": "body", "size": 2})
    assert answer.json == {"body": {"name": "body", "size": 2}, "query": {"name": "query", "size": 1}}


def test_every_violation_of_a_body_is_named(app: Flask) -> None:
    answer = app.test_client().post("/things?name=query", json={"name": "longer than five", "colour": "red"})
    assert answer.status_code == 422
    assert answer.json is not None
    assert {error["path"] for error in answer.json["details"]["errors"]} == {"name", "colour"}


def test_a_violation_of_the_query_is_named(app: Flask) -> None:
    answer = app.test_client().post("/things?name=query&size=x&more=1", json={"name": "body"})
    assert answer.status_code == 422
    assert answer.json is not None
    assert {error["path"] for error in answer.json["details"]["errors"]} == {"size", "more"}


@pytest.mark.parametrize("text", ["[]", '"text"', "1", "null", "true"])
def test_a_body_that_is_no_object_is_refused(app: Flask, text: str) -> None:
    answer = app.test_client().post("/things?name=query", data=text, content_type="application/json")
    assert answer.status_code == 422
    assert answer.json is not None
    assert answer.json["message"] == "Must be an object"


def test_a_key_that_stands_twice_is_refused(app: Flask) -> None:
    answer = app.test_client().post(
        "/things?name=query", data='{"name": "a", "name": "b"}', content_type="application/json"
    )
    assert answer.status_code == 422


@pytest.mark.parametrize(("text", "status"), [("", 200), ("{}", 200), ("{", 400), ('{"a": 1}', 422)])
def test_a_body_may_be_optional_and_is_then_no_less_strict(app: Flask, text: str, status: int) -> None:
    assert app.test_client().post("/maybe", data=text).status_code == status


def test_loading_what_is_not_declared_is_a_defect(app: Flask) -> None:
    with app.test_request_context("/silent", method="POST", json={}):
        with pytest.raises(LookupError, match="declares no object"):
            inputs.body()
        with pytest.raises(LookupError, match="declares no query"):
            inputs.query()


def test_a_user_route_takes_a_users_token_and_no_other(app: Flask, settings: Any) -> None:
    client = app.test_client()
    for scopes, status in ((["user"], 200), (["events:read"], 403), (["users"], 403), ([], 403)):
        bearer = OwnIssuer(settings).issue(str(uuid.uuid4()), scopes, 60)
        answer = client.get(f"/own/{uuid.uuid4()}", headers={"Authorization": f"Bearer {bearer}"})
        assert answer.status_code == status
    assert client.get(f"/own/{uuid.uuid4()}").status_code == 401


@pytest.mark.parametrize(
    ("rule", "key"),
    [
        ("/own/<uuid:thingId>", "GET /own/{thingId}"),
        ("/a/<path:rest>", "GET /a/{rest+}"),
        ("/a/<path:rest>/b", "GET /a/{rest}/b"),
        ("/a/<b>/<path:rest>", "GET /a/{b}/{rest+}"),
        ("/", "GET /"),
    ],
)
def test_the_gateway_has_a_greedy_variable_at_the_end_alone(rule: str, key: str) -> None:
    app = Flask("test", static_folder=None)
    app.add_url_rule(rule, "view", operation("a:b")(lambda **_: ""))
    assert [route.key for route in operations.routes(app)] == [key]


def test_scopes_of_a_resource_server_stand_behind_its_name(settings: Any, environment: dict[str, str]) -> None:
    from service import config

    app = create_app(config.load({**environment, "TOKEN_SCOPE_PREFIX": "headgate/"}))
    for scope, status in (("headgate/events:read", 200), ("events:read", 403), ("other/events:read", 403)):
        bearer = OwnIssuer(settings).issue("partner", [scope], 60)
        answer = app.test_client().get("/api/v1/events", headers={"Authorization": f"Bearer {bearer}"})
        assert answer.status_code == status, scope


def test_the_registry_is_in_the_order_of_paths() -> None:
    found = [(route.path, route.method) for route in operations.routes(create_app(Config()))]
    assert found == sorted(found)
