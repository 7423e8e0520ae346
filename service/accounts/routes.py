"""Accounts: registering, signing in and out, one's own profile; and the keys that verify the tokens."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Flask, Response, current_app, jsonify, request
from psycopg2.errors import InvalidParameterValue

from service import inputs
from service.accounts import attempts, queries
from service.accounts.cognito import CognitoAccounts
from service.accounts.local import LocalAccounts
from service.accounts.provider import Grant, Provider, get_provider
from service.accounts.schemas import (
    Credentials,
    Profile,
    ProfileInput,
    PublicKeys,
    RefreshToken,
    Registered,
    Registration,
    SignedIn,
    SignOut,
    Tokens,
)
from service.accounts.users import current_user
from service.answers import as_json
from service.config import Config, ConfigError
from service.database import get_database
from service.errors import Invalid, NotFound, ServiceUnavailable, violation
from service.operations import PUBLIC, USER, Answer, Throttle, operation
from service.security.issuer import OwnIssuer

SELDOM = Throttle(rate=5, burst=10)
ELSEWHERE = "Accounts are kept by another issuer, which the message names."
CREDENTIALS = {"email": "ada@example.com", "password": "Engine-No-1843"}
NEVER_KEPT = {"Cache-Control": "no-store"}  # RFC 6749: no cache keeps an answer with tokens

accounts = Blueprint("accounts", __name__)


def init_app(app: Flask, config: Config) -> None:
    """Choose who keeps the accounts, and add the routes."""
    app.extensions["accounts"] = _choose(config)
    app.extensions["own_issuer"] = OwnIssuer(config)
    app.config["TOKEN_ISSUER"] = config.tokens.issuer
    app.config["TOKEN_KEYS_URL"] = config.tokens.jwks_url
    app.register_blueprint(accounts)


def _choose(config: Config) -> Provider | None:
    """Return the provider, None where tokens come from another issuer that is no user pool."""
    if config.cognito:
        return CognitoAccounts(config.cognito, config.deadline_seconds)
    return None if config.tokens.issuer else LocalAccounts(config)


@accounts.post("/auth/register")
@operation(
    PUBLIC,
    throttle=SELDOM,
    body=Registration,
    example={**CREDENTIALS, "firstName": "Ada", "lastName": "Lovelace"},
    answers={201: Registered},
    errors={404: ELSEWHERE, 409: "An account with this email exists."},
)
def register() -> tuple[Response, int]:
    """Make an account."""
    keeper, body = get_provider(), inputs.body()
    made = keeper.register(body["email"], body["password"], body["firstName"], body["lastName"])
    todo = "you can sign in now" if made.is_confirmed else "confirm the e-mail address as the message to it says"
    return jsonify(userId=made.user_id, email=body["email"], message=f"The account is made: {todo}"), 201


@accounts.post("/auth/login")
@operation(
    PUBLIC,
    throttle=SELDOM,
    body=Credentials,
    example=CREDENTIALS,
    answers={200: SignedIn},
    errors={
        401: "The address and the password do not belong together, for whatever reason.",
        403: "The pair is right, and the account must be confirmed or wants another step.",
        404: ELSEWHERE,
        429: "Ten attempts have failed in 15 minutes, on this account or from this address.",
    },
)
def sign_in() -> tuple[Response, int, dict[str, str]]:
    """Sign in with address and password."""
    keeper, body = get_provider(), inputs.body()
    with attempts.reserved(body["email"], request.remote_addr):
        grant = keeper.sign_in(body["email"], body["password"])
    user = get_database().statement(queries.profile, grant.user_id)
    return jsonify(**_tokens(grant), user=json.loads(user)), 200, NEVER_KEPT


@accounts.post("/auth/refresh")
@operation(
    PUBLIC,
    throttle=Throttle(rate=20, burst=40),
    body=RefreshToken,
    example={"refreshToken": "hgr_fC0dGxvPFQGoYoZ9bqFBO5ZBzDz2Xo4cVqTnJk0eH1s"},
    answers={200: Tokens},
    errors={
        401: "The refresh token is not good any more. Where it had been replaced, its whole family is revoked now.",
        404: ELSEWHERE,
        409: "The refresh token was replaced a moment ago, by a request that was sent twice.",
    },
)
def refresh() -> tuple[Response, int, dict[str, str]]:
    """Replace a refresh token, for a new access token."""
    keeper, body = get_provider(), inputs.body()
    return jsonify(_tokens(keeper.refresh(body["refreshToken"]))), 200, NEVER_KEPT


def _tokens(grant: Grant) -> dict[str, Any]:
    return {
        "accessToken": grant.access_token,
        "refreshToken": grant.refresh_token,
        "tokenType": "Bearer",
        "expiresIn": grant.expires_in,
    }


@accounts.post("/auth/logout")
@operation(
    USER,
    body=SignOut,
    is_body_optional=True,
    example={"refreshToken": "hgr_fC0dGxvPFQGoYoZ9bqFBO5ZBzDz2Xo4cVqTnJk0eH1s"},
    answers={204: Answer(description="Signed out. Access tokens are good until they expire.")},
    errors={404: ELSEWHERE},
)
def sign_out() -> tuple[str, int]:
    """Revoke what follows from a refresh token, or from all of the user's."""
    keeper, body = get_provider(), inputs.body()
    keeper.sign_out(current_user().id, body.get("refreshToken"))
    return "", 204


@accounts.get("/users/profile")
@operation(USER, answers={200: Profile})
def show() -> Response:
    """Return one's own profile."""
    user_id = current_user().id
    return as_json(get_database().statement(queries.profile, user_id), "The user does not exist")


@accounts.put("/users/profile")
@operation(
    USER,
    body=ProfileInput,
    example={"firstName": "Ada", "lastName": "Lovelace", "timezone": "Europe/London", "phone": "+442071234567"},
    answers={200: Profile},
)
def replace() -> Response:
    """Replace one's own profile."""
    user_id, body = current_user().id, inputs.body()
    try:
        return as_json(get_database().statement(queries.replace_profile, user_id, body), "The user does not exist")
    except InvalidParameterValue:
        raise Invalid([violation("timezone", "Is newer than the database, which does not know it")]) from None


@accounts.get("/.well-known/jwks.json")
@operation(PUBLIC, answers={200: PublicKeys}, errors={404: "The keys are another issuer's; the message names where."})
def list_keys() -> Response:
    """Return the keys that verify the access tokens of this service."""
    if url := current_app.config["TOKEN_KEYS_URL"]:
        raise NotFound(f"Tokens are signed by another issuer. Its keys are at {url}")
    issuer: OwnIssuer = current_app.extensions["own_issuer"]
    try:
        return jsonify(issuer.public_keys())
    except ConfigError as error:
        raise ServiceUnavailable(reason=str(error)) from None
