"""Token issuers for tests: keys that sign anything, and a key set over HTTP that misbehaves on request."""

from __future__ import annotations

import contextlib
import json
import threading
import time
import uuid
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm


@cache
def rsa_key(number: int = 0, bits: int = 2048) -> RSAPrivateKey:
    """Return a private key: the same one for the same number."""
    return generate_private_key(public_exponent=65537, key_size=bits)


def jwk(kid: str | None = "key-0", number: int = 0, bits: int = 2048, **members: Any) -> dict[str, Any]:
    """Return a public key as an issuer lists it."""
    public = json.loads(RSAAlgorithm.to_jwk(rsa_key(number, bits).public_key()))
    entry = {"kty": "RSA", "n": public["n"], "e": public["e"], "use": "sig", "alg": "RS256", "kid": kid} | members
    return {name: value for name, value in entry.items() if value is not None}


def sign(claims: dict[str, Any], kid: str | None = "key-0", number: int = 0, bits: int = 2048, **header: Any) -> str:
    """Return a token with these claims, signed with the key of that number."""
    return jwt.encode(claims, rsa_key(number, bits), "RS256", headers={"kid": kid} | header if kid else header or None)


def claims_of(issuer: str, **changes: Any) -> dict[str, Any]:
    """Return claims that a service with this issuer accepts, changed; None takes a claim away."""
    now = int(time.time())
    claims = {
        "iss": issuer,
        "aud": "headgate",
        "sub": "somebody",
        "scope": "events:read events:write",
        "iat": now,
        "exp": now + 600,
        "jti": uuid.uuid4().hex,  # each token is new to the service
    } | changes
    return {name: value for name, value in claims.items() if value is not None}


class Issuer:
    """A key set at `url`. Counts its requests; answers late, wrongly or elsewhere when told to."""

    def __init__(self) -> None:
        self.keys: list[Any] = [jwk()]
        self.requests = 0
        self.delay = 0.0
        self.status = 200
        self.body: bytes | None = None
        self.location: str | None = None
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.requests += 1
                time.sleep(issuer.delay)
                elsewhere = issuer.location is not None and self.path != issuer.location
                body = json.dumps({"keys": issuer.keys}).encode() if issuer.body is None else issuer.body
                self.send_response(302 if elsewhere else issuer.status)
                if elsewhere:
                    self.send_header("Location", str(issuer.location))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(OSError):  # it did not wait
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def token(self, number: int = 0, kid: str | None = "key-0", **changes: Any) -> str:
        """Return a new token of this issuer."""
        return sign(claims_of(self.url, **changes), kid, number)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
