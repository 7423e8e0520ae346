"""What brings work to the function beside requests: messages, schedules and new files."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.rehearsal import delivery, outside
from tests.rehearsal.environment import Environment
from tests.rehearsal.outcome import check


def messages(environment: Environment) -> Iterator[str]:
    """Messages reach the function: those that are no job, those of schedules, and those of new files."""
    queue = environment.outputs("foundation")["queues"]["jobs"]["url"]
    nothing = json.dumps({"job": "export", "objects": [{"bucket": "lake", "key": "no/table.txt", "mark": "1"}]})
    delivery.send(environment.cloud, queue, nothing, "no JSON")
    delivered = delivery.deliver(environment.cloud, environment.function)
    wrong = [message["MessageId"] for message in delivered.messages if message["Body"] == "no JSON"]
    check(
        delivered.failed == wrong and len(delivered.messages) == 2,
        "of two messages the wrong one comes back",
        delivered,
    )
    yield "of a batch of two messages the one that is no job came back"
    _fill(environment)
    yield from _schedules(environment)
    yield from _new_files(environment)


def _fill(environment: Environment) -> None:
    """Do what people do beside the deployment: put the secrets, and a table into the catalog."""
    cloud, foundation = environment.cloud, environment.outputs("foundation")
    for secret, value in (("shared", {"fullbay_api_key": outside.KEY}), ("partner", outside.PARTNER)):
        name = foundation["secrets"][secret]["name"]
        cloud.client("secretsmanager").put_secret_value(SecretId=name, SecretString=json.dumps(value))
    columns = [{"Name": "customer_id", "Type": "bigint"}, {"Name": "processed_date", "Type": "timestamp"}]
    cloud.client("glue").create_table(
        DatabaseName=foundation["lake"]["database_name"],
        TableInput={"Name": f"{environment.name}_customers_silver", "StorageDescriptor": {"Columns": columns}},
    )


def _schedules(environment: Environment) -> Iterator[str]:
    fired = delivery.fire(environment.cloud, environment.function)
    if not fired:
        yield "no schedule is on"
        return
    delivered = [delivery.deliver(environment.cloud, environment.function, most=1) for _ in fired]
    reads = [one for one in delivered if json.loads(one.messages[0]["Body"])["job"] == "ingest"]
    check(not any(one.failed for one in reads), "the schedules that read Fullbay work", *reads)
    counts = environment.rows(
        "SELECT (SELECT count(*) FROM fullbay_work_orders), (SELECT count(*) FROM fullbay_invoices)"
    )
    check(counts == [(outside.WORK_ORDERS, outside.INVOICES)], "all that Fullbay has was read", counts)
    yield f"{len(fired)} schedules delivered, {outside.WORK_ORDERS} work orders and {outside.INVOICES} invoices read"


def _new_files(environment: Environment) -> Iterator[str]:
    """Put a file into the lake. moto's Athena finds no rows: that an export is begun is all that can be seen."""
    if not environment.cloud.client("events").list_rules(NamePrefix=environment.function)["Rules"]:
        yield "new files begin nothing"
        return
    bucket, key = environment.outputs("foundation")["lake"]["bucket"], "silver/customers/part-1.parquet"
    environment.cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=b"PAR1")
    delivered = delivery.deliver(environment.cloud, environment.function, most=1)
    message = json.loads(delivered.messages[0]["Body"])
    (told,) = message["objects"]
    found = (message["job"], told["bucket"], told["key"])
    check(found == ("export", bucket, key), "a new file is told by its name", message)
    begun = environment.rows("SELECT count(*) FROM export_runs WHERE trigger_kind = 'object'")
    check(begun == [(1,)], "a new file begins an export", begun, delivered)
    yield "a new file began an export"
