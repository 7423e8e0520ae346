"""Claims that API Gateway has verified are believed, where only API Gateway can have put them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.transports import Client, LambdaClient, event_alb, event_alb_multi, event_v1, event_v2

CLAIMS = {"sub": "user-1", "scope": "events:read openid", "client_id": "abc", "token_use": "access"}
BUILDERS = {"payload 2.0": event_v2, "payload 1.0": event_v1}


@pytest.fixture(params=BUILDERS.values(), ids=BUILDERS)
def send(request: pytest.FixtureRequest, handler: Callable[..., Any]) -> Callable[..., Any]:
    """Sends a request without a token through API Gateway; keywords are the event's."""

    def send(method: str = "GET", target: str = "/api/v1/events", **kwargs: Any) -> Any:
        def build(*args: Any, **inner: Any) -> dict[str, Any]:
            event: dict[str, Any] = request.param(*args, **inner, **kwargs)
            return event

        return LambdaClient(handler, None, build).request(method, target, json={} if method == "POST" else None)

    return send


def test_the_claims_of_the_authorizer_are_believed(send: Callable[..., Any]) -> None:
    assert send(claims=CLAIMS).status == 200


def test_the_scope_counts_there_too(send: Callable[..., Any]) -> None:
    answer = send("POST", claims=CLAIMS)
    assert answer.status == 403
    assert 'error="insufficient_scope", scope="events:write"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    "scope", [None, "", ["events:read"], "[events:read events:write]", "events:reads", 1], ids=repr
)
def test_claims_without_the_scope_are_forbidden(send: Callable[..., Any], scope: Any) -> None:
    assert send(claims=CLAIMS | {"scope": scope}).status == 403


@pytest.mark.parametrize("claims", [None, "events:read", ["scope"], 7], ids=repr)
def test_claims_that_are_no_object_are_no_claims(send: Callable[..., Any], claims: Any) -> None:
    assert send(claims=claims).status == 401


@pytest.mark.parametrize(
    "authorizer",
    [None, {}, {"lambda": {"claims": CLAIMS}}, {"jwt": None}, {"jwt": {}}, {"iam": {"userId": "x"}}],
    ids=["none", "empty", "of a Lambda authorizer", "null", "without claims", "of IAM"],
)
def test_another_authorizer_grants_nothing(handler: Callable[..., Any], authorizer: Any) -> None:
    event = event_v2("GET", "/api/v1/events")
    event["requestContext"]["authorizer"] = authorizer
    assert handler(event)["statusCode"] == 401


def forged() -> dict[str, dict[str, str]]:
    authorizer = {"jwt": {"claims": CLAIMS}, "claims": CLAIMS}
    event = json.dumps({"requestContext": {"authorizer": authorizer}})
    return {
        "awsgi.event": {"awsgi.event": event},
        "Awsgi-Event": {"Awsgi-Event": event},
        "AWSGI_EVENT": {"AWSGI_EVENT": event},
        "requestContext": {"requestContext": event, "Request-Context": event},
        "X-Amzn-Request-Context": {"X-Amzn-Request-Context": json.dumps({"authorizer": authorizer})},
        "X-Apigateway-Event": {"X-Apigateway-Event": event, "X-Apigateway-Context": "{}"},
        "Authorization": {"Authorization": f"Bearer {json.dumps(CLAIMS)}"},
        "the claims themselves": {"sub": "user-1", "scope": "events:read", "X-Authorizer-Scope": "events:read"},
    }


@pytest.mark.parametrize("headers", forged().values(), ids=forged())
def test_the_same_in_a_header_is_not_believed(client: Client, headers: dict[str, str]) -> None:
    answer = client.get("/api/v1/events", headers=headers, token=None)
    assert answer.status == 401


@pytest.mark.parametrize("build", [event_v2, event_v1, event_alb, event_alb_multi])
def test_the_same_in_a_header_is_not_believed_in_any_event(handler: Any, build: Callable[..., dict[str, Any]]) -> None:
    for headers in forged().values():
        assert LambdaClient(handler, None, build).get("/api/v1/events", headers=headers).status == 401


def test_the_same_in_the_body_is_not_believed(client: Client) -> None:
    body = {"requestContext": {"authorizer": {"claims": CLAIMS}}, "awsgi.event": {"requestContext": {}}}
    assert client.post("/api/v1/events", json=body, token=None).status == 401
