"""What brings jobs to the function: EventBridge Scheduler, its queue, and the event source mapping of Lambda.

All of it is read back from the emulated AWS; only time is not waited for.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.rehearsal.cloud import Cloud
from tests.rehearsal.outcome import Failed, check

SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"


@dataclass(frozen=True)
class Delivered:
    """The messages of one batch, and which of them came back."""

    messages: list[dict[str, Any]]
    failed: list[str]
    answer: Any


def fire(cloud: Cloud, group: str) -> dict[str, str]:
    """Do what Scheduler does when a time has come, for every schedule that is on; return the messages."""
    scheduler, queues = cloud.client("scheduler"), cloud.client("sqs")
    fired = {}
    for listed in scheduler.list_schedules(GroupName=group)["Schedules"]:
        schedule = scheduler.get_schedule(GroupName=group, Name=listed["Name"])
        if schedule["State"] != "ENABLED":
            continue
        target = schedule["Target"]
        check(target["Arn"].split(":")[2] == "sqs", f"the schedule {listed['Name']} is not for a queue", target)
        text = target["Input"].replace(SCHEDULED_TIME, datetime.now(UTC).isoformat(timespec="seconds"))
        queues.send_message(QueueUrl=_url(queues, target["Arn"]), MessageBody=text)
        fired[listed["Name"]] = text
    return fired


def deliver(cloud: Cloud, function: str, *, most: int = 10) -> Delivered:
    """Take a batch of messages to the function, as its event source mapping does; remove those that have worked.

    `most` is how many at once: the mapping itself takes fewer, and answers of a batch are told from each other here.
    """
    mapping, arn = _mapping(cloud, function)
    queues = cloud.client("sqs")
    url = _url(queues, mapping["EventSourceArn"])
    found = queues.receive_message(
        QueueUrl=url, MaxNumberOfMessages=most, MessageSystemAttributeNames=["All"], WaitTimeSeconds=1
    ).get("Messages", [])
    if not found:
        raise Failed(f"no message waits in {url}")
    records = [_record(message, mapping["EventSourceArn"]) for message in found]
    answer = cloud.client("lambda").invoke(FunctionName=arn, Payload=json.dumps({"Records": records}))
    told = json.load(answer["Payload"])
    check("FunctionError" not in answer, "the function raised for a batch of messages", told)
    failed = [failure["itemIdentifier"] for failure in told["batchItemFailures"]]
    for message in found:
        if message["MessageId"] not in failed:
            queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return Delivered(found, failed, told)


def send(cloud: Cloud, queue_url: str, *bodies: str) -> None:
    """Put messages into a queue."""
    for body in bodies:
        cloud.client("sqs").send_message(QueueUrl=queue_url, MessageBody=body)


def _mapping(cloud: Cloud, function: str) -> tuple[dict[str, Any], str]:
    """Return the one mapping of a function and the ARN that it invokes."""
    mappings = cloud.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    ours = [found for found in mappings if f":function:{function}" in found["FunctionArn"]]
    check(len(ours) == 1, f"{function} has {len(ours)} event source mappings, not one")
    (mapping,) = ours
    check(mapping["State"] == "Enabled", "the event source mapping is not enabled", mapping)
    check(
        "ReportBatchItemFailures" in mapping.get("FunctionResponseTypes", []),
        "failures of a batch are not asked for",
        mapping,
    )
    return mapping, mapping["FunctionArn"]


def _url(queues: Any, arn: str) -> str:
    return str(queues.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"])


def _record(message: dict[str, Any], arn: str) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": arn.split(":")[3],
    }


def marker() -> str:
    """Return a text that nothing else has."""
    return uuid.uuid4().hex
