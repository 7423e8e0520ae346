"""What the routes of accounts take and answer."""

from __future__ import annotations

from marshmallow import Schema, fields

from service.accounts.fields import Email, NewPassword, PersonName, Phone, TimeZone
from service.validation import StrictSchema, Text


class Registration(StrictSchema):
    """Who wants an account."""

    email = Email(required=True)
    password = NewPassword(required=True)
    firstName = PersonName(required=True)
    lastName = PersonName(required=True)


class Registered(Schema):
    """The account that was made."""

    userId = fields.UUID(required=True)
    email = fields.String(required=True)
    message = fields.String(required=True)


class Credentials(StrictSchema):
    """Who signs in."""

    email = Email(required=True)
    password = Text(required=True, limit=256)


class RefreshToken(StrictSchema):
    """A refresh token, as signing in or the last refresh gave it."""

    refreshToken = Text(required=True, limit=8000)


class SignOut(StrictSchema):
    """What ends: with a refresh token what follows from it, without one everything of the user."""

    refreshToken = Text(limit=8000)


class Profile(Schema):
    """A user. Names may be missing where Amazon Cognito keeps the accounts."""

    userId = fields.UUID(required=True)
    email = fields.String(required=True)
    firstName = fields.String(required=True, allow_none=True)
    lastName = fields.String(required=True, allow_none=True)
    timezone = fields.String(required=True)
    phone = fields.String(required=True, allow_none=True)
    createdAt = fields.DateTime(required=True)
    updatedAt = fields.DateTime(required=True)


class ProfileInput(StrictSchema):
    """What a user says of themselves. It replaces what was there."""

    firstName = PersonName(required=True)
    lastName = PersonName(required=True)
    timezone = TimeZone(required=True)
    phone = Phone(load_default=None, allow_none=True)


class Tokens(Schema):
    """A new access token, and the refresh token that replaces the one before it."""

    accessToken = fields.String(required=True)
    refreshToken = fields.String(required=True)
    tokenType = fields.String(required=True)
    expiresIn = fields.Integer(required=True)


class SignedIn(Tokens):
    """An access token for `expiresIn` seconds, a refresh token for the next one, and whose they are."""

    user = fields.Nested(Profile, required=True)


class PublicKey(Schema):
    """A public key (RFC 7517)."""

    kty = fields.String(required=True)
    n = fields.String(required=True)
    e = fields.String(required=True)
    kid = fields.String(required=True)
    use = fields.String(required=True)
    alg = fields.String(required=True)


class PublicKeys(Schema):
    """The keys that verify the access tokens of this service."""

    keys = fields.List(fields.Nested(PublicKey), required=True)
