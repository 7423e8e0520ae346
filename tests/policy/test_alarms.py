"""Every alarm goes off when it should, and ends: on the metrics that the code prints, and on those that AWS documents.

Those of exports are in `test_alarms_of_exports.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest

from service import lambda_handler
from service.metrics.embedded import NAMESPACE
from service.metrics.table import TABLE
from tests.fullbay import Fault, Fullbay
from tests.ingestion.conftest import ingestion_template as ingestion_template
from tests.ingestion.conftest import install as install
from tests.ingestion.function import SCHEDULED, Function, record
from tests.ingestion.function import as_function as as_function
from tests.ingestion.function import queue as queue
from tests.metrics.conftest import fresh as fresh
from tests.policy.conftest import ENVIRONMENT, NAME, SOURCES, Applied
from tests.policy.watching import OF_API, OF_FUNCTION, Watch
from tests.policy.watching import watch as watch
from tests.postgres import free_port
from tests.secret_stores import CREDENTIALS, REGION, Moto
from tests.transports import ROOT, event_v2

DOCUMENT = (ROOT / "docs" / "operating.md").read_text()
OF_WRITER = {"DBClusterIdentifier": NAME, "Role": "WRITER"}
OF_PROXY = {"ProxyName": NAME}


class Fact(NamedTuple):
    """How AWS documents a metric: its dimensions and its unit, None where the page names none of CloudWatch's."""

    dimensions: frozenset[str]
    unit: str | None


def fact(*dimensions: str, unit: str | None) -> Fact:
    return Fact(frozenset(dimensions), unit)


FACTS = {
    # docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    ("AWS/Lambda", "Errors"): fact("FunctionName", unit="Count"),
    ("AWS/Lambda", "Throttles"): fact("FunctionName", unit="Count"),
    ("AWS/Lambda", "Duration"): fact("FunctionName", unit="Milliseconds"),
    # docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
    ("AWS/ApiGateway", "5xx"): fact("ApiId", "Stage", unit="Count"),
    ("AWS/ApiGateway", "Count"): fact("ApiId", "Stage", unit="Count"),
    ("AWS/ApiGateway", "Latency"): fact("ApiId", "Stage", unit="Milliseconds"),
    # docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): fact("QueueName", unit="Count"),
    ("AWS/SQS", "ApproximateAgeOfOldestMessage"): fact("QueueName", unit="Seconds"),
    # docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Aurora.AuroraMonitoring.Metrics.html, dimensions.html
    ("AWS/RDS", "ACUUtilization"): fact("DBClusterIdentifier", "Role", unit=None),
    ("AWS/RDS", "DatabaseConnections"): fact("DBClusterIdentifier", "Role", unit="Count"),
}
PROXY_FACTS = {
    # docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/rds-proxy.monitoring.html: dimension set 1
    ("AWS/RDS", "DatabaseConnections"): fact("ProxyName", unit=None),
    ("AWS/RDS", "MaxDatabaseConnectionsAllowed"): fact("ProxyName", unit=None),
}


class Measured(NamedTuple):
    """What a service of AWS measures of itself: what is usual, and what is bad."""

    namespace: str
    name: str
    unit: str
    dimensions: dict[str, str]
    usual: float
    bad: float


BY_AWS = {
    "function-throttles": [Measured("AWS/Lambda", "Throttles", "Count", OF_FUNCTION, 0, 1)],
    "function-duration": [Measured("AWS/Lambda", "Duration", "Milliseconds", OF_FUNCTION, 240_000, 240_001)],
    "api-latency": [Measured("AWS/ApiGateway", "Latency", "Milliseconds", OF_API, 1900, 2100)],
    "undelivered": [
        Measured("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Count", {"QueueName": f"{NAME}-undelivered"}, 0, 1)
    ],
    "job-age": [
        Measured("AWS/SQS", "ApproximateAgeOfOldestMessage", "Seconds", {"QueueName": f"{NAME}-jobs"}, 1800, 3601)
    ],
    "database-capacity": [Measured("AWS/RDS", "ACUUtilization", "Percent", OF_WRITER, 60, 95)],
    "database-connections": [Measured("AWS/RDS", "DatabaseConnections", "Count", OF_WRITER, 900, 1400)],
    "proxy-connections": [
        Measured("AWS/RDS", "DatabaseConnections", "Count", OF_PROXY, 700, 900),
        Measured("AWS/RDS", "MaxDatabaseConnectionsAllowed", "Count", OF_PROXY, 1000, 1000),
    ],
}


