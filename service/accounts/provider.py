"""Who keeps the accounts: this service itself, or a user pool of Amazon Cognito. The configuration says which."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from flask import current_app

from service.errors import NotFound, Unauthorized


class NewAccount(NamedTuple):
    """A new account, and whether its user may sign in at once."""

    user_id: str
    is_confirmed: bool


class Grant(NamedTuple):
    """What signing in, or a refresh, gives: an access token for some seconds, and a refresh token."""

    user_id: str
    access_token: str
    expires_in: int
    refresh_token: str


class WrongPair(Unauthorized):
    """An address and a password that do not belong together, for whatever reason: nobody is told which."""

    def __init__(self) -> None:
        super().__init__("The e-mail address or the password is wrong")


class Provider(Protocol):
    """What both can do. All raise `ServiceUnavailable` where they cannot do it now."""

    def register(self, email: str, password: str, first_name: str, last_name: str) -> NewAccount:
        """Make an account. Raises `Conflict` where the address is taken, `Invalid` for a password it refuses."""

    def sign_in(self, email: str, password: str) -> Grant:
        """Begin a family of refresh tokens. Raises `WrongPair`, `Forbidden` where a right pair is not enough."""

    def refresh(self, token: str) -> Grant:
        """Replace a refresh token. Raises `Unauthorized`, `Conflict` where that was done a moment ago."""

    def sign_out(self, user_id: str, token: str | None) -> None:
        """Revoke the family of a token where it is the user's, or all of the user's."""

    def admit(self, user_id: str) -> bool:
        """Add the row of a user who has none yet; return whether the request is such a user's."""


def get_provider() -> Provider:
    """Return the provider of the current application. Raises `NotFound` where accounts are kept elsewhere."""
    found: Provider | None = current_app.extensions["accounts"]
    if found is None:
        raise NotFound(f"Accounts are kept by {current_app.config['TOKEN_ISSUER']}")
    return found
