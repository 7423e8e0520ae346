"""The function on AWS: invoked with the events of EventBridge and SQS, each invocation in its time."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from service import lambda_handler
from tests.secret_stores import CREDENTIALS, REGION, Moto

SCHEDULED = {
    "version": "0",
    "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "123456789012",
    "time": "2026-11-21T10:00:00Z",
    "region": REGION,
    "resources": ["arn:aws:events:eu-west-1:123456789012:rule/headgate-work-orders"],
    "detail": {"job": "ingest", "source": "work-orders"},
}


class Queue:
    """A queue of SQS at moto, and the invocations that its messages make of the function."""

    def __init__(self, moto: Moto) -> None:
        keys = {name.lower(): value for name, value in CREDENTIALS.items()}
        self._client: Any = boto3.client("sqs", region_name=REGION, endpoint_url=moto.url, **keys)
        self.url: str = self._client.create_queue(QueueName=f"jobs-{uuid.uuid4()}")["QueueUrl"]

    def count(self, kind: str = "") -> int:
        """Return how many messages wait, or are `Delayed`."""
        name = f"ApproximateNumberOfMessages{kind}"
        found = self._client.get_queue_attributes(QueueUrl=self.url, AttributeNames=[name])
        return int(found["Attributes"][name])

    def receive(self, most: int = 1, seconds: float = 0) -> dict[str, Any] | None:
        """Return the event of the messages that are due within some seconds, None where there is none."""
        expires_at = time.monotonic() + seconds
        while True:
            answer = self._client.receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=most, AttributeNames=["All"], VisibilityTimeout=600
            )
            if messages := answer.get("Messages"):
                return {
                    "Records": [
                        record(m["MessageId"], m["Body"], m["ReceiptHandle"], m["Attributes"]) for m in messages
                    ]
                }
            if time.monotonic() > expires_at:
                return None
            time.sleep(0.1)

    def settle(self, event: dict[str, Any], answer: dict[str, Any]) -> list[str]:
        """Delete what has worked, as Lambda does; return the ids of what has failed."""
        failed = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
        for record in event["Records"]:
            if record["messageId"] not in failed:
                self._client.delete_message(QueueUrl=self.url, ReceiptHandle=record["receiptHandle"])
        return failed

    def purge(self) -> None:
        """Lose every message."""
        self._client.purge_queue(QueueUrl=self.url)

    def put(self, body: str) -> None:
        self._client.send_message(QueueUrl=self.url, MessageBody=body)


def record(identifier: str, body: str, handle: str = "handle", attributes: dict[str, str] | None = None) -> Any:
    """Return a message as it stands in the event of SQS."""
    return {
        "messageId": identifier,
        "receiptHandle": handle,
        "body": body,
        "attributes": attributes or {},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:jobs",
        "awsRegion": REGION,
    }


class Function:
    """The handler in an environment of its own. `seconds` are those that each invocation has taken."""

    def __init__(self, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds: list[float] = []
        for name, value in {**environ, **CREDENTIALS, "AWS_REGION": REGION}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(lambda_handler.logs, "configure", lambda level: None)  # pytest has its own
        self.forget()

    def forget(self) -> None:
        """Begin anew, as a new instance of the function does."""
        if lambda_handler._app.cache_info().currsize:
            lambda_handler._app().extensions["database"].close()
        lambda_handler._settings.cache_clear()
        lambda_handler._app.cache_clear()

    def invoke(self, event: Any, seconds: float = 30) -> Any:
        """Invoke the function with an event, which has travelled as JSON; so does its answer."""
        began = time.monotonic()
        ends_at = began + seconds
        context = SimpleNamespace(
            aws_request_id=str(uuid.uuid4()),
            get_remaining_time_in_millis=lambda: int(1000 * (ends_at - time.monotonic())),
        )
        try:
            return json.loads(json.dumps(lambda_handler.handler(json.loads(json.dumps(event)), context)))
        finally:
            self.seconds.append(time.monotonic() - began)

    def work_off(self, queue: Queue, seconds: float = 30) -> int:
        """Invoke the function with one message after the other until none waits; return how many there were."""
        count = 0
        while queue.count() or queue.count("Delayed"):
            event = queue.receive(seconds=10)
            assert event is not None
            assert queue.settle(event, self.invoke(event, seconds)) == []
            count += 1
        return count


@pytest.fixture(scope="session")
def moto() -> Iterator[Moto]:
    server = Moto()
    yield server
    server.close()


@pytest.fixture
def queue(moto: Moto) -> Queue:
    return Queue(moto)


@pytest.fixture
def as_function(moto: Moto, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes the function of an installation: `as_function(installation, FULLBAY_PAGE_SIZE="500")`."""
    made: list[Function] = []

    def make(installation: Any, **environ: str) -> Function:
        about = {"AWS_ENDPOINT_URL": moto.url, "JOBS_QUEUE_URL": queue.url, "AWS_LAMBDA_FUNCTION_NAME": "headgate"}
        issuer = {"TOKEN_ISSUER": "https://issuer.example.com"}
        made.append(Function({**installation.environ, **about, **issuer, **environ}, monkeypatch))
        return made[-1]

    yield make
    for function in made:
        function.forget()
