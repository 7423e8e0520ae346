"""What a released environment has to do, asked through its gateway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.accounts.people import Service
from tests.rehearsal import delivery
from tests.rehearsal.caller import Caller
from tests.rehearsal.environment import Environment
from tests.rehearsal.outcome import check
from tests.transports import Answer

GOAL = {
    "title": "Run every week",
    "category": "fitness",
    "goalPattern": "recurring",
    "target": {"metric": "distance", "value": 10, "unit": "km", "period": "week"},
}


def expect(answer: Answer, status: int, what: str) -> Any:
    """Return the content of an answer that has a status, or fail."""
    check(answer.status == status, f"{what}: {answer.status}, not {status}", answer.body[:500])
    return answer.json() if answer.body else None


def event(entity: str) -> dict[str, Any]:
    """Return the body of an event about an entity."""
    at = "2026-01-15T10:30:00Z"
    return {
        "eventHeader": {"eventName": "Car Created", "eventType": "CarCreated"},
        "entities": [
            {
                "entityHeader": {"entityId": entity, "entityType": "Car", "createdAt": at, "updatedAt": at},
                "id": entity,
                "make": "Tesla",
                "model": "Model S",
            }
        ],
    }


def requests(environment: Environment) -> Iterator[str]:
    """Who may call, and who may not."""
    identity = environment.outputs("foundation")["identity"]
    smoke = identity["smoke_client_id"]
    caller = environment.caller(environment.url)
    yield admits(caller, environment.token(smoke, "platform:read"), environment.token(smoke, "items:read"))
    if partners := identity["partner_client_ids"]:
        token = environment.token(next(iter(partners.values())), "events:read", "events:write")
        yield stores_events(caller, token)
    yield keeps_people(environment, caller, identity["user_pool_id"])


def admits(caller: Caller, token: str, other: str) -> str:
    """See that a protected route lets in who may, and nobody else."""
    unauthorized = expect(caller.get("/api/aws-info"), 401, "without a token")
    check(unauthorized == {"message": "Unauthorized"}, "API Gateway refuses it, not the function", unauthorized)
    tampered = expect(caller.get("/api/aws-info", token=token[:-8] + "AAAAAAAA"), 401, "with a signature that is wrong")
    check(tampered == {"message": "Unauthorized"}, "API Gateway refuses it, not the function", tampered)
    forbidden = expect(caller.get("/api/aws-info", token=other), 403, "with another scope")
    check(forbidden == {"message": "Forbidden"}, "API Gateway refuses it, not the function", forbidden)
    expect(caller.get("/api/aws-info", token=token), 200, "with the scope")
    missing = expect(caller.get("/api/no-such-route"), 404, "a route that is none")
    check(missing == {"message": "Not Found"}, "API Gateway refuses it, not the function", missing)
    return "401 without a token, 403 with another scope, 200 with the right one"


def stores_events(caller: Caller, token: str) -> str:
    """Send an event, and read its entity."""
    entity = f"CAR-{delivery.marker()}"
    expect(caller.post("/api/v1/events", json=event(entity), token=token), 200, "an event is sent")
    found = expect(caller.get(f"/api/v1/entities/Car/{entity}", token=token), 200, "its entity is read")
    check(entity in str(found), "the entity is the one of the event", found)
    return "an event stored and read back"


def keeps_people(environment: Environment, caller: Caller, pool: str) -> str:
    """Register somebody with Cognito, sign them in, and keep a goal of theirs."""
    cognito = environment.cloud.client("cognito-idp")
    service = Service("cognito", caller, lambda email: cognito.admin_confirm_sign_up(UserPoolId=pool, Username=email))
    answer = service.register(email="ada@rehearsal.example.com")
    expect(answer, 201, "somebody registers")
    service.confirm("ada@rehearsal.example.com")
    signed_in = expect(service.login("ada@rehearsal.example.com"), 200, "they sign in")
    expect(caller.get("/goals"), 401, "their goals are asked for by nobody")
    made = expect(caller.post("/goals", json=GOAL, token=signed_in["accessToken"]), 201, "they keep a goal")
    found = expect(caller.get("/goals", token=signed_in["accessToken"]), 200, "they read their goals")
    check(str(made) and made["title"] in str(found), "the goal is among them", found)
    return "a person registered, signed in, and kept a goal"
