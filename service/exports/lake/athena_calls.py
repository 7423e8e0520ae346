"""Calls to AWS on behalf of the lake: each ends in an answer or an `EngineError`.

Throttled calls are repeated here, a few times and politely; everything else that may pass is for whoever runs the
export to try again. Reasons name the code of AWS; its message only where it is about the query, because others quote
who asked.
"""

from __future__ import annotations

import random
import re
import threading
import time
from typing import Any

from service import deadline
from service.exports.lake.engine import EngineError, EngineUnavailable, QueryRefused

CONNECT_SECONDS = 2.0
READ_SECONDS = 10.0
ATTEMPTS = 5
FIRST_WAIT_SECONDS = 0.2
THROTTLED_SECONDS = 5.0  # after which it is worth another try, where these attempts were not enough
MAX_REASON = 300

_THROTTLED = re.compile("Throttl|TooManyRequests|LimitExceeded|SlowDown|RequestLimit")
_PASSING = re.compile("InternalServer|InternalError|ServiceUnavailable|Expired|RequestTimeout")
_NAMES = {"athena": "Athena", "glue": "Glue", "s3": "S3"}


class Refused(QueryRefused):
    """AWS refuses the call with a code."""

    def __init__(self, reason: str, code: str) -> None:
        super().__init__(reason)
        self.code = code


class Throttled(EngineUnavailable):
    """AWS asks for fewer calls."""


class Aws:
    """Clients that are made at their first use. Safe to share between threads; boto3 reads AWS_ENDPOINT_URL itself."""

    def __init__(self, region: str | None) -> None:
        self._region = region
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}

    def ask(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call an operation, up to `ATTEMPTS` times where AWS asks for patience; return its answer."""
        for attempt in range(1, ATTEMPTS + 1):
            failure = self._attempt(service, operation, parameters)
            if not isinstance(failure, EngineError):
                return failure
            seconds = random.uniform(0, FIRST_WAIT_SECONDS * 2**attempt)  # noqa: S311
            is_last = attempt == ATTEMPTS or seconds >= deadline.remaining()
            if is_last or not isinstance(failure, Throttled):
                raise failure  # here, where no exception of AWS's library is its context
            time.sleep(seconds)
        raise AssertionError("unreachable")

    def _attempt(self, service: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any] | EngineError:
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        if deadline.remaining() <= 0:
            return EngineUnavailable(f"no time was left to ask {_NAMES[service]}")
        try:
            answer = getattr(self._client(service), operation)(**parameters)
        except ClientError as error:
            return _refusal(service, operation, error.response)
        except BotoCoreError as error:
            return _unreached(service, error)
        except (ResponseParserError, ValueError, TypeError, AttributeError):  # botocore takes what answers for AWS
            return EngineUnavailable(f"{_NAMES[service]} gave an answer that is not one of AWS")
        return dict(answer)

    def _client(self, service: str) -> Any:
        from botocore.config import Config

        with self._lock:  # making clients is not safe between threads, using one is
            if service not in self._clients:
                import boto3

                patience = Config(
                    connect_timeout=CONNECT_SECONDS,
                    read_timeout=READ_SECONDS,
                    retries={"total_max_attempts": 1},
                    response_checksum_validation="when_required",  # parts of a file have none
                )
                session = boto3.session.Session(region_name=self._region)
                self._clients[service] = session.client(service, config=patience)
            return self._clients[service]


def one_line(text: str) -> str:
    """Return a reason as it is shown: on one line, and not longer than one is read."""
    return " ".join(text.split())[:MAX_REASON]


def _refusal(service: str, operation: str, answer: dict[str, Any]) -> EngineError:
    told = answer.get("Error", {})
    code = str(told.get("Code", ""))
    code = code if re.fullmatch(r"[A-Za-z0-9.]{1,64}", code) else "an error without a code"
    reason = f"{_NAMES[service]} refuses: {code}"
    if _THROTTLED.search(code):
        return Throttled(reason, THROTTLED_SECONDS)
    if answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 500) >= 500 or _PASSING.search(code):
        return EngineUnavailable(reason)
    if operation == "start_query_execution" and code == "InvalidRequestException":
        reason = one_line(f"{reason}: {told.get('Message', '')}")
    return Refused(reason, code)


def _unreached(service: str, error: Exception) -> EngineError:
    from botocore import exceptions

    kind = type(error).__name__
    if isinstance(error, (exceptions.HTTPClientError, exceptions.ConnectionError)):
        return EngineUnavailable(f"{_NAMES[service]} cannot be reached: {kind}")
    return Refused(f"{_NAMES[service]} cannot be asked: {kind}", kind)  # no credentials, or half of them
