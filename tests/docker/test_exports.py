"""The image exports: as the Lambda function, on each trigger's event over an Athena that is none, and as Compose's."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pytest

from tests.athena import Athena
from tests.docker import engine
from tests.docker.bridge import bridged
from tests.docker.conftest import Stack
from tests.exports.rows import Record
from tests.exports.truth import assert_true
from tests.ingestion.function import Queue
from tests.installations import Installation
from tests.partner import Fault, Partner
from tests.postgres import free_port
from tests.transports import Answer, Client, HttpClient, LambdaClient, event_v2

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

CUSTOMERS, ORDERS = "dev_customers_silver", "dev_orders_silver"
RULES = {CUSTOMERS: {"key": ["customer_id"], "date": "processed_date"}, ORDERS: {"key": ["customer_id"]}}
EMPTY = "TRUNCATE export_runs, export_batches, export_rejects, export_fingerprints, jobs RESTART IDENTITY"
SCOPES = ("exports:run", "exports:read")
NAMES = ("John", "Zoë", "佐藤", 'Ann "Annie"', "two\nlines", "", None)
REGIONS = ("US", "DE", "BR")

# The events of the seed, as they stand there.
SCHEDULED = {
    "source": "aws.events",
    "detail-type": "Scheduled Event",
    "detail": {"table": CUSTOMERS, "date_filter": "yesterday", "where_clause": "region = 'US'"},
}
NOTIFIED = {
    "Records": [{"s3": {"bucket": {"name": "data-lake"}, "object": {"key": "silver/customers/part-001.parquet"}}}]
}
QUERY = {"table": CUSTOMERS, "limit": "100", "where_clause": "processed_date >= '2024-01-01'"}

OBJECT_CREATED = {
    "version": "0",
    "id": "17793124-05d4-b198-2fde-7ededc63b103",
    "detail-type": "Object Created",
    "source": "aws.s3",
    "account": "123456789012",
    "time": "2026-11-28T10:00:00Z",
    "region": "eu-west-1",
    "resources": ["arn:aws:s3:::data-lake"],
    "detail": {
        "version": "0",
        "bucket": {"name": "data-lake"},
        "object": {"key": "silver/orders/2024/01/15/orders.parquet", "size": 5, "etag": "b1", "sequencer": "00617F08"},
        "request-id": "N4N7GDK58NMKJ12R",
        "requester": "123456789012",
        "source-ip-address": "203.0.113.7",
        "reason": "PutObject",
    },
}


def records(today: date, count: int = 300) -> list[Record]:
    """Return rows as the partner is to get them: of today and the two days before, and of a day long past."""
    days = (today, today - timedelta(1), today - timedelta(2), date(2023, 12, 31))
    return [
        {
            "customer_id": f"{number:04}",
            "first_name": NAMES[number % len(NAMES)],
            "region": REGIONS[number % len(REGIONS)],
            "lifetime_value": Decimal(number).scaleb(-2),
            "processed_date": str(days[number % len(days)]),
            "processed_timestamp": f"{days[number % len(days)]}T10:00:00Z",
        }
        for number in range(1, count + 1)
    ]


def arrow(rows: list[Record]) -> pa.Table:
    """Return rows as the lake holds them."""
    read = {"processed_date": date.fromisoformat, "processed_timestamp": datetime.fromisoformat}
    texts = ("customer_id", "first_name", "region")
    types = {name: pa.string() for name in texts} | {"lifetime_value": pa.decimal128(18, 2)}
    types |= {"processed_date": pa.date32(), "processed_timestamp": pa.timestamp("us", "UTC")}
    found = [{name: read.get(name, lambda value: value)(value) for name, value in row.items()} for row in rows]
    return pa.Table.from_pylist(found, pa.schema(types))


@pytest.fixture(scope="module")
def rows() -> list[Record]:
    """What the table of customers holds; that of orders, the first ten of it."""
    return records(datetime.now(UTC).date())


@pytest.fixture(scope="module")
def athena(rows: list[Record]) -> Iterator[Athena]:
    with Athena() as athena:
        athena.create_table(CUSTOMERS, arrow(rows))
        athena.create_table(ORDERS, arrow(rows[:10]))
        yield athena


@pytest.fixture(scope="module")
def _partner() -> Iterator[Partner]:
    with Partner() as partner:
        yield partner


@pytest.fixture
def partner(_partner: Partner) -> Partner:
    """A partner that has taken nothing yet."""
    _partner.rows.clear()
    _partner.faults = []
    return _partner


@pytest.fixture(scope="module")
def queue(athena: Athena) -> Queue:
    return Queue(athena)  # type: ignore[arg-type]


Run = Callable[..., Any]


@pytest.fixture(scope="module")
def run(stack: Stack, athena: Athena, _partner: Partner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs a container of a service of Compose that finds lake and partner on its loopback: `run("worker")`."""
    folder = tmp_path_factory.mktemp("bridge")
    ports = [int(url.rpartition(":")[2]) for url in (athena.url, _partner.url)]
    companion = ["tests.docker.bridge", str(folder), *map(str, ports)]

    @contextmanager
    def start(service: str, *options: str, **environ: str) -> Iterator[str]:
        with stack.run(service, *options, environ=environ, companion=companion, folder=folder) as name:
            try:
                yield name
            finally:
                written = engine.logs(name)
                assert not [one for one in (_partner.grants.client_secret, *_partner.tokens) if one in written]

    with bridged(folder, *ports):
        yield start


