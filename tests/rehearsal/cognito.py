"""Cognito's token endpoint, for clients that are no persons. What a client may moto tells; its pool's key signs."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import time
import uuid
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote

import jwt
from botocore.exceptions import ClientError
from moto.utilities.utils import load_resource

from tests.rehearsal import aws
from tests.rehearsal.serving import Request, Response

SUFFIX = f".auth.{aws.REGION}.amazoncognito.com"
KEY_ID = "dummy"  # as moto's JWKS calls the key of every pool


class RefusedGrant(Exception):
    """What the endpoint answers instead of a token: a code of RFC 6749."""


class TokenEndpoint:
    """Answers `POST /oauth2/token` of the domains of user pools."""

    def __init__(self, moto: str) -> None:
        self._cognito = aws.client("cognito-idp", moto)

    def answer(self, domain: str, request: Request) -> Response:
        """Answer a request to a domain, which is told without what AWS puts behind it."""
        if (request.method, request.target) != ("POST", "/oauth2/token"):
            return _json(404, {"error": "not_found"})
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        try:
            return _json(200, self._grant(domain, form, request.headers.get("Authorization", "")))
        except RefusedGrant as refused:
            return _json(400, {"error": str(refused)})

    def _grant(self, domain: str, form: dict[str, str], authorization: str) -> dict[str, Any]:
        if form.get("grant_type") != "client_credentials":
            raise RefusedGrant("unsupported_grant_type")
        pool = self._cognito.describe_user_pool_domain(Domain=domain)["DomainDescription"].get("UserPoolId")
        client_id, secret = _credentials(form, authorization)
        client = self._client(pool, client_id)
        if not hmac.compare_digest(client.get("ClientSecret", "").encode(), secret.encode()) or not secret:
            raise RefusedGrant("invalid_client")
        if "client_credentials" not in client.get("AllowedOAuthFlows", []):
            raise RefusedGrant("unauthorized_client")
        allowed = client.get("AllowedOAuthScopes", [])
        scopes = form["scope"].split() if form.get("scope") else allowed
        if not set(scopes) <= set(allowed):
            raise RefusedGrant("invalid_scope")
        seconds = 3600
        return {"access_token": sign(pool, client_id, scopes, seconds), "expires_in": seconds, "token_type": "Bearer"}

    def _client(self, pool: str | None, client_id: str) -> dict[str, Any]:
        try:
            found = self._cognito.describe_user_pool_client(UserPoolId=pool or "none", ClientId=client_id)
        except ClientError:
            raise RefusedGrant("invalid_client") from None
        return dict(found["UserPoolClient"])


def sign(pool: str, client_id: str, scopes: list[str], seconds: int, /, **others: Any) -> str:
    """Return an access token of a client of a pool. `others` are claims that differ."""
    now = int(time.time())
    claims = {
        "sub": client_id,
        "token_use": "access",
        "scope": " ".join(scopes),
        "auth_time": now,
        "iss": f"https://cognito-idp.{pool.partition('_')[0]}.amazonaws.com/{pool}",
        "exp": now + seconds,
        "iat": now,
        "version": 2,
        "jti": str(uuid.uuid4()),
        "client_id": client_id,
    }
    return jwt.encode(claims | others, _key(), algorithm="RS256", headers={"kid": KEY_ID})


@cache
def _key() -> Any:
    return jwt.algorithms.RSAAlgorithm.from_jwk(load_resource("cognitoidp/resources/jwks-private.json"))


def _credentials(form: dict[str, str], authorization: str) -> tuple[str, str]:
    kind, _, encoded = authorization.partition(" ")
    if kind.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise RefusedGrant("invalid_client") from None
    return unquote(name), unquote(secret)


def _json(status: int, content: dict[str, Any]) -> Response:
    headers = [("Content-Type", "application/json;charset=UTF-8"), ("Cache-Control", "no-store")]
    return Response(status, headers, json.dumps(content).encode())
