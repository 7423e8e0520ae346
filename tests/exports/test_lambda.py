"""The function on AWS: each trigger's event through the handler, over an Athena that is none, in its time."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from service import lambda_handler
from service.jobs import RunFailed
from service.lambda_handler import UnknownEvent
from tests.athena import Athena, samples
from tests.exports.house import House, opened
from tests.ingestion.function import Function, Queue
from tests.partner import Fault, Partner
from tests.postgres import Postgres
from tests.transports import event_v1, event_v2, read_answer

ROWS = 900


class Invocations(Function):
    """The function, invoked under ids that a test may choose: AWS tries an event again under the same one."""

    def invoke(self, event: Any, seconds: float = 30, request_id: str | None = None) -> Any:
        ends_at = time.monotonic() + seconds
        context = SimpleNamespace(
            aws_request_id=request_id or str(uuid.uuid4()),
            get_remaining_time_in_millis=lambda: int(1000 * (ends_at - time.monotonic())),
        )
        return json.loads(json.dumps(lambda_handler.handler(json.loads(json.dumps(event)), context)))


@pytest.fixture(scope="module")
def athena() -> Iterator[Athena]:
    with Athena() as athena:
        yield athena


@pytest.fixture(scope="module")
def stage(athena: Athena) -> str:
    """The name of an environment whose tables are in the lake, and whose secret is the partner's."""
    name = f"t{uuid.uuid4().hex[:8]}"
    for table, rows in samples.tables(ROWS, name).items():
        athena.create_table(table, rows)
    return name


@pytest.fixture(scope="module")
def _house(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory, athena: Athena, stage: str) -> Iterator[House]:
    with opened(postgres, tmp_path_factory.getbasetemp()) as house:
        athena.client("secretsmanager").create_secret(
            Name=f"{stage}/api/credentials", SecretString=json.dumps(house.partner.credentials)
        )
        yield house


@pytest.fixture
def queue(athena: Athena) -> Queue:
    return Queue(athena)  # type: ignore[arg-type]


@pytest.fixture
def house(_house: House) -> Iterator[House]:
    _house.empty()
    _house.renew()
    yield _house
    _house.close()


@pytest.fixture
def partner(house: House) -> Partner:
    return house.partner


AsFunction = Callable[..., Invocations]


@pytest.fixture
def as_function(
    house: House, athena: Athena, stage: str, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AsFunction]:
    """Makes the function, its lake as if it had just been started: `as_function(BATCH_SIZE="10")`."""
    made: list[Invocations] = []
    athena.lead(monkeypatch)
    tables = {f"{stage}_{name}_silver": {"key": [f"{name[:-1]}_id"]} for name in ("customers", "orders", "products")}
    tables[f"{stage}_customers_silver"]["date"] = "processed_timestamp"  # type: ignore[assignment]

    def make(**environ: str) -> Invocations:
        about = {
            "DATABASE_URL": house.url,
            "ENV": stage,
            "JOBS_QUEUE_URL": queue.url,
            "AWS_LAMBDA_FUNCTION_NAME": "headgate",
            "TOKEN_ISSUER": "https://issuer.example.com",
            "EXPORT_TABLES": json.dumps(tables),
        }
        made.append(Invocations({**athena.environ, **about, **environ}, monkeypatch))
        return made[-1]

    yield make
    for function in made:
        function.forget()


@pytest.fixture
def function(as_function: AsFunction) -> Invocations:
    return as_function()


def scheduled(stage: str, **detail: Any) -> dict[str, Any]:
    return {
        "source": "aws.events",
        "detail-type": "Scheduled Event",
        "detail": {"table": f"{stage}_customers_silver", **detail},
    }


def notified(*keys: str) -> dict[str, Any]:
    """Return the notification of the seed, about these files."""
    return {"Records": [{"s3": {"bucket": {"name": "data-lake"}, "object": {"key": key}}} for key in keys]}


