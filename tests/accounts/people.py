"""People who use accounts: what they send, and what they were given."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.transports import Answer, Client

PASSWORD = "Zebra-crossing-7"


def address() -> str:
    return f"{uuid.uuid4().hex}@example.com"


def newcomer(**changes: Any) -> dict[str, Any]:
    """Return the body of a registration that is accepted, changed; None takes a key away."""
    body = {"email": address(), "password": PASSWORD, "firstName": "Ada", "lastName": "Lovelace"} | changes
    return {name: value for name, value in body.items() if value is not None}


@dataclass
class Member:
    """Somebody who has registered and signed in."""

    id: str
    email: str
    password: str
    access: str
    refresh: str


@dataclass
class Service:
    """A running service, over one transport and with one provider."""

    provider: str
    client: Client
    confirm: Callable[[str], None]

    def register(self, **changes: Any) -> Answer:
        return self.client.post("/auth/register", json=newcomer(**changes), token=None)

    def login(self, email: str, password: str = PASSWORD) -> Answer:
        return self.client.post("/auth/login", json={"email": email, "password": password}, token=None)

    def refresh(self, token: str) -> Answer:
        return self.client.post("/auth/refresh", json={"refreshToken": token}, token=None)

    def logout(self, member: Member, token: str | None = None) -> Answer:
        body = {"refreshToken": token} if token else None
        return self.client.post("/auth/logout", json=body, token=member.access)

    def profile(self, access: str) -> Answer:
        return self.client.get("/users/profile", token=access)

    def join(self, **changes: Any) -> Member:
        """Register, confirm and sign in."""
        body = newcomer(**changes)
        answer = self.register(**body)
        assert answer.status == 201, answer.body
        self.confirm(body["email"])
        return self.member(body["email"], body["password"])

    def member(self, email: str, password: str = PASSWORD) -> Member:
        """Sign in."""
        answer = self.login(email, password)
        assert answer.status == 200, answer.body
        given = answer.json()
        return Member(given["user"]["userId"], email, password, given["accessToken"], given["refreshToken"])
