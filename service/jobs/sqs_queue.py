"""The queue on AWS: SQS, which invokes the function with what was put (see `lambda_handler`)."""

from __future__ import annotations

import math
import re
import threading
from typing import Any

from service.jobs.queues import NotQueued, written

MAX_DELAY_SECONDS = 900  # of SQS
CONNECT_SECONDS = 1.0
READ_SECONDS = 3.0
ATTEMPTS = 3


class SqsQueue:
    """Jobs in a standard queue of SQS. Safe to share between threads."""

    def __init__(self, url: str, region: str | None) -> None:
        self._url = url
        named = re.match(r"https://sqs\.([a-z0-9-]+)\.", url)
        self._region = named[1] if named else region
        self._lock = threading.Lock()
        self._client: Any = None

    def put(self, name: str, arguments: dict[str, Any], delay_seconds: float = 0) -> None:
        """Put a job; see `Queue`. SQS holds none back for longer than 15 minutes: it is run after these."""
        from botocore.exceptions import BotoCoreError, ClientError

        body = written(name, arguments)
        delay = min(MAX_DELAY_SECONDS, max(0, math.ceil(delay_seconds)))
        try:
            self._sqs().send_message(QueueUrl=self._url, MessageBody=body, DelaySeconds=delay)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "no code")
            raise NotQueued(f"SQS refused the job {name}: {code}") from error
        except BotoCoreError as error:
            raise NotQueued(f"SQS cannot be reached for the job {name}: {type(error).__name__}") from error

    def _sqs(self) -> Any:
        import boto3
        from botocore.config import Config as ClientConfig

        with self._lock:  # making clients is not safe between threads, using one is
            if self._client is None:
                patience = ClientConfig(
                    connect_timeout=CONNECT_SECONDS,
                    read_timeout=READ_SECONDS,
                    retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
                )
                self._client = boto3.client("sqs", region_name=self._region, config=patience)
            return self._client
