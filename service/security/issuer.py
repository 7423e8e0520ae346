"""The service as its own issuer: an RS256 key that is made at first use and kept with the data."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.config import Config, ConfigError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

KEY_FILE = "issuer-key.pem"
KEY_BITS = 2048


class OwnIssuer:
    """Issues tokens, and gives the key to verify them with. Both raise `ConfigError` where the key cannot be had."""

    name = "headgate"

    def __init__(self, config: Config) -> None:
        self._path = config.data_dir / KEY_FILE
        self._audience = config.tokens.audiences[0]

    def issue(self, subject: str, scopes: Iterable[str], seconds: int) -> str:
        """Return a token for `subject` that grants `scopes` and expires after `seconds`."""
        import jwt

        now = int(time.time())
        claims = {
            "iss": self.name,
            "aud": self._audience,
            "sub": subject,
            "scope": " ".join(scopes),
            "iat": now,
            "exp": now + seconds,
        }
        key = self._key()
        return jwt.encode(claims, key, algorithm="RS256", headers={"kid": _public_jwk(key)["kid"]})

    def public_keys(self) -> dict[str, Any]:
        """Return the JSON Web Key Set that verifies the tokens (RFC 7517)."""
        return {"keys": [_public_jwk(self._key())]}

    def _key(self) -> RSAPrivateKey:
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

        try:
            if not self._path.exists():
                _make_key(self._path)
            key = _read_key(self._path.read_bytes())
        except OSError as error:
            raise ConfigError(
                f"The key that signs tokens cannot be kept in {self._path} ({error.strerror}):"
                " set DATA_DIR to a directory that the service may write to, or TOKEN_ISSUER"
            ) from None
        if not isinstance(key, RSAPrivateKey):
            raise ConfigError(
                f"{self._path} holds no RSA private key: restore it, or delete it to have a new one made"
                " (which ends all tokens that were issued)"
            )
        return key


@lru_cache(maxsize=1)  # checking a key takes longer than signing with it
def _read_key(content: bytes) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it is encrypted
        return None


def _make_key(path: Path) -> None:
    """Make the key whole or not at all; of several processes that try at once, one wins and all use its key."""
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    path.parent.mkdir(parents=True, exist_ok=True)
    key = generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _public_jwk(key: RSAPrivateKey) -> dict[str, Any]:
    import hashlib

    from jwt.algorithms import RSAAlgorithm
    from jwt.utils import base64url_encode

    jwk = json.loads(RSAAlgorithm.to_jwk(key.public_key()))
    members = {"e": jwk["e"], "kty": jwk["kty"], "n": jwk["n"]}
    thumbprint = hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode())  # RFC 7638
    return members | {"kid": base64url_encode(thumbprint.digest()).decode(), "use": "sig", "alg": "RS256"}