def assert_exported(partner: Partner, database: Installation, expected: list[Record]) -> str:
    """Check that there is one run, and that the partner has what it selects and nothing else; return the run's id."""
    ((run_id,),) = database.sql("SELECT id::text FROM export_runs")
    told = assert_true(partner, database.sql, run_id, expected)
    assert (told.status, told.rows_sent, len(partner.rows)) == ("SUCCEEDED", len(expected), len(expected))
    assert expected
    return str(run_id)


# On Lambda


@pytest.fixture(scope="module")
def function(run: Run, athena: Athena, _partner: Partner, queue: Queue, first_migration: Any) -> Iterator[Any]:
    """The function, invoked with events; its secret is where it looks for it by itself."""
    secrets = athena.client("secretsmanager")
    secrets.create_secret(Name="dev/api/credentials", SecretString=json.dumps(_partner.credentials))
    port = free_port()
    environ = {**athena.environ, "ENV": "dev", "JOBS_QUEUE_URL": queue.url, "EXPORT_TABLES": json.dumps(RULES)}
    try:
        with run("emulator", f"--publish 127.0.0.1:{port}:8080", **environ):
            engine.wait_for_function(port)
            yield lambda event: engine.invoke(port, event)
    finally:
        secrets.delete_secret(SecretId="dev/api/credentials", ForceDeleteWithoutRecovery=True)


@pytest.fixture
def emulated(database: Callable[[str], Installation], athena: Athena) -> Installation:
    """The database of the function, where nothing has been exported yet."""
    found = database("emulated")
    found.sql(EMPTY)
    athena.calls.clear()
    return found


def deliver(function: Any, queue: Queue) -> list[str]:
    """Deliver the message that waits, as SQS does; return what of it has failed."""
    event = queue.receive(seconds=5)
    assert event is not None
    return queue.settle(event, function(event))


def test_the_schedule_of_the_seed_exports(
    function: Any, partner: Partner, emulated: Installation, rows: list[Record]
) -> None:
    answer = function(SCHEDULED)
    ((day,),) = emulated.sql("SELECT date(created_at AT TIME ZONE 'UTC') - 1 FROM export_runs")
    expected = [row for row in rows if row["region"] == "US" and row["processed_date"] == str(day)]
    run_id = assert_exported(partner, emulated, expected)
    assert answer == {"status": "SUCCEEDED", "run": run_id, "message": None}


def test_the_notification_of_the_seed_exports(
    function: Any, partner: Partner, emulated: Installation, rows: list[Record]
) -> None:
    assert function(NOTIFIED)["status"] == "SUCCEEDED"
    assert_exported(partner, emulated, rows)