def by_eventbridge(key: str, sequencer: str = "0055AED6") -> dict[str, Any]:
    about = {"bucket": {"name": "data-lake"}, "object": {"key": key, "sequencer": sequencer}}
    return {"id": str(uuid.uuid4()), "source": "aws.s3", "detail-type": "Object Created", "detail": about}


def the_run(house: House) -> dict[str, Any]:
    ((run,),) = house.sql("SELECT to_jsonb(r) FROM export_runs AS r")
    found: dict[str, Any] = run
    return found


def queries(athena: Athena) -> int:
    return athena.calls.count("StartQueryExecution")


# Each trigger's event


def test_the_schedule_of_the_seed_exports(
    house: House, partner: Partner, function: Invocations, athena: Athena, stage: str
) -> None:
    answer = function.invoke(scheduled(stage, date_filter="2024-01-15", where_clause="region = 'US'"))
    run = the_run(house)
    assert answer == {"status": "SUCCEEDED", "run": run["id"], "message": None}
    assert (run["trigger_kind"], run["engine"], run["mode"]) == ("schedule", "athena", "full")
    assert run["rows_sent"] == len(partner.rows) == ROWS / 5
    assert {one.row["region"] for one in partner.rows} == {"US"}
    assert queries(athena) == 1
    house.assert_all_is_accounted_for()


def test_the_notification_of_the_seed_exports(
    house: House, partner: Partner, function: Invocations, athena: Athena
) -> None:
    answer = function.invoke(notified("silver/customers/part-001.parquet"))
    run = the_run(house)
    assert answer == {"status": "SUCCEEDED", "run": run["id"], "message": None}
    assert (run["trigger_kind"], run["mode"], len(partner.rows)) == ("object", "changed", ROWS)
    house.assert_all_is_accounted_for()


def test_the_event_of_eventbridge_exports(house: House, partner: Partner, function: Invocations) -> None:
    assert function.invoke(by_eventbridge("silver/products/a+b.parquet"))["status"] == "SUCCEEDED"
    assert len(partner.rows) == 200
    house.assert_all_is_accounted_for()


def test_files_of_two_tables_are_two_messages(
    house: House, partner: Partner, function: Invocations, queue: Queue, stage: str
) -> None:
    event = notified("silver/customers/1.parquet", "silver/products/1.parquet", "silver/customers/2.parquet")
    assert function.invoke(event, request_id="r-1") == {
        "queued": [f"{stage}_customers_silver", f"{stage}_products_silver"]
    }
    assert queue.count() == 2
    assert function.invoke(event, request_id="r-1")["queued"]  # AWS has lost the answer
    assert function.work_off(queue) == 4
    assert house.sql("SELECT table_name, status FROM export_runs ORDER BY 1") == [
        (f"{stage}_customers_silver", "SUCCEEDED"),
        (f"{stage}_products_silver", "SUCCEEDED"),
    ]
    assert len(partner.rows) == ROWS + 200
    house.assert_all_is_accounted_for()


@pytest.mark.parametrize(
    "event",
    [
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "data-lake"},
        notified("silver/customers/metadata/00001.metadata.json"),
        notified("silver/customers/_SUCCESS"),
        notified("silver/secrets/x.parquet"),
    ],
    ids=["a test", "metadata", "a marker", "a table that may not be exported"],
)
def test_an_event_that_is_about_no_rows_exports_nothing(
    house: House, function: Invocations, athena: Athena, queue: Queue, event: Any
) -> None:
    assert function.invoke(event) in (None, {"queued": []})
    assert house.sql("SELECT id FROM export_runs") == []
    assert (queries(athena), queue.count()) == (0, 0)


