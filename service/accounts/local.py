"""Accounts that this service keeps: users and passwords in PostgreSQL, tokens signed with its own key."""

from __future__ import annotations

import uuid

from psycopg2.errors import UniqueViolation

from service.accounts import queries, refresh_tokens
from service.accounts.passwords import Passwords
from service.accounts.provider import Grant, NewAccount, WrongPair
from service.config import Config, ConfigError
from service.database import get_database
from service.errors import Conflict, ServiceUnavailable
from service.security.issuer import OwnIssuer

ACCESS_SECONDS = 3600


class LocalAccounts:
    """The provider where neither Cognito nor another issuer is configured."""

    def __init__(self, config: Config) -> None:
        self._issuer = OwnIssuer(config)
        self._scope = config.tokens.user_scope
        self._passwords = Passwords()

    def register(self, email: str, password: str, first_name: str, last_name: str) -> NewAccount:
        """Make an account. Raises `Conflict` where the address is taken."""
        user_id = str(uuid.uuid4())
        hashed = self._passwords.hash(password)
        try:
            get_database().statement(queries.register, user_id, email, hashed, first_name, last_name)
        except UniqueViolation as error:
            if error.diag.constraint_name != "users_email":
                raise
            raise Conflict("An account with this email exists") from None
        return NewAccount(user_id, is_confirmed=True)

    def sign_in(self, email: str, password: str) -> Grant:
        """Begin a family of refresh tokens. Raises `WrongPair`, as late for an unknown address as for a known one."""
        user_id, stored = get_database().statement(queries.credentials, email)
        is_right = self._passwords.verify(password, stored)
        if not (is_right and user_id and stored):
            raise WrongPair
        if self._passwords.is_outdated(stored):
            hashed = self._passwords.hash(password)
            get_database().statement(queries.replace_password_hash, user_id, stored, hashed)
        access_token = self._issue(user_id)
        return Grant(user_id, access_token, ACCESS_SECONDS, refresh_tokens.begin(user_id))

    def refresh(self, token: str) -> Grant:
        """Replace a refresh token. Raises `Unauthorized`, `Conflict` where that was done a moment ago.

        That is the last step: where another fails, the client still has a token that is good.
        """
        user_id = refresh_tokens.owner(token)
        access_token = self._issue(user_id)
        return Grant(user_id, access_token, ACCESS_SECONDS, refresh_tokens.rotate(token))

    def sign_out(self, user_id: str, token: str | None) -> None:
        """Revoke the family of a token where it is the user's, or all of the user's."""
        if token:
            refresh_tokens.revoke(user_id, token)
        else:
            refresh_tokens.revoke_all(user_id)

    def admit(self, user_id: str) -> bool:
        """Admit nobody: here a user has a row from the beginning."""
        return False

    def _issue(self, user_id: str) -> str:
        try:
            return self._issuer.issue(user_id, [self._scope], ACCESS_SECONDS)
        except ConfigError as error:
            raise ServiceUnavailable(reason=str(error)) from None
