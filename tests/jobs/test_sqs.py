"""Jobs in SQS, as moto has it over HTTP: put, received, run by the Lambda handler, given up."""

from __future__ import annotations

import json
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from flask import Flask
from moto.server import ThreadedMotoServer

from service import config, jobs, lambda_handler
from service.app import create_app
from service.jobs import NotQueued, job
from service.jobs.queues import MAX_BYTES

REGION = "eu-west-1"
MAX_RECEIVE_COUNT = 3


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    server.stop()


class Queue:
    """A queue with dead letters, and what Lambda does with it."""

    def __init__(self, endpoint: str) -> None:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        self.sqs: Any = boto3.client("sqs", region_name=REGION, endpoint_url=endpoint, **keys)
        name = uuid.uuid4().hex
        self.dead = self.sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_RECEIVE_COUNT})
        self.url = self.sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": policy})["QueueUrl"]

    def receive(self, url: str | None = None) -> list[dict[str, Any]]:
        asked = {"MaxNumberOfMessages": 10, "AttributeNames": ["All"]}
        found: list[dict[str, Any]] = self.sqs.receive_message(QueueUrl=url or self.url, **asked).get("Messages", [])
        return found

    def invoke(self, handler: Callable[[Any], Any]) -> tuple[int, int] | None:
        """Hand a batch to the function; delete what it has not returned. Tell how many were sent and came back."""
        messages = self.receive()
        if not messages:
            return None
        records = [
            {
                "messageId": message["MessageId"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "eventSource": "aws:sqs",
                "eventSourceARN": f"arn:aws:sqs:{REGION}:123456789012:jobs",
            }
            for message in messages
        ]
        answer = handler(json.loads(json.dumps({"Records": records})))
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        for message in messages:
            handle = {"QueueUrl": self.url, "ReceiptHandle": message["ReceiptHandle"]}
            if message["MessageId"] in failed:
                self.sqs.change_message_visibility(**handle, VisibilityTimeout=0)
            else:
                self.sqs.delete_message(**handle)
        return len(messages), len(failed)


@pytest.fixture
def queue(moto: str, monkeypatch: pytest.MonkeyPatch) -> Queue:
    for name, value in {"ENDPOINT_URL": moto, "ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_REGION", REGION)
    return Queue(moto)


def app_of(environment: dict[str, str], url: str) -> Flask:
    return create_app(config.load(environment | {"JOBS_QUEUE_URL": url, "AWS_REGION": REGION}))


@pytest.fixture
def sqs_handler(queue: Queue, environment: dict[str, str], request: pytest.FixtureRequest) -> Any:
    environment_of_queue = {"JOBS_QUEUE_URL": queue.url, "AWS_REGION": REGION}
    request.getfixturevalue("monkeypatch").setenv("JOBS_QUEUE_URL", environment_of_queue["JOBS_QUEUE_URL"])
    return request.getfixturevalue("handler")


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    monkeypatch.setattr(jobs, "_jobs", {})
    calls: list[Any] = []

    @job("count")
    def count(arguments: dict[str, Any]) -> None:
        calls.append(arguments)

    @job("broken")
    def broken(arguments: dict[str, Any]) -> None:
        calls.append("broken")
        raise RuntimeError("out of order")

    @job("down")
    def down(arguments: dict[str, Any]) -> None:
        calls.append(arguments["left"])
        if arguments["left"]:
            jobs.get_queue().put("down", {"left": arguments["left"] - 1})

    return calls


def put(app: Flask, name: str, arguments: dict[str, Any], delay_seconds: float = 0) -> None:
    with app.app_context():
        jobs.get_queue().put(name, arguments, delay_seconds)


def test_what_is_put_is_run_by_the_function(queue: Queue, sqs_handler: Any, ran: list[Any]) -> None:
    arguments = {"source": "aws.events", "text": "ä\u2028\U0001f600", "number": 1.5, "deep": [None, {"a": True}]}
    put(lambda_handler._app(), "count", arguments)
    assert queue.invoke(sqs_handler) == (1, 0)
    assert ran == [arguments]
    assert queue.invoke(sqs_handler) is None


def test_a_job_puts_the_next_one(queue: Queue, sqs_handler: Any, ran: list[Any]) -> None:
    put(lambda_handler._app(), "down", {"left": 3})
    while queue.invoke(sqs_handler):
        pass
    assert ran == [3, 2, 1, 0]


def test_a_job_that_fails_is_a_dead_letter_in_the_end_and_its_neighbours_are_done(
    queue: Queue, sqs_handler: Any, ran: list[Any]
) -> None:
    app = lambda_handler._app()
    for name in ("count", "broken", "count", "nothing"):
        put(app, name, {})
    batches = []
    while batch := queue.invoke(sqs_handler):
        batches.append(batch)
    assert sum(sent - failed for sent, failed in batches) == 2
    assert [ran.count({}), ran.count("broken")] == [2, MAX_RECEIVE_COUNT]
    dead = [json.loads(message["Body"]) for message in queue.receive(queue.dead)]
    assert sorted(dead, key=str) == [{"job": "broken"}, {"job": "nothing"}]


def test_messages_for_which_no_time_is_left_come_back_without_being_run(
    queue: Queue, sqs_handler: Any, ran: list[Any]
) -> None:
    app = lambda_handler._app()
    for _ in range(3):
        put(app, "count", {})
    short = SimpleNamespace(aws_request_id="short", get_remaining_time_in_millis=lambda: 3_000)
    assert queue.invoke(lambda event: lambda_handler.handler(event, short)) == (3, 2)
    assert ran == [{}]
    assert queue.invoke(sqs_handler) == (2, 0)
    assert ran == [{}] * 3


DELAYS = {"none": (0, 0), "a part": (0.2, 1), "some": (30, 30), "too long": (7200, 900), "the past": (-5, 0)}


@pytest.mark.parametrize(("delay", "seconds"), DELAYS.values(), ids=DELAYS)
def test_a_job_is_held_back_as_long_as_sqs_can(
    queue: Queue, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, delay: float, seconds: int
) -> None:
    app = app_of(environment, queue.url)
    sent: list[Any] = []
    with app.app_context():
        client = jobs.get_queue()._sqs()  # type: ignore[attr-defined]
        client.meta.events.register("provide-client-params.sqs.SendMessage", lambda params, **_: sent.append(params))
    put(app, "count", {}, delay)
    assert sent == [{"QueueUrl": queue.url, "MessageBody": '{"job":"count"}', "DelaySeconds": seconds}]


def test_one_client_is_made_for_all_threads(queue: Queue, environment: dict[str, str]) -> None:
    with app_of(environment, queue.url).app_context():
        assert jobs.get_queue()._sqs() is jobs.get_queue()._sqs()  # type: ignore[attr-defined]


def test_a_queue_that_does_not_exist_is_said_so(queue: Queue, environment: dict[str, str]) -> None:
    with pytest.raises(NotQueued) as refusal:
        put(app_of(environment, queue.url + "-gone"), "count", {"key": "marker-5"})
    assert refusal.value.reason.startswith("SQS refused the job count: ")
    assert "NonExistentQueue" in refusal.value.reason or "QueueDoesNotExist" in refusal.value.reason
    assert "marker-5" not in refusal.value.reason


def test_a_job_that_is_too_large_is_refused(queue: Queue, environment: dict[str, str]) -> None:
    app = app_of(environment, queue.url)
    put(app, "count", {"text": "x" * (MAX_BYTES - 50)})
    with pytest.raises(NotQueued, match="temporarily") as refusal:
        put(app, "count", {"text": "x" * MAX_BYTES})
    assert "is too large" in refusal.value.reason
    assert len(queue.receive()) == 1


@pytest.mark.slow
def test_an_sqs_that_does_not_answer_is_given_up(
    queue: Queue, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        started_at = time.monotonic()
        with pytest.raises(NotQueued) as refusal:
            put(app_of(environment, queue.url), "count", {})
    assert refusal.value.reason == "SQS cannot be reached for the job count: ReadTimeoutError"
    assert time.monotonic() - started_at < 20


def test_without_credentials_a_job_is_refused(
    queue: Queue, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # which remembers them
    with pytest.raises(NotQueued) as refusal:
        put(app_of(environment, queue.url), "count", {})
    assert refusal.value.reason == "SQS cannot be reached for the job count: NoCredentialsError"


def test_the_region_is_that_of_the_queue() -> None:
    from service.jobs.sqs_queue import SqsQueue

    url = "https://sqs.ap-southeast-2.amazonaws.com/123456789012/jobs"
    assert SqsQueue(url, "eu-west-1")._sqs().meta.region_name == "ap-southeast-2"


def test_on_lambda_without_a_queue_a_job_is_refused(environment: dict[str, str]) -> None:
    names = {"AWS_LAMBDA_FUNCTION_NAME": "headgate", "TOKEN_ISSUER": "https://issuer.example.com"}
    app = create_app(config.load(environment | names))
    with pytest.raises(NotQueued) as refusal:
        put(app, "count", {})
    assert refusal.value.reason == "JOBS_QUEUE_URL is not set, and on Lambda no worker reads the table"
