"""JWT authorizers of HTTP APIs: signature, issuer, times, audience, and the scopes of the route."""

from __future__ import annotations

import http.client
import json
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

import jwt

_BEARER = "bearer "


class NotAuthorized(Exception):
    """What API Gateway answers instead of invoking; `challenge` is its header WWW-Authenticate."""

    def __init__(self, status: int, message: str, challenge: str) -> None:
        super().__init__(message)
        self.status, self.challenge = status, challenge


class Authorizers:
    """Checks tokens against the keys that their issuers publish, which here is moto for all of them."""

    def __init__(self, moto: str) -> None:
        self._moto = urlsplit(moto).netloc

    def check(self, authorizer: dict[str, Any], scopes: list[str], headers: Message) -> dict[str, Any]:
        """Return what the function is told of a request's token. Raises `NotAuthorized`."""
        assert authorizer["IdentitySource"] == ["$request.header.Authorization"], authorizer
        told = headers.get("Authorization", "")
        token = told[len(_BEARER) :] if told.lower().startswith(_BEARER) else told
        if not token:
            raise NotAuthorized(401, "Unauthorized", "Bearer")
        claims = self._claims(token.strip(), authorizer["JwtConfiguration"])
        granted = str(claims.get("scope") or claims.get("scp") or "").split()
        if scopes and set(scopes).isdisjoint(granted):
            challenge = f'Bearer scope="{" ".join(scopes)}" error="insufficient_scope"'
            raise NotAuthorized(403, "Forbidden", challenge)
        # Claims are texts in the event, whatever they are in the token.
        texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in claims.items()}
        return {"claims": texts, "scopes": scopes or None}

    def _claims(self, token: str, configuration: dict[str, Any]) -> dict[str, Any]:
        issuer = configuration["Issuer"]
        try:
            key = next(
                key for key in self._keys(issuer).keys if key.key_id == jwt.get_unverified_header(token).get("kid")
            )
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                issuer=issuer,
                options={"require": ["exp", "iss"], "verify_aud": False},
            )
        except (jwt.PyJWTError, StopIteration, ValueError) as error:
            raise NotAuthorized(401, "Unauthorized", f'Bearer error="invalid_token" ({error})') from None
        audience = claims.get("aud", claims.get("client_id"))
        if set(audience if isinstance(audience, list) else [audience]).isdisjoint(configuration["Audience"]):
            raise NotAuthorized(401, "Unauthorized", 'Bearer error="invalid_token" (audience)')
        return claims

    def _keys(self, issuer: str) -> jwt.PyJWKSet:
        parts = urlsplit(issuer)
        connection = http.client.HTTPConnection(self._moto, timeout=10)
        try:
            connection.request("GET", f"{parts.path}/.well-known/jwks.json", headers={"Host": parts.netloc})
            return jwt.PyJWKSet.from_dict(json.load(connection.getresponse()))
        finally:
            connection.close()