@pytest.mark.parametrize(
    "event",
    [
        {"table": "x"},
        {"detail": {"table": "x"}},
        {"source": "evil", "detail": {"table": "x"}},
        {"source": "aws.events", "detail": {"tables": ["x"]}},
        {"source": "aws.s3", "detail-type": "Object Deleted", "detail": {"table": "x"}},
        {"Records": [{"eventName": "ObjectRemoved:Delete", "s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}}]},
    ],
    ids=json.dumps,
)
def test_an_event_of_another_shape_raises(house: House, function: Invocations, event: Any) -> None:
    with pytest.raises(UnknownEvent):
        function.invoke(event)
    assert house.sql("SELECT id FROM export_runs") == []


def test_a_message_exports(house: House, partner: Partner, function: Invocations, queue: Queue, stage: str) -> None:
    queue.put(json.dumps({"job": "export", "table": f"{stage}_products_silver", "limit": 10}))
    event = queue.receive()
    assert event is not None
    for _ in range(2):  # a standard queue delivers once or more
        assert function.invoke(event) == {"batchItemFailures": []}
    assert the_run(house)["status"] == "SUCCEEDED"
    assert len(partner.rows) == 10
    house.assert_all_is_accounted_for()


@pytest.mark.parametrize("build", [event_v2, event_v1])
def test_a_request_and_its_message_export(
    house: House, partner: Partner, function: Invocations, queue: Queue, stage: str, build: Any
) -> None:
    claims = {"sub": "partner", "scope": "exports:run exports:read"}
    body = json.dumps({"table": f"{stage}_customers_silver", "limit": 40}).encode()
    headers = {"Content-Type": "application/json"}
    event = build("POST", "/api/v1/exports", headers=headers, body=body, claims=claims)
    answer = read_answer(function.invoke(event))
    assert answer.status == 202, answer.body
    assert queue.count() == 1
    assert function.work_off(queue) == 1
    location = "/api/v1/exports/" + answer.json()["id"]
    assert answer.headers["location"].endswith(location)
    run = read_answer(function.invoke(build("GET", location, claims=claims))).json()
    assert (run["status"], run["rowsSent"], run["rowsAvailable"]) == ("SUCCEEDED", 40, ROWS)
    old = f"/export?table={stage}_customers_silver&limit=30&where_clause=processed_timestamp%20%3E%3D%20'2024-01-01'"
    assert read_answer(function.invoke(build("GET", old, claims=claims))).status == 202
    assert function.work_off(queue) == 1
    assert len(partner.rows) == 70
    house.assert_all_is_accounted_for()


# The same event again


@pytest.mark.parametrize("what", ["a schedule", "a schedule with an id", "a file", "a file by EventBridge"])
def test_an_event_that_is_tried_again_goes_on_with_its_run(
    house: House, partner: Partner, as_function: AsFunction, athena: Athena, stage: str, what: str
) -> None:
    event = {
        "a schedule": scheduled(stage),
        "a schedule with an id": scheduled(stage) | {"id": str(uuid.uuid4())},
        "a file": notified("silver/customers/1.parquet"),
        "a file by EventBridge": by_eventbridge("silver/customers/1.parquet"),
    }[what]
    function = as_function(EXPORT_CONCURRENCY="1")
    partner.faults = [Fault("status", status=404, requests=range(5, 100))]
    with pytest.raises(RunFailed, match="404"):
        function.invoke(event, request_id="request-1")
    assert the_run(house)["status"] == "FAILED"
    assert 0 < len(partner.rows) < ROWS
    partner.faults = []
    function.forget()
    answer = function.invoke(event, request_id="request-1" if "id" not in event else "request-2")
    assert (answer["status"], answer["run"]) == ("SUCCEEDED", the_run(house)["id"])
    assert the_run(house)["legs"] == 2
    assert queries(athena) == 1
    assert len(partner.rows) == ROWS
    assert function.invoke(event, request_id="request-1")["status"] == "ENDED"
    house.assert_all_is_accounted_for()


def test_the_next_schedule_is_another_run(house: House, function: Invocations, stage: str) -> None:
    for _ in range(2):
        assert function.invoke(scheduled(stage, limit=5))["status"] == "SUCCEEDED"
    assert house.sql("SELECT count(*) FROM export_runs") == [(2,)]


# In time


def test_a_deadline_in_the_middle_continues_by_the_queue_with_one_query(
    house: House, partner: Partner, as_function: AsFunction, athena: Athena, queue: Queue, stage: str
) -> None:
    function = as_function(BATCH_SIZE="20", EXPORT_CONCURRENCY="1")
    partner.latency = 0.4
    answer = function.invoke(scheduled(stage), seconds=7)
    assert answer["status"] == "CONTINUES", answer
    sent = len(partner.rows)
    assert 0 < sent < ROWS
    run = the_run(house)
    assert (run["status"], run["rows_sent"], run["ended_at"]) == ("CONTINUES", sent, None)
    assert queue.count() + queue.count("Delayed") == 1
    partner.latency = 0
    function.forget()
    assert function.work_off(queue) == 1
    run = the_run(house)
    assert (run["status"], run["legs"], run["rows_sent"]) == ("SUCCEEDED", 2, ROWS)
    assert queries(athena) == 1
    house.assert_all_is_accounted_for()


def test_a_query_that_outlasts_the_invocation_is_waited_for_by_the_next_one(
    house: House, partner: Partner, function: Invocations, athena: Athena, queue: Queue, stage: str
) -> None:
    athena.queries.run_seconds = 6.0
    assert function.invoke(scheduled(stage), seconds=5)["status"] == "CONTINUES"
    assert partner.rows == []
    assert athena.queries.stopped == []
    function.forget()
    assert function.work_off(queue) >= 1
    assert the_run(house)["status"] == "SUCCEEDED"
    assert queries(athena) == 1
    house.assert_all_is_accounted_for()


def test_a_cancelled_run_stops_its_query(
    house: House, partner: Partner, function: Invocations, athena: Athena, queue: Queue, stage: str
) -> None:
    athena.queries.run_seconds = 60.0
    assert function.invoke(scheduled(stage), seconds=3)["status"] == "CONTINUES"
    run = the_run(house)
    claims = {"sub": "partner", "scope": "exports:run"}
    answer = read_answer(function.invoke(event_v2("POST", f"/api/v1/exports/{run['id']}/cancel", claims=claims)))
    assert (answer.status, answer.json()["status"]) == (202, "CANCELLED")
    assert athena.queries.stopped == [run["query_id"]]
    assert function.work_off(queue) == 1
    assert (the_run(house)["status"], partner.rows) == ("CANCELLED", [])


# Secrets


def test_the_secret_may_have_another_name(
    house: House, partner: Partner, as_function: AsFunction, athena: Athena, stage: str
) -> None:
    name = f"another-{uuid.uuid4()}"
    athena.client("secretsmanager").create_secret(Name=name, SecretString=json.dumps(partner.credentials))
    assert as_function(API_SECRET_NAME=name).invoke(scheduled(stage, limit=5))["status"] == "SUCCEEDED"


def test_a_secret_that_is_missing_is_named_and_nothing_is_begun(
    house: House, as_function: AsFunction, stage: str
) -> None:
    function = as_function(API_SECRET_NAME="nobody/api/credentials")
    with pytest.raises(Exception, match=r"temporarily unavailable|cannot be read"):
        function.invoke(scheduled(stage))
    assert house.sql("SELECT id FROM export_runs") == []


def test_no_secret_stands_in_the_log_or_the_database(
    house: House, partner: Partner, function: Invocations, stage: str, caplog: pytest.LogCaptureFixture
) -> None:
    partner.faults = [Fault("echo", requests=[3], status=400)]
    with caplog.at_level("DEBUG"):
        function.invoke(scheduled(stage, limit=250))
    told = repr([vars(record) for record in caplog.records if not record.name.startswith("botocore")])
    for table in ("export_runs", "export_batches", "export_rejects", "jobs"):
        told += repr(house.sql(f"SELECT to_jsonb(t) FROM {table} AS t"))
    assert not [secret for secret in (partner.grants.client_secret, *partner.tokens) if secret in told]
