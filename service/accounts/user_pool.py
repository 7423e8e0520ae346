"""Calls to a user pool of Amazon Cognito, each within the deadline.

boto3 is imported with the first call. `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER`, which it
reads by itself, lead elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections.abc import Mapping
from typing import Any

from service import deadline
from service.config import CognitoConfig
from service.errors import ServiceError, ServiceUnavailable

CALL_SECONDS = 3.0
CALL_SHARE = 0.6  # of the deadline
CONNECT_SHARE = 1 / 3  # of a call
MAX_CONNECTIONS = 50


class UserPool:
    """A user pool, as the client that signs users in sees it. Safe to share between threads."""

    def __init__(self, config: CognitoConfig, deadline_seconds: float) -> None:
        self.client_id = config.client_id
        self._secret = config.client_secret
        self._region = config.region
        self._seconds = min(CALL_SECONDS, CALL_SHARE * deadline_seconds)
        self._lock = threading.Lock()
        self._kept: Any = None

    def call(self, operation: str, refusals: Mapping[str, ServiceError | None], **arguments: Any) -> dict[str, Any]:
        """Call an operation. For a code in `refusals` raise what stands there, or go on; for others it is an outage."""
        from botocore.exceptions import BotoCoreError, ClientError

        call = getattr(self._client(), operation)
        if deadline.remaining() < self._seconds:  # one that could outlast the deadline is not begun
            raise ServiceUnavailable(reason=f"there is no time left for {operation} of Cognito")
        try:
            answer: dict[str, Any] = call(**arguments)
        except ClientError as error:
            code, text = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
            # The same code says that the client's secret is wrong: ours, not the user's.
            if code not in refusals or (code == "NotAuthorizedException" and "secret" in text.lower()):
                raise ServiceUnavailable(reason=f"Cognito refuses {operation}: {code}") from None
            refusal = refusals[code]
            if refusal:
                raise refusal from None
            return {}
        except BotoCoreError as error:
            raise ServiceUnavailable(reason=f"Cognito does not answer: {type(error).__name__}") from None
        return answer

    def secret(self) -> dict[str, str]:
        """Return the client's secret as an argument, nothing where it has none."""
        return {"ClientSecret": self._secret} if self._secret else {}

    def proof(self, name: str, username: str) -> dict[str, str]:
        """Return what proves that the client knows its secret, as an argument; nothing where it has none."""
        if not self._secret:
            return {}
        digest = hmac.digest(self._secret.encode(), (username + self.client_id).encode(), hashlib.sha256)
        return {name: base64.b64encode(digest).decode()}

    def _client(self) -> Any:
        with self._lock:
            if self._kept is None:
                import boto3
                from botocore import UNSIGNED
                from botocore.config import Config

                # Once each: a registration that is repeated after a time-out would find its own address taken.
                patience = Config(
                    connect_timeout=self._seconds * CONNECT_SHARE,
                    read_timeout=self._seconds * (1 - CONNECT_SHARE),
                    retries={"total_max_attempts": 1},
                    max_pool_connections=MAX_CONNECTIONS,
                    signature_version=UNSIGNED,  # these operations need no rights in AWS
                )
                session = boto3.session.Session(region_name=self._region)
                self._kept = session.client("cognito-idp", config=patience)
            return self._kept
