"""Who is signed in. Every route with the access USER asks here for whom it works."""

from __future__ import annotations

import uuid
from typing import NamedTuple

from flask import Flask, current_app

from service.accounts import queries
from service.accounts.provider import Provider
from service.database import get_database
from service.errors import Unauthorized
from service.security import current_principal

MAX_REMEMBERED = 10_000


class User(NamedTuple):
    """A signed-in user: the key of their row in `users`, and of all that is theirs."""

    id: str


def init_app(app: Flask) -> None:
    """Let the process remember users whose row it has seen: the service deletes none."""
    app.extensions["known_users"] = set()


def current_user() -> User:
    """Return whose token the current request bears. A user whom Cognito knows is added with their first request.

    Raises `Unauthorized` where it is no user's.
    """
    try:
        user_id = str(uuid.UUID(current_principal().subject))
    except ValueError:
        raise Unauthorized("The token is of no user") from None
    known: set[str] = current_app.extensions["known_users"]
    if user_id not in known:
        provider: Provider | None = current_app.extensions["accounts"]
        if not get_database().statement(queries.exists, user_id) and not (provider and provider.admit(user_id)):
            raise Unauthorized("The token is of no user")
        if len(known) >= MAX_REMEMBERED:
            known.clear()
        known.add(user_id)
    return User(user_id)
