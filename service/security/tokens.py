"""Verification of Bearer tokens (RFC 7519, RS256) where no API Gateway has done it.

PyJWT and cryptography are imported with the first token, not with the service: behind API Gateway none arrives here.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from service import deadline
from service.config import Config
from service.errors import ServiceUnavailable, Unauthorized
from service.security.issuer import OwnIssuer

if TYPE_CHECKING:
    from jwt import PyJWK

LEEWAY_SECONDS = 30
REFRESH_SECONDS = 60  # an unknown key id asks the issuer at most this often
KEEP_SECONDS = 3600  # a key that the issuer has withdrawn is refused after this time
FETCH_SECONDS = 2.0
MAX_REMEMBERED = 1024
MAX_TOKEN_LENGTH = 16 * 1024

log = logging.getLogger(__name__)


class Verifier:
    """Tells the claims of a token, or refuses it. Remembers tokens whose signature it has checked."""

    def __init__(self, config: Config) -> None:
        self._tokens = config.tokens
        self._own = OwnIssuer(config) if config.tokens.issuer is None else None
        self._keys: dict[str, PyJWK] = {}
        self._fetched_at = float("-inf")
        self._asked_at = float("-inf")
        self._lock = threading.Lock()
        self._remembered: dict[str, dict[str, Any]] = {}

    def verify(self, token: str) -> dict[str, Any]:
        """Return the claims of a valid token. Raises `Unauthorized`; `ServiceUnavailable` when the keys cannot be had."""
        claims = self._remembered.get(token)
        if claims is None or time.monotonic() - self._fetched_at > KEEP_SECONDS:
            claims = self._check(token)
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[token] = claims
        elif claims["exp"] < time.time() - LEEWAY_SECONDS:
            raise Unauthorized("The token has expired")
        return claims

    def _check(self, token: str) -> dict[str, Any]:
        import jwt

        if len(token) > MAX_TOKEN_LENGTH:
            raise Unauthorized("The token is too long")
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") != "RS256":
                raise Unauthorized("The token must be signed with RS256")
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key(str(header.get("kid", ""))),
                algorithms=["RS256"],
                issuer=self._own.name if self._own else self._tokens.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "sub"], "verify_aud": False},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthorized("The token has expired") from None
        except jwt.ImmatureSignatureError:
            raise Unauthorized("The token is not valid yet") from None
        except jwt.InvalidIssuerError:
            raise Unauthorized("The token is of another issuer") from None
        except jwt.MissingRequiredClaimError as error:
            raise Unauthorized(f"The token has no claim {error.claim}") from None
        except (jwt.PyJWTError, ValueError, TypeError):
            raise Unauthorized("The token is not valid") from None
        # Cognito's access tokens name the client in place of an audience.
        audience = claims.get("aud", claims.get("client_id"))
        if not set(self._tokens.audiences) & set([audience] if isinstance(audience, str) else audience or ()):
            raise Unauthorized("The token is for another audience")
        return claims

    def _key(self, key_id: str) -> PyJWK:
        with self._lock:
            now = time.monotonic()
            is_stale = now - self._fetched_at > KEEP_SECONDS
            if (is_stale or key_id not in self._keys) and now - self._asked_at > REFRESH_SECONDS:
                self._asked_at = now
                self._refresh()
            if key_id in self._keys:
                return self._keys[key_id]
            if not self._keys:
                raise ServiceUnavailable(reason="the keys of the token issuer cannot be read")
        raise Unauthorized("The token is signed with an unknown key")

    def _refresh(self) -> None:
        import jwt

        try:
            keys = self._own.public_keys() if self._own else self._fetch()
            found = {key.key_id: key for key in jwt.PyJWKSet.from_dict(keys).keys if key.key_id}
        except (OSError, ValueError, jwt.PyJWTError) as error:  # requests' errors are OSErrors
            log.error("the keys of the token issuer cannot be read", extra={"reason": type(error).__name__})
            if not self._keys:
                self._asked_at = float("-inf")  # nothing works without keys: the next request asks again
            return
        self._keys = found
        self._fetched_at = time.monotonic()
        self._remembered.clear()

    def _fetch(self) -> dict[str, Any]:
        import requests

        answer = requests.get(
            str(self._tokens.jwks_url),
            timeout=max(0.1, min(FETCH_SECONDS, deadline.remaining())),
            allow_redirects=False,
        )
        answer.raise_for_status()
        keys: dict[str, Any] = answer.json()
        return keys