def test_the_event_of_eventbridge_exports(
    function: Any, partner: Partner, emulated: Installation, rows: list[Record]
) -> None:
    assert function(OBJECT_CREATED)["status"] == "SUCCEEDED"
    assert_exported(partner, emulated, rows[:10])
    assert function(OBJECT_CREATED)["status"] == "ENDED"  # delivered twice
    assert_exported(partner, emulated, rows[:10])


def client_of(function: Any) -> Client:
    """Return a client whose token API Gateway has verified."""
    claims = {"sub": "partner", "scope": " ".join(SCOPES)}

    def build(method: str, target: str, **about: Any) -> dict[str, Any]:
        return event_v2(method, target, claims=claims, **about)

    return LambdaClient(function, build=build)


def by_post(client: Client) -> Answer:
    filters = [{"column": "region", "op": "in", "value": ["DE", "BR"]}]
    return client.post("/api/v1/exports", json={"table": CUSTOMERS, "filters": filters})


def by_get(client: Client) -> Answer:
    return client.get("/export?" + "&".join(f"{name}={quote(value)}" for name, value in QUERY.items()))


@pytest.mark.parametrize(
    ("ask", "is_meant"),
    [
        (by_post, lambda row: row["region"] in ("DE", "BR")),
        (by_get, lambda row: row["processed_date"] >= "2024-01-01"),
    ],
    ids=["POST /api/v1/exports", "the seed's GET /export"],
)
def test_a_request_queues_a_message_that_exports(
    function: Any, partner: Partner, emulated: Installation, queue: Queue, rows: list[Record], ask: Any, is_meant: Any
) -> None:
    client = client_of(function)
    answer = ask(client)
    assert answer.status == 202, answer.body
    assert partner.rows == []
    assert deliver(function, queue) == []
    expected = [row for row in rows if is_meant(row)]
    if ask is by_get:
        told = client.get(answer.headers["location"]).json()
        assert (told["rowsSelected"], told["truncated"], told["rowsAvailable"]) == (100, True, len(expected))
        taken = {one.row["customer_id"] for one in partner.rows}
        expected = [row for row in expected if row["customer_id"] in taken]
    assert answer.headers["location"] == f"/api/v1/exports/{assert_exported(partner, emulated, expected)}"
    assert queue.count() == 0


@pytest.mark.parametrize(
    ("event", "answer"),
    [
        (
            {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-11-28T10:00:00Z", "Bucket": "data-lake"},
            None,
        ),
        ({"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": "silver/customers/metadata/v1.json"}}}]}, []),
        ({"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": "silver/secrets/1.parquet"}}}]}, []),
        ({"queryStringParameters": QUERY}, "UnknownEvent"),
        ({"detail": SCHEDULED["detail"]}, "UnknownEvent"),
        (SCHEDULED | {"source": "aws.nobody"}, "UnknownEvent"),
        (OBJECT_CREATED | {"detail-type": "Object Deleted"}, "UnknownEvent"),
        ({"Records": [NOTIFIED["Records"][0] | {"eventName": "ObjectRemoved:Delete"}]}, "UnknownEvent"),
    ],
    ids=["test", "metadata", "no table", "half a request", "no source", "other source", "deleted", "removed"],
)
def test_an_event_that_is_about_no_rows_exports_nothing(
    function: Any, partner: Partner, emulated: Installation, queue: Queue, athena: Athena, event: Any, answer: Any
) -> None:
    found = function(event)
    assert (found.get("errorType", found.get("queued")) if found else found) == answer
    assert emulated.sql("SELECT id FROM export_runs") == []
    assert (partner.rows, queue.count(), athena.calls.count("StartQueryExecution")) == ([], 0, 0)


def test_a_run_that_fails_is_an_error_of_the_function_and_goes_on_when_aws_tries_again(
    function: Any, partner: Partner, emulated: Installation, rows: list[Record], athena: Athena
) -> None:
    event = SCHEDULED | {"id": str(uuid.uuid4()), "detail": {"table": CUSTOMERS}}
    partner.faults = [Fault("status", status=404, requests=range(3, 100))]  # the first was for a token
    answer = function(event)
    assert answer["errorType"] == "RunFailed"
    assert "the partner answered 404" in answer["errorMessage"]
    assert emulated.sql("SELECT status FROM export_runs") == [("FAILED",)]
    assert 0 < len(partner.rows) < len(rows)
    partner.faults = []
    assert function(event)["status"] == "SUCCEEDED"
    assert_exported(partner, emulated, rows)
    assert athena.calls.count("StartQueryExecution") == 1


