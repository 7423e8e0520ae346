"""Accounts that a user pool of Amazon Cognito keeps.

Access tokens are the pool's. Its refresh tokens are good until they expire, however often they are used; ours are
replaced at each use, and carry the pool's within: `hgr_<random>.<user name>.<refresh token of the pool>`.
"""

from __future__ import annotations

import base64
import logging

from psycopg2.errors import UniqueViolation

from service.accounts import queries, refresh_tokens
from service.accounts.provider import Grant, NewAccount, WrongPair
from service.accounts.refresh_tokens import RefusedToken, ReusedToken
from service.accounts.user_pool import UserPool
from service.config import CognitoConfig
from service.database import get_database
from service.errors import Conflict, Forbidden, Invalid, Unauthorized, violation
from service.security import bearer_token

MAX_EMAIL = 254
MAX_NAME = 50

log = logging.getLogger(__name__)


class CognitoAccounts:
    """The provider where `COGNITO_USER_POOL_ID` is configured. Safe to share between threads."""

    def __init__(self, config: CognitoConfig, deadline_seconds: float) -> None:
        self._pool = UserPool(config, deadline_seconds)

    def register(self, email: str, password: str, first_name: str, last_name: str) -> NewAccount:
        """Make an account in the pool. Its row follows when it is used first: an address may never be confirmed.

        Raises `Conflict` where the address is taken, `Invalid` for what the pool refuses.
        """
        email = email.lower()  # a pool may tell cases apart
        names = {"email": email, "given_name": first_name, "family_name": last_name}
        taken = Conflict("An account with this email exists")
        refused = Invalid([violation("", "The user pool refuses this registration")])
        answer = self._pool.call(
            "sign_up",
            {
                "UsernameExistsException": taken,
                "AliasExistsException": taken,
                "InvalidPasswordException": Invalid(
                    [violation("password", "Must meet the password policy of the user pool")]
                ),
                "InvalidParameterException": refused,
                "UserLambdaValidationException": refused,
            },
            ClientId=self._pool.client_id,
            Username=email,
            Password=password,
            UserAttributes=[{"Name": name, "Value": value} for name, value in names.items()],
            **self._pool.proof("SecretHash", email),
        )
        return NewAccount(answer["UserSub"], answer["UserConfirmed"])

    def sign_in(self, email: str, password: str) -> Grant:
        """Begin a family of refresh tokens. Raises `WrongPair`, `Forbidden` where the pool wants more than a pair."""
        email = email.lower()
        answer = self._pool.call(
            "initiate_auth",
            {
                "NotAuthorizedException": WrongPair(),
                "UserNotFoundException": WrongPair(),
                "PasswordResetRequiredException": WrongPair(),
                "UserNotConfirmedException": Forbidden("The account must be confirmed before its user can sign in"),
            },
            ClientId=self._pool.client_id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": email, "PASSWORD": password, **self._pool.proof("SECRET_HASH", email)},
        )
        if "AuthenticationResult" not in answer:
            challenge = answer.get("ChallengeName")
            raise Forbidden(f"Signing in to this account needs another step, which is not to be had here ({challenge})")
        granted = answer["AuthenticationResult"]
        user_id, username = self._admit(granted["AccessToken"])
        token = refresh_tokens.begin(user_id, f"{_encode(username)}.{granted['RefreshToken']}")
        return Grant(user_id, granted["AccessToken"], granted["ExpiresIn"], token)

    def refresh(self, token: str) -> Grant:
        """Replace a refresh token. Raises `Unauthorized`, `Conflict` where that was done a moment ago.

        The pool is asked first: where it does not answer, the client still has a token that is good.
        """
        user_id = refresh_tokens.owner(token)
        encoded_name, _, kept = refresh_tokens.attached_to(token).partition(".")
        if not kept:  # given by the service itself, before there was a pool
            raise RefusedToken
        proof = self._pool.proof("SECRET_HASH", _decode(encoded_name))
        answer = self._pool.call(
            "initiate_auth",
            {"NotAuthorizedException": RefusedToken(), "UserNotFoundException": RefusedToken()},
            ClientId=self._pool.client_id,
            AuthFlow="REFRESH_TOKEN_AUTH",
            AuthParameters={"REFRESH_TOKEN": kept, **proof},
        )
        granted = answer["AuthenticationResult"]
        try:
            new = refresh_tokens.rotate(token, f"{encoded_name}.{granted.get('RefreshToken', kept)}")
        except ReusedToken:
            self._revoke(kept)
            raise
        return Grant(user_id, granted["AccessToken"], granted["ExpiresIn"], new)

    def sign_out(self, user_id: str, token: str | None) -> None:
        """Revoke the family of a token where it is the user's, or all of the user's; in the pool too."""
        if token is None:
            refresh_tokens.revoke_all(user_id)
            done = {"NotAuthorizedException": None}  # by an earlier request
            self._pool.call("global_sign_out", done, AccessToken=bearer_token())
        elif refresh_tokens.revoke(user_id, token) and (kept := refresh_tokens.attached_to(token).partition(".")[2]):
            self._revoke(kept)

    def admit(self, user_id: str) -> bool:
        """Add the row of a user whose token the request bears; return whether it is that user's."""
        return self._admit(bearer_token())[0] == user_id

    def _admit(self, access_token: str) -> tuple[str, str]:
        """Add the row of whom an access token is, or follow a change of their address; return id and user name."""
        refused = Unauthorized("The token is of no user")
        found = self._pool.call(
            "get_user",
            {"NotAuthorizedException": refused, "UserNotFoundException": refused},
            AccessToken=access_token,
        )
        attributes = {attribute["Name"]: attribute["Value"] for attribute in found["UserAttributes"]}
        email = attributes.get("email", "")
        if not 3 <= len(email) <= MAX_EMAIL:
            raise Forbidden("The account has no e-mail address")
        names = [attributes.get(name, "")[:MAX_NAME] or None for name in ("given_name", "family_name")]
        try:
            get_database().statement(queries.admit, attributes["sub"], email, *names)
        except UniqueViolation as error:
            if error.diag.constraint_name != "users_email":
                raise
            log.warning("a user cannot be admitted: another has the address", extra={"userId": attributes["sub"]})
            raise Forbidden("Another account here has this e-mail address") from None
        return attributes["sub"], found["Username"]

    def _revoke(self, kept: str) -> None:
        off = {"UnsupportedOperationException": None, "UnsupportedTokenTypeException": None}  # for this client
        self._pool.call("revoke_token", off, Token=kept, ClientId=self._pool.client_id, **self._pool.secret())


def _encode(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(text: str) -> str:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
