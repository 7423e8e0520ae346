"""The token endpoint: who may have a token, and which tokens are good."""

from __future__ import annotations

import base64
import time
from urllib.parse import parse_qsl, unquote_plus

from tests.fullbay.draws import Draw
from tests.fullbay.messages import Answer, Request, json_answer


class Grants:
    """Gives tokens to one client, good for `seconds` and for `uses` requests (None: for any number)."""

    def __init__(self, seed: int, client_id: str, client_secret: str, scope: str | None, seconds: float) -> None:
        self.client_id = client_id
        self.client_secret = client_secret
        self.scope = scope
        self.seconds = seconds
        self.uses: int | None = None
        self.tells_lifetime = True
        self.tokens: list[str] = []  # all that were ever given out
        self._seed = seed
        self._good: dict[str, tuple[float, int | None]] = {}  # until when, and for how many requests more

    def answer(self, request: Request) -> Answer:
        """Answer a request for a token."""
        if request.method != "POST":
            return json_answer({"error": "invalid_request"}, 405, Allow="POST")
        form = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        if self._client(request, form) != (self.client_id, self.client_secret):
            return json_answer(
                {"error": "invalid_client", "error_description": "Client authentication failed"},
                401,
                **{"WWW-Authenticate": "Basic"},
            )
        if form.get("grant_type") != "client_credentials":
            return json_answer({"error": "unsupported_grant_type"}, 400)
        if self.scope is not None and form.get("scope") != self.scope:
            return json_answer({"error": "invalid_scope", "error_description": f"ask for {self.scope}"}, 400)
        lifetime = {"expires_in": round(self.seconds)} if self.tells_lifetime else {}
        return json_answer({"access_token": self.issue(), "token_type": "Bearer", **lifetime})

    def issue(self) -> str:
        """Give out a token."""
        digits = Draw(self._seed, "token", len(self.tokens))
        token = f"tok-{digits.below(1 << 128):032x}/{digits.below(1 << 64):016x}+{len(self.tokens)}=="
        self.tokens.append(token)
        self._good[token] = time.monotonic() + self.seconds, self.uses
        return token

    def takes(self, request: Request) -> bool:
        """Return whether a request bears a good token, and count its use."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or token not in self._good:
            return False
        until, left = self._good[token]
        if time.monotonic() >= until or left == 0:
            del self._good[token]
            return False
        self._good[token] = until, None if left is None else left - 1
        return True

    def revoke(self) -> None:
        """Let no token be good any more."""
        self._good.clear()

    def _client(self, request: Request, form: dict[str, str]) -> tuple[str, str] | None:
        scheme, _, coded = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                name, _, secret = base64.b64decode(coded, validate=True).decode().partition(":")
            except ValueError:
                return None
            return unquote_plus(name), unquote_plus(secret)
        return form.get("client_id", ""), form.get("client_secret", "")


def refused() -> Answer:
    """Return the answer to a token that is not good."""
    return json_answer(
        {"error": "invalid_token", "message": "The access token is expired, revoked or unknown"},
        401,
        **{"WWW-Authenticate": 'Bearer error="invalid_token"'},
    )