def test_a_message_whose_run_fails_comes_back(
    function: Any, partner: Partner, emulated: Installation, queue: Queue, rows: list[Record]
) -> None:
    queue.put(json.dumps({"job": "export", "table": ORDERS}))
    event = queue.receive(seconds=5)
    assert event is not None
    partner.faults = [Fault("status", status=404)]
    failed = queue.settle(event, function(event))
    assert failed == [event["Records"][0]["messageId"]]
    partner.faults = []
    assert queue.settle(event, function(event)) == []
    assert_exported(partner, emulated, rows[:10])


# In Docker


def token_of(stack: Stack) -> str:
    scopes = " ".join(f"--scope {scope}" for scope in SCOPES)
    return stack.compose(f"exec -T service python -m service token {scopes}")


@pytest.mark.parametrize("ask", [by_post, by_get])
def test_without_a_lake_an_export_is_refused_and_all_else_works(stack: Stack, ask: Any) -> None:
    client = HttpClient(stack.port, token_of(stack))
    before = client.get("/api/v1/exports")
    assert before.status == 200
    answer = ask(client)
    assert (answer.status, answer.json()["error"]) == (409, "Not Configured")
    assert answer.json()["message"] == "ATHENA_WORKGROUP is not set, and the embedded lake is not installed here"
    assert client.get("/ready").status == 200
    assert client.get("/api/v1/exports").json() == before.json()
    engine.wait_for(lambda: stack.container("service")["State"]["Health"]["Status"] == "healthy", "it is healthy")


def test_without_a_lake_the_command_says_so_on_one_line(stack: Stack) -> None:
    command = ("docker", "exec", stack.container("worker")["Id"], "python", "-m", "service", "export", CUSTOMERS)
    done = engine.run(*command)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "ATHENA_WORKGROUP is not set" in done.stderr


@pytest.fixture(scope="module")
def told(athena: Athena, _partner: Partner) -> Iterator[str]:
    """Tells Compose's caller of lake and partner; returns the option of `run` for what Compose does not pass on."""
    settings = athena.environ | {"ENVIRONMENT": "dev", "EXPORT_TABLES": json.dumps(RULES), "BATCH_SIZE": "20"}
    settings["API_CREDENTIALS"] = json.dumps(_partner.credentials)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        yield f"-e AWS_ENDPOINT_URL={athena.url}"  # which AWS itself does not take


@pytest.fixture(scope="module")
def service(run: Run, told: str) -> Iterator[tuple[str, int]]:
    """A service that may export: its container, and its port."""
    port = free_port()
    with run("service", told, f"--publish 127.0.0.1:{port}:8080") as name:
        engine.wait_until_ready(port)
        yield name, port


def test_the_worker_works_off_what_was_asked_for_over_http(
    stack: Stack,
    run: Run,
    told: str,
    service: tuple[str, int],
    database: Any,
    partner: Partner,
    rows: list[Record],
    no_other_worker: None,
) -> None:
    installation = database("headgate")
    installation.sql(EMPTY)
    client = HttpClient(service[1], token_of(stack))
    answer = by_post(client)
    assert answer.status == 202, answer.body
    location = answer.headers["location"]
    with run("worker", told):
        engine.wait_for(lambda: client.get(location).json()["endedAt"], "the run has ended")
    assert_exported(partner, installation, [row for row in rows if row["region"] != "US"])
    assert client.get(location).json()["batchesPlanned"] == 10
    assert partner.requests[-1].headers["user-agent"].endswith("(dev)")
    assert installation.sql("SELECT * FROM jobs") == []


def test_without_credentials_nothing_is_begun(service: tuple[str, int]) -> None:
    within = ("docker", "exec", "--env", "API_CREDENTIALS=", service[0])
    done = engine.run(*within, "python", "-m", "service", "export", CUSTOMERS)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "The partner's API has no credentials: set API_SECRET_NAME" in done.stderr
