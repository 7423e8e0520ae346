"""What brings jobs to the function, read back from what boto3 has made."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.rehearsal import aws, delivery
from tests.rehearsal.cloud import Cloud
from tests.rehearsal.conftest import arn
from tests.rehearsal.outcome import Failed

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

QUEUE = f"arn:aws:sqs:{aws.REGION}:{aws.ACCOUNT}:jobs"


@pytest.fixture(scope="module")
def queue(cloud: Cloud, function: str) -> str:
    """A queue whose messages go to the alias of the function."""
    url = str(cloud.client("sqs").create_queue(QueueName="jobs")["QueueUrl"])
    cloud.client("lambda").create_event_source_mapping(
        EventSourceArn=QUEUE,
        FunctionName=arn(function, "live"),
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    return url


@pytest.fixture(autouse=True)
def emptied(cloud: Cloud, queue: str) -> None:
    """Nothing of another test waits."""
    queues = cloud.client("sqs")
    queues.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "0"})
    while found := queues.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        for message in found:
            queues.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    queues.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "60"})


def waiting(cloud: Cloud, queue: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = cloud.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    return sum(int(value) for value in found.values())


def test_messages_wait_and_those_that_fail_stay(cloud: Cloud, queue: str, function: str) -> None:
    delivery.send(cloud, queue, "good", "fail", "good")
    assert waiting(cloud, queue) == 3
    delivered = delivery.deliver(cloud, function)
    bodies = {message["MessageId"]: message["Body"] for message in delivered.messages}
    assert sorted(bodies.values()) == ["fail", "good", "good"]
    assert [bodies[one] for one in delivered.failed] == ["fail"]
    assert waiting(cloud, queue) == 1


def test_a_mapping_stays_with_its_alias(cloud: Cloud, queue: str, function: str) -> None:
    (mapping,) = cloud.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert mapping["FunctionArn"] == arn(function, "live")


def test_an_empty_queue_is_a_failure(cloud: Cloud, queue: str, function: str) -> None:
    with pytest.raises(Failed, match="no message waits"):
        delivery.deliver(cloud, function)


def test_schedules_that_are_on_put_their_messages(cloud: Cloud, queue: str) -> None:
    scheduler = cloud.client("scheduler")
    scheduler.create_schedule_group(Name="group")
    for name, state in (("on", "ENABLED"), ("off", "DISABLED")):
        scheduler.create_schedule(
            GroupName="group",
            Name=name,
            State=state,
            ScheduleExpression="rate(1 day)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": QUEUE,
                "RoleArn": f"arn:aws:iam::{aws.ACCOUNT}:role/scheduler",
                "Input": json.dumps({"job": name, "event": f"{name}/{delivery.SCHEDULED_TIME}"}),
            },
        )
    fired = delivery.fire(cloud, "group")
    (message,) = cloud.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    assert fired == {"on": message["Body"]}
    told = json.loads(message["Body"])
    assert told["job"] == "on"
    assert told["event"].startswith("on/20")


def test_a_file_in_a_bucket_becomes_the_message_of_its_rule(cloud: Cloud, queue: str) -> None:
    s3, events = cloud.client("s3"), cloud.client("events")
    s3.create_bucket(Bucket="lake", CreateBucketConfiguration={"LocationConstraint": aws.REGION})
    s3.put_bucket_notification_configuration(Bucket="lake", NotificationConfiguration={"EventBridgeConfiguration": {}})
    pattern: dict[str, Any] = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": ["lake"]}, "object": {"key": [{"suffix": ".parquet"}]}},
    }
    events.put_rule(Name="files", EventPattern=json.dumps(pattern))
    transformer = {
        "InputPathsMap": {"bucket": "$.detail.bucket.name", "key": "$.detail.object.key"},
        "InputTemplate": '{"job":"export","objects":[{"bucket":<bucket>,"key":<key>}]}',
    }
    events.put_targets(Rule="files", Targets=[{"Id": "jobs", "Arn": QUEUE, "InputTransformer": transformer}])
    for key in ("silver/a.parquet", "silver/a.txt"):
        s3.put_object(Bucket="lake", Key=key, Body=b"x")
    (message,) = cloud.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert json.loads(message["Body"]) == {"job": "export", "objects": [{"bucket": "lake", "key": "silver/a.parquet"}]}
