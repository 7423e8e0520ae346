"""Which kind of event is this? What the function does with each, and what it refuses."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from service import deadline, jobs, lambda_handler, logs, metrics
from service.config import ConfigError
from service.database import get_database
from service.errors import ServiceUnavailable
from service.jobs import UnknownJob, job
from service.lambda_handler import UnknownEvent
from tests.postgres import Postgres, free_port
from tests.transports import event_alb, event_alb_multi, event_v1, event_v2

Ran = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Ran:
    """What the jobs of this test have run with. `export` and `count` work, `broken` fails; `export` gets events."""
    monkeypatch.setattr(jobs, "_jobs", {})
    monkeypatch.setattr(jobs, "_once", set())
    calls: Ran = []

    @job("export", once=True)
    def export(arguments: dict[str, Any]) -> str:
        calls.append(("export", arguments))
        return "exported"

    @job("count")
    def count(arguments: dict[str, Any]) -> int:
        calls.append(("count", arguments))
        return len(arguments)

    @job("broken")
    def broken(arguments: dict[str, Any]) -> None:
        calls.append(("broken", arguments))
        raise RuntimeError("out of order")

    return calls


def scheduled(**detail: Any) -> dict[str, Any]:
    return {"version": "0", "source": "aws.events", "detail-type": "Scheduled Event", "detail": detail}


def sqs(*bodies: Any) -> dict[str, Any]:
    texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
    return {"Records": [{"eventSource": "aws:sqs", "messageId": f"m{i}", "body": text} for i, text in enumerate(texts)]}


def s3(*keys: str, **more: Any) -> dict[str, Any]:
    return {
        "Records": [
            {"eventSource": "aws:s3", "s3": {"bucket": {"name": "lake"}, "object": {"key": k}}} | more for k in keys
        ]
    }


@pytest.mark.parametrize("build", [event_v2, event_v1, event_alb, event_alb_multi])
def test_a_request_is_answered(handler: Any, build: Callable[..., dict[str, Any]]) -> None:
    answer = handler(build("GET", "/health"))
    assert (answer["statusCode"], json.loads(answer["body"])["status"]) == (200, "healthy")


def exported(*keys: str) -> tuple[str, dict[str, Any]]:
    """Return how the job of all files of one event is called."""
    objects = [{"bucket": "lake", "key": key, "mark": ""} for key in keys]
    return "export", {"objects": objects, "event": "invocation"}


JOBS = {
    "a schedule": (scheduled(job="count", a=1, b=2), [("count", {"a": 1, "b": 2})], 2),
    "a message by hand": ({"job": "count", "a": 1}, [("count", {"a": 1})], 1),
    "a job without arguments": ({"job": "count"}, [("count", {})], 0),
    "a schedule of an export": (
        scheduled(table="work_orders", full=True),
        [("export", {"table": "work_orders", "full": True, "event": "invocation"})],
        "exported",
    ),
    "a schedule that says which time it is": (
        scheduled(table="work_orders") | {"id": "event-7"},
        [("export", {"table": "work_orders", "event": "event-7"})],
        "exported",
    ),
    "a file": (s3("silver/orders/1.parquet"), [exported("silver/orders/1.parquet")], "exported"),
    "a file with a name that S3 encodes": (s3("a+b/%C3%A4%2B1.csv"), [exported("a b/ä+1.csv")], "exported"),
    "several files": (s3("a", "b", eventName="ObjectCreated:Put"), [exported("a", "b")], "exported"),
    "a file by way of EventBridge": (
        {
            "source": "aws.s3",
            "detail-type": "Object Created",
            "detail": {"bucket": {"name": "lake"}, "object": {"key": "a+b.csv"}},
        },
        [exported("a+b.csv")],
        "exported",
    ),
    "a test of S3's": ({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "lake"}, [], None),
    "a queue": (
        sqs({"job": "count", "a": 1}, {"job": "export"}),
        [("count", {"a": 1}), ("export", {"event": "m1"})],
        {"batchItemFailures": []},
    ),
}


@pytest.mark.parametrize(("event", "calls", "answer"), JOBS.values(), ids=JOBS)
def test_an_event_runs_its_job(handler: Any, ran: Ran, event: Any, calls: Ran, answer: Any) -> None:
    assert handler(event) == answer
    assert ran == calls


UNKNOWN = {
    "nothing": ({}, "(none)"),
    "strangers": ({"foo": 1, "bar": 2}, "bar, foo"),
    "another command": ({"command": "drop"}, "command"),
    "a command that is a list": ({"command": ["migrate"]}, "command"),
    "a detail of nothing": (scheduled(), "detail, detail-type, source, version"),
    "a detail of another source": ({"source": "evil", "detail": {"job": "count"}}, "detail, source"),
    "a detail that is a text": ({"source": "aws.events", "detail": "job"}, "detail, source"),
    "a file that went": ({"source": "aws.s3", "detail-type": "Object Deleted", "detail": {}}, "detail"),
    "a removed file": (s3("a", eventName="ObjectRemoved:Delete"), "Records"),
    "a file and a removed one": (
        {"Records": s3("a")["Records"] + s3("b", eventName="ObjectRemoved:Delete")["Records"]},
        "Records",
    ),
    "a file without a name": ({"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": "lake"}}}]}, "Records"),
    "a file of nobody's by way of EventBridge": (
        {"source": "aws.s3", "detail-type": "Object Created", "detail": {}},
        "detail",
    ),
    "no records": ({"Records": []}, "Records"),
    "records that are texts": ({"Records": ["a"]}, "Records"),
    "records of another kind": ({"Records": [{"eventSource": "aws:kinesis"}]}, "Records"),
    "records of two kinds": ({"Records": s3("a")["Records"] + sqs({"job": "count"})["Records"]}, "Records"),
    "records that are an object": ({"Records": {"s3": {}}}, "Records"),
    "another test": ({"Event": "s3:Other"}, "Event"),
    "an old payload": ({"version": "2.0"}, "version"),
    "half a WebSocket": ({"requestContext": {"eventType": "CONNECT"}}, "requestContext"),
}


@pytest.mark.parametrize(("event", "keys"), UNKNOWN.values(), ids=UNKNOWN)
def test_an_unknown_event_raises_with_its_keys_and_does_nothing(handler: Any, ran: Ran, event: Any, keys: str) -> None:
    with pytest.raises(UnknownEvent) as refusal:
        handler(event)
    assert keys in str(refusal.value)
    assert ran == []


@pytest.mark.parametrize("event", [None, [], "text", 7, True, [{"job": "count"}]], ids=repr)
def test_an_event_that_is_no_object_raises(handler: Any, ran: Ran, event: Any) -> None:
    with pytest.raises(UnknownEvent, match=f"no object but {type(event).__name__}"):
        handler(event)
    assert ran == []


@pytest.mark.parametrize("event", [{"job": "broken"}, scheduled(job="broken")], ids=["by hand", "scheduled"])
def test_a_job_that_fails_raises(handler: Any, ran: Ran, event: Any) -> None:
    with pytest.raises(RuntimeError, match="out of order"):
        handler(event)


@pytest.mark.parametrize("name", ["nothing", "", None, ["count"], {"a": 1}], ids=repr)
def test_a_job_that_does_not_exist_raises(handler: Any, ran: Ran, name: Any) -> None:
    with pytest.raises(UnknownJob, match="there are: broken, count, export"):
        handler({"job": name})


def test_two_jobs_cannot_have_one_name(ran: Ran) -> None:
    with pytest.raises(ValueError, match="Two jobs are named 'count'"):
        job("count")(lambda arguments: None)


def test_a_message_that_fails_comes_back_and_its_neighbours_do_not(
    handler: Any, ran: Ran, caplog: pytest.LogCaptureFixture
) -> None:
    event = sqs(
        {"job": "count"}, {"job": "broken"}, "no JSON", {"no": "job"}, {"job": "nothing"}, "[1]", {"job": "count"}
    )
    failed = [failure["itemIdentifier"] for failure in handler(event)["batchItemFailures"]]
    assert failed == ["m1", "m2", "m3", "m4", "m5"]
    assert [name for name, _ in ran] == ["count", "broken", "count"]
    assert [caplog.messages.count(text) for text in ("a job failed", "a message is no job")] == [2, 3]


@pytest.mark.parametrize(
    "body", ["", "null", "7", '"job"', "[" * 100_000, '{"job"', '{"Job": "count"}'], ids=lambda b: b[:9]
)
def test_a_message_that_is_no_job_comes_back_alone(handler: Any, ran: Ran, body: str) -> None:
    answer = handler(sqs({"job": "count"}, body, {"job": "count"}))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert len(ran) == 2


def test_a_message_is_measured_and_logged(
    handler: Any, ran: Ran, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[Any] = []
    monkeypatch.setattr(metrics, "increment_counter", lambda name, by=1, **d: measured.append((name, d)))
    monkeypatch.setattr(metrics, "record_metric", lambda name, value, **d: measured.append((name, d, value)))
    event = sqs({"job": "count"}, {"job": "broken"})
    sent_at = str(int((time.time() - 42) * 1000))
    for record in event["Records"]:
        record["attributes"] = {"SentTimestamp": sent_at, "ApproximateReceiveCount": "3"}
    with caplog.at_level(logging.INFO):
        assert handler(event) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    assert ("JobRuns", {"Job": "count", "Outcome": "done"}) in measured
    assert ("JobRuns", {"Job": "broken", "Outcome": "failed"}) in measured
    assert [42 <= row[2] < 60 for row in measured if row[0] == "QueueAge"] == [True, True]
    lines = [vars(record) for record in caplog.records if hasattr(record, "outcome")]
    told = [(line["job"], line["messageId"], line["attempt"], line["outcome"]) for line in lines]
    assert told == [("count", "m0", 3, "done"), ("broken", "m1", 3, "failed")]
    assert lines[1]["reason"] == "RuntimeError"


@pytest.mark.parametrize(("left", "begun"), [(30_000, 3), (5_400, 1), (100, 1)], ids=["much", "little", "none"])
def test_messages_for_which_no_time_is_left_are_not_begun(handler: Any, ran: Ran, left: int, begun: int) -> None:
    short = SimpleNamespace(aws_request_id="a", get_remaining_time_in_millis=lambda: left)
    answer = lambda_handler.handler(sqs(*[{"job": "count"}] * 3), short)
    assert len(ran) == begun
    assert [failure["itemIdentifier"] for failure in answer["batchItemFailures"]] == ["m0", "m1", "m2"][begun:]


def test_a_job_has_the_application(handler: Any, ran: Ran) -> None:
    @job("ask")
    def ask(arguments: dict[str, Any]) -> Any:
        return get_database().statement(lambda cursor: cursor.execute("SELECT 7") or cursor.fetchone()[0])

    assert handler({"job": "ask"}) == 7
    assert handler(scheduled(job="ask")) == 7
    assert handler(sqs({"job": "ask"})) == {"batchItemFailures": []}


def test_an_argument_may_have_the_name_of_a_key_of_the_event(handler: Any, ran: Ran) -> None:
    handler(scheduled(job="count", source="work-orders"))
    assert ran == [("count", {"source": "work-orders"})]


def test_a_job_has_the_time_of_its_invocation_and_its_id(handler: Any, ran: Ran, context: Any) -> None:
    seen: list[Any] = []

    @job("look")
    def look(arguments: dict[str, Any]) -> None:
        seen.extend((deadline.remaining(), logs.request_id()))

    short = SimpleNamespace(aws_request_id="invocation-7", get_remaining_time_in_millis=lambda: 2_000)
    lambda_handler.handler({"job": "look"}, short)
    assert 1 < seen[0] <= 1.5
    assert seen[1] == "invocation-7"
    assert deadline.remaining() > 50
    assert logs.request_id() is None


def test_a_context_that_knows_nothing_is_enough(handler: Any, ran: Ran) -> None:
    assert lambda_handler.handler({"job": "count"}, None) == 0


def test_the_command_migrate_migrates(handler: Any, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    from service.database.schema import shipped

    monkeypatch.setenv("DATABASE_URL", postgres.create("by_lambda"))
    assert handler({"command": "migrate"}) == {"applied": shipped()}
    assert handler({"command": "migrate"}) == {"applied": []}


def test_the_command_migrate_raises_when_it_fails_and_the_log_says_why(
    handler: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://me:marker-8@127.0.0.1:{free_port()}/app")
    with pytest.raises(ServiceUnavailable):
        handler({"command": "migrate"})
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "Connection refused" in record.reason  # type: ignore[attr-defined]
    assert "marker-8" not in caplog.text


@pytest.mark.parametrize(
    "event",
    [event_v2(), {"command": "migrate"}, {"job": "count"}, {}, None],
    ids=["http", "migrate", "job", "empty", "none"],
)
def test_a_wrong_configuration_raises_for_every_event(
    handler: Any, monkeypatch: pytest.MonkeyPatch, event: Any
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "headgate")
    with pytest.raises(ConfigError, match="TOKEN_ISSUER or COGNITO_USER_POOL_ID is missing"):
        handler(event)
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME")


def test_the_application_is_made_once(handler: Any) -> None:
    handler(event_v2("GET", "/health"))
    app = lambda_handler._app()
    handler(event_v1("GET", "/health"))
    assert lambda_handler._app() is app
