"""Verification of Bearer tokens (RFC 7519, RS256) where no API Gateway has done it.

PyJWT and cryptography are imported with the first token, not with the service: behind API Gateway none arrives here.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from service.config import Config
from service.errors import Unauthorized
from service.security import keys
from service.security.issuer import OwnIssuer

LEEWAY_SECONDS = 30
MAX_REMEMBERED = 1024
MAX_TOKEN_LENGTH = 8000  # gunicorn refuses a header of 8190 bytes


class Verifier:
    """Tells the claims of a token, or refuses it. Remembers tokens whose signature it has checked."""

    def __init__(self, config: Config) -> None:
        own = OwnIssuer(config)
        self._issuer = config.tokens.issuer or own.name
        self._audiences = frozenset(config.tokens.audiences)
        self._keys = keys.Keys(
            partial(keys.fetch, str(config.tokens.jwks_url)) if config.tokens.issuer else own.public_keys
        )

    def verify(self, token: str) -> dict[str, Any]:
        """Return the claims of a valid token. Raises `Unauthorized`, `ServiceUnavailable` where no key can be had."""
        verified = self._keys.known().verified
        claims = verified.get(token)
        if claims is None:
            claims = self._check(token)
            if len(verified) >= MAX_REMEMBERED:
                verified.clear()
            verified[token] = claims
        elif claims["exp"] <= time.time() - LEEWAY_SECONDS:
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
                self._keys.find(str(header.get("kid", ""))),
                algorithms=["RS256"],
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={
                    "require": ["exp", "iss", "sub"],
                    "verify_aud": False,  # below: PyJWT knows no client_id
                    "enforce_minimum_key_length": True,
                },
            )
        except jwt.ExpiredSignatureError:
            raise Unauthorized("The token has expired") from None
        except jwt.ImmatureSignatureError:
            raise Unauthorized("The token is not valid yet") from None
        except jwt.InvalidIssuerError:
            raise Unauthorized("The token is of another issuer") from None
        except jwt.MissingRequiredClaimError as error:
            raise Unauthorized(f"The token has no claim {error.claim}") from None
        except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError):
            raise Unauthorized("The token is not valid") from None
        if type(claims["exp"]) not in (int, float):
            raise Unauthorized("The claim exp of the token must be a number")
        if self._audiences.isdisjoint(_audiences_of(claims)):
            raise Unauthorized("The token is for another audience")
        return claims


def _audiences_of(claims: dict[str, Any]) -> list[str]:
    # Cognito's access tokens name the client in place of an audience.
    audience = claims.get("aud", claims.get("client_id"))
    return [name for name in (audience if isinstance(audience, list) else [audience]) if isinstance(name, str)]
