"""Refresh tokens: made, replaced at each use, revoked. PostgreSQL keeps their hashes only.

A token is `hgr_` and 256 random bits, and what the provider must be given back with it. The hash is of both, so neither
is good with another's other half. Decision: docs/decisions/2026-11-21-refresh-tokens.md.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import uuid

from service.accounts import queries
from service.database import get_database
from service.errors import Conflict, Unauthorized

PREFIX = "hgr_"

log = logging.getLogger(__name__)


class RefusedToken(Unauthorized):
    """A refresh token that is not good, for whatever reason: nobody is told which."""

    def __init__(self) -> None:
        super().__init__("The refresh token is not good any more: sign in again")


class ReusedToken(RefusedToken):
    """A refresh token that has been replaced before. Its family is revoked by now."""


def begin(user_id: str, attached: str = "") -> str:
    """Begin a family of a user; return its first token, with what the provider has attached."""
    token = _make(attached)
    get_database().statement(queries.begin_family, str(uuid.uuid4()), user_id, _hash(token))
    return token


def owner(token: str) -> str:
    """Return the id of the user to whom a token was given. Raises `RefusedToken` where it never was."""
    user_id = get_database().statement(queries.owner, _hash(token))
    if user_id is None:
        raise RefusedToken
    return user_id


def attached_to(token: str) -> str:
    """Return what the provider has attached to a token."""
    return token.partition(".")[2]


def rotate(token: str, attached: str = "") -> str:
    """Replace a token; return the new one.

    Raises `Conflict` where that was done a moment ago, `ReusedToken` where it was done before, or `RefusedToken`.
    """
    new = _make(attached)
    outcome, user_id = get_database().statement(queries.rotate, _hash(token), _hash(new))
    if outcome == "rotated":
        return new
    if outcome == "repeated":
        raise Conflict("This refresh token was replaced a moment ago: use the one that came with that answer")
    if outcome == "reused":
        log.warning("a refresh token was used again: its family is revoked", extra={"userId": user_id})
        raise ReusedToken
    raise RefusedToken


def revoke(user_id: str, token: str) -> bool:
    """Revoke the family of a token; return whether it is one of the user's."""
    return get_database().statement(queries.revoke_family, user_id, _hash(token))


def revoke_all(user_id: str) -> None:
    """Revoke all families of a user."""
    get_database().statement(queries.revoke_families, user_id)


def _make(attached: str) -> str:
    return PREFIX + secrets.token_urlsafe(32) + (f".{attached}" if attached else "")


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