@pytest.fixture
def fullbay() -> Iterator[Fullbay]:
    with Fullbay(work_orders=30, customers=0, parts=0, invoices=10) as fullbay:
        yield fullbay


@pytest.fixture
def function(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Function]]:
    """Makes the function, with a database that works: `function(DEADLINE_SECONDS="1")`."""
    made: list[Function] = []
    about = {
        "AWS_LAMBDA_FUNCTION_NAME": NAME,
        "ENVIRONMENT": ENVIRONMENT,
        "TOKEN_ISSUER": "https://issuer.example.com",
    }

    def make(**environ: str) -> Function:
        made.append(Function({**environment, **about, **environ}, monkeypatch))
        return made[-1]

    yield make
    for one in made:
        one.forget()


def metrics_of(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the metrics that an alarm looks at."""
    return [query["metric"][0] for query in alarm["metric_query"] if query["metric"]] or [alarm]


# What they are


def test_every_alarm_is_triggered_by_a_test(alarms: Applied) -> None:
    source = "".join(path.read_text() for path in Path(__file__).parent.glob("test_alarms*.py"))
    triggered = {*BY_AWS, *re.findall(r'watch\("([a-z-]+)"\)', source), *(f"freshness-{source}" for source in SOURCES)}
    assert triggered == set(alarms)


def test_every_alarm_is_sent_both_ways_and_says_what_to_do_first(alarms: Applied) -> None:
    for name, alarm in alarms.items():
        assert alarm["alarm_actions"] == alarm["ok_actions"], name
        assert alarm["alarm_actions"][0].endswith(f":{NAME}-alarms"), name
        assert alarm["actions_enabled"], name
        assert re.fullmatch(r"[A-Z].+\. First: .+\. More: docs/operating\.md#alarms", alarm["alarm_description"]), name
        assert len(alarm["alarm_description"]) <= 1024, name


def test_what_is_missing_is_bad_for_freshness_alone(alarms: Applied) -> None:
    bad = {name for name, alarm in alarms.items() if alarm["treat_missing_data"] == "breaching"}
    assert bad == {f"freshness-{source}" for source in SOURCES}
    assert {alarm["treat_missing_data"] for alarm in alarms.values()} == {"breaching", "notBreaching"}


def test_cloudwatch_takes_the_time_that_an_alarm_looks_back(alarms: Applied) -> None:
    """docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html, EvaluationPeriods."""
    for name, alarm in alarms.items():
        period = metrics_of(alarm)[0]["period"]
        longest = 7 * 24 * 3600 if period >= 3600 else 24 * 3600
        assert alarm["evaluation_periods"] * period <= longest, name
        assert 1 <= alarm["datapoints_to_alarm"] <= alarm["evaluation_periods"], name


def test_metrics_of_aws_are_called_as_aws_documents_them(alarms: Applied) -> None:
    found = [
        (name, metric)
        for name, alarm in alarms.items()
        for metric in metrics_of(alarm)
        if metric["namespace"] != NAMESPACE
    ]
    assert len(found) > 8
    for name, metric in found:
        facts = PROXY_FACTS if name.startswith("proxy") else FACTS
        expected = facts[metric["namespace"], metric["metric_name"]]
        assert frozenset(metric["dimensions"]) == expected.dimensions, name
        assert metric["unit"] in ("", None) if expected.unit is None else metric["unit"] == expected.unit, name


def test_metrics_of_the_service_are_called_as_in_its_table(alarms: Applied) -> None:
    by_name = {metric.name: metric for metric in TABLE}
    found = [
        (name, metric)
        for name, alarm in alarms.items()
        for metric in metrics_of(alarm)
        if metric["namespace"] == NAMESPACE
    ]
    assert len(found) > 5
    for name, metric in found:
        told = by_name[metric["metric_name"]]
        assert metric["unit"] == told.unit, name
        assert metric["dimensions"]["Environment"] == ENVIRONMENT, name
        assert set(metric["dimensions"]) in ({"Environment"}, {"Environment", *told.dimensions}), name


def test_operators_find_every_alarm_in_the_guide(alarms: Applied) -> None:
    _, found, section = DOCUMENT.partition("\n## Alarms\n")
    assert found, "docs/operating.md has no section Alarms"
    rows = set(re.findall(r"^\| `([a-z-]+)` \|", section.split("\n## ")[0], re.MULTILINE))
    assert rows == {re.sub("^freshness-.*", "freshness", name) for name in alarms}


def test_the_dashboard_shows_every_alarm_and_metrics_that_there_are(observability: Applied, alarms: Applied) -> None:
    body = json.loads(observability["aws_cloudwatch_dashboard.this"]["dashboard_body"])
    first, *graphs = [widget["properties"] for widget in body["widgets"]]
    assert set(first["alarms"]) == {alarm["arn"] for alarm in alarms.values()}
    names = {metric.name for metric in TABLE}
    shown = [tuple(metric) for graph in graphs for metric in graph["metrics"]]
    assert len(shown) == len(set(shown)) > 20
    for namespace, name, *dimensions in shown:
        if namespace == NAMESPACE:
            assert (name in names, dimensions) == (True, ["Environment", ENVIRONMENT])
        else:
            told = {
                dimension for known, about in FACTS.items() if known[0] == namespace for dimension in about.dimensions
            }
            assert set(dimensions[::2]) == told, name


# On what AWS measures


@pytest.mark.parametrize("name", BY_AWS)
def test_an_alarm_goes_off_on_what_aws_measures_and_ends(watch: Watch, name: str) -> None:
    watched = watch(name)

    def go_on(value_of: Callable[[Measured], float]) -> str:
        for _ in range(watched.alarm["evaluation_periods"]):
            watched.wait()
            for one in BY_AWS[name]:
                watched.cloudwatch.put(one.namespace, one.name, value_of(one), one.unit, **one.dimensions)
        return watched.state

    assert go_on(lambda one: one.usual) == "OK"
    assert go_on(lambda one: one.bad) == "ALARM"
    assert go_on(lambda one: one.usual) == "OK"


def test_a_moment_is_no_trend(watch: Watch) -> None:
    """Where a value may be high for a while, it is looked at three times."""
    for name in ("api-latency", "database-capacity", "database-connections"):
        watched = watch(name)
        (one,) = BY_AWS[name]
        for value in (one.usual, one.bad, one.bad):
            watched.wait()
            watched.cloudwatch.put(one.namespace, one.name, value, one.unit, **one.dimensions)
        assert watched.state == "OK", name


# On what the code does


def test_an_invocation_that_raises_is_an_error(watch: Watch, function: Callable[..., Function]) -> None:
    watched = watch("function-errors")
    invoke = function().invoke
    assert watched.invoke(invoke, event_v2("GET", "/health"))["statusCode"] == 200
    assert watched.state == "OK"
    assert isinstance(watched.invoke(invoke, {"nobody": "knows"}), lambda_handler.UnknownEvent)
    assert watched.state == "ALARM"
    watched.forget()
    assert watched.state == "OK"


def test_answers_5xx_are_counted_against_all_answers(watch: Watch, function: Callable[..., Function]) -> None:
    watched = watch("api-errors")
    request = event_v2("GET", "/api/v1/events", claims={"sub": "partner", "scope": "events:read"})
    broken = function(DATABASE_URL=f"postgresql://127.0.0.1:{free_port()}/nothing")
    assert watched.invoke(broken.invoke, request)["statusCode"] == 503
    assert watched.state == "OK"  # it is one of two periods that count
    watched.wait()
    assert watched.invoke(broken.invoke, request)["statusCode"] == 503
    assert watched.state == "ALARM"
    broken.forget()
    whole = function()
    for _ in range(2):
        watched.wait()
        assert watched.invoke(whole.invoke, request)["statusCode"] == 200
    assert watched.state == "OK"
    watched.forget()
    assert watched.state == "OK"  # without requests nothing is divided


def test_work_that_gets_no_connection_is_a_timeout_of_the_pool(watch: Watch, function: Callable[..., Function]) -> None:
    watched = watch("pool-timeouts")
    invoke = function(DEADLINE_SECONDS="0.3").invoke
    request = event_v2("GET", "/api/v1/events", claims={"sub": "partner", "scope": "events:read"})
    assert watched.invoke(invoke, request)["statusCode"] == 200
    assert watched.state == "OK"
    pool = lambda_handler._app().extensions["database"]._pool
    held = pool.acquire()
    assert watched.invoke(invoke, request)["statusCode"] == 503
    pool.release(held)
    assert watched.state == "ALARM"
    watched.forget()
    assert watched.invoke(invoke, request)["statusCode"] == 200
    assert watched.state == "OK"


def test_a_job_that_never_works_ends_as_a_dead_letter(
    watch: Watch, function: Callable[..., Function], moto: Moto
) -> None:
    watched = watch("dead-letters")
    invoke = function().invoke
    keys = {name.lower(): value for name, value in CREDENTIALS.items()}
    sqs = boto3.client("sqs", region_name=REGION, endpoint_url=moto.url, **keys)
    dead_letters, jobs = (f"{NAME}-{name}" for name in ("dead-letters", "jobs"))
    dead_letters_url = sqs.create_queue(QueueName=dead_letters)["QueueUrl"]
    of_dead_letters = sqs.get_queue_attributes(QueueUrl=dead_letters_url, AttributeNames=["All"])["Attributes"]
    redrive = {"deadLetterTargetArn": of_dead_letters["QueueArn"], "maxReceiveCount": 2}
    attributes = {"VisibilityTimeout": "0", "RedrivePolicy": json.dumps(redrive)}
    url = sqs.create_queue(QueueName=jobs, Attributes=attributes)["QueueUrl"]

    def measure() -> str:
        found = sqs.get_queue_attributes(QueueUrl=dead_letters_url, AttributeNames=["ApproximateNumberOfMessages"])
        waiting = int(found["Attributes"]["ApproximateNumberOfMessages"])
        name = "ApproximateNumberOfMessagesVisible"
        watched.cloudwatch.put("AWS/SQS", name, waiting, "Count", QueueName=dead_letters)
        return watched.state

    sqs.send_message(QueueUrl=url, MessageBody='{"job": "nobody-knows"}')
    assert measure() == "OK"
    while messages := sqs.receive_message(QueueUrl=url, AttributeNames=["All"]).get("Messages"):
        (message,) = messages
        event = {
            "Records": [record(message["MessageId"], message["Body"], message["ReceiptHandle"], message["Attributes"])]
        }
        answer = watched.invoke(invoke, event)
        assert answer == {"batchItemFailures": [{"itemIdentifier": message["MessageId"]}]}
    watched.wait()
    assert measure() == "ALARM"
    sqs.purge_queue(QueueUrl=dead_letters_url)
    watched.wait()
    assert measure() == "OK"


def test_records_that_cannot_be_stored_are_rejects(
    watch: Watch, install: Any, as_function: Any, fullbay: Fullbay
) -> None:
    watched = watch("rejects")
    invoke = as_function(install(fullbay), ENVIRONMENT=ENVIRONMENT).invoke
    assert watched.invoke(invoke, SCHEDULED)["status"] == "SUCCESS"
    assert watched.state == "OK"
    fullbay.insert("work-orders")
    fullbay.faults = [Fault("drift", what="id_null", share=1)]
    assert watched.invoke(invoke, SCHEDULED)["status"] == "PARTIAL"
    assert watched.state == "ALARM"
    watched.forget()
    assert watched.state == "OK"


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_that_is_not_read_completely_gets_old(
    watch: Watch, install: Any, as_function: Any, fullbay: Fullbay, source: str
) -> None:
    watched = watch(f"freshness-{source}")
    installation = install(fullbay)
    invoke = as_function(installation, ENVIRONMENT=ENVIRONMENT).invoke
    scheduled = SCHEDULED | {"detail": {"job": "ingest", "source": source}}
    assert watched.state == "ALARM"  # it was never read
    assert watched.invoke(invoke, scheduled)["status"] == "SUCCESS"
    assert watched.state == "OK"
    watched.wait(40)
    assert watched.state == "OK"  # the last reading is younger than it may get
    watched.forget()
    assert watched.state == "ALARM"  # no run begins any more
    installation.sql("UPDATE ingestion_windows SET began_at = began_at - interval '60 hours'")
    fullbay.rotate("default", "another")
    assert isinstance(watched.invoke(invoke, scheduled), Exception)
    assert watched.state == "ALARM"  # one has ended, and has read nothing
    fullbay.rotate("default", installation.environ["FULLBAY_API_KEY_DEFAULT"])
    watched.wait()
    assert watched.invoke(invoke, scheduled)["status"] == "SUCCESS"
    assert watched.state == "OK"
