"""The sample lake: there at first use, once, whoever comes first, and with something for every kind of export."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from service.exports.lake import iceberg, sample
from service.exports.lake.catalog import Table
from service.exports.lake.local import LocalEngine
from tests.exports.lake.lakes import LocalLake, condition, records, select

TODAY = date(2024, 3, 1)
SIZES = {"customers": 1000, "orders": 5000, "products": 300}


@pytest.mark.parametrize("what", SIZES)
def test_the_tables_are_there_with_their_keys_and_dates(local_lake: LocalLake, what: str) -> None:
    name = f"test_{what}_silver"
    assert name in local_lake.engine.catalog.names()
    columns = local_lake.engine.catalog.columns(name)
    assert columns is not None
    [rule] = [rule for rule in sample.rules("test") if rule.name == name]
    table = Table(name, columns, rule.key, rule.date_column)

    rows = records(local_lake, table)

    assert len(rows) == SIZES[what]
    assert len({tuple(row[column] for column in table.key) for row in rows}) == len(rows)
    assert rule.date_column is not None
    week = {str(datetime.now(UTC).date() - timedelta(days=days)) for days in range(2, 8)}
    assert week <= {row[rule.date_column] for row in rows}
    assert all(row["processed_timestamp"].startswith(row["processed_date"]) for row in rows)


def test_customers_have_what_an_export_is_to_survive(local_lake: LocalLake) -> None:
    columns = local_lake.engine.catalog.columns("test_customers_silver")
    assert columns is not None
    table = Table("test_customers_silver", columns)

    rows = records(local_lake, table)

    assert {"customer_id", "first_name", "last_name", "email", "region", "lifetime_value"} <= {*rows[0]}
    assert {None, "customer1@example.com"} <= {row["email"] for row in rows}
    assert "" in {row["last_name"] for row in rows}
    assert any(not row["first_name"].isascii() for row in rows)
    found = records(local_lake, table, select(table, condition('"region" = CAST(? AS VARCHAR)'), "US"))
    assert found == [row for row in rows if row["region"] == "US"] != []


def test_the_same_day_gives_the_same_tables() -> None:
    first, second, later = sample.tables(TODAY), sample.tables(TODAY), sample.tables(TODAY + timedelta(days=1))

    assert all(first[name].equals(second[name]) for name in SIZES)
    assert not any(first[name].equals(later[name]) for name in SIZES)


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ("dev", "dev_orders_silver"),
        ("Dev-1", "dev_1_orders_silver"),
        ("", "local_orders_silver"),
        ("é/..", "_____orders_silver"),
    ],
)
def test_any_environment_makes_a_name(environment: str, name: str) -> None:
    assert sample.table_name(environment, "orders") == name


def test_the_sample_is_made_once_and_quickly(tmp_path: Path) -> None:
    started = time.process_time()
    first = LocalEngine(tmp_path, "dev").catalog.names()
    assert time.process_time() - started < 3
    made = sorted(tmp_path.rglob("*.parquet"))

    assert LocalEngine(tmp_path, "dev").catalog.names() == first
    assert LocalEngine(tmp_path, "prod").catalog.names() != first
    assert [path for path in sorted(tmp_path.rglob("*.parquet")) if "prod_" not in str(path)] == made


def test_what_was_left_half_made_is_made_anew(tmp_path: Path) -> None:
    with iceberg.opened(tmp_path / "lake") as catalog:
        catalog.create_table((iceberg.NAMESPACE, "dev_orders_silver"), sample.tables(TODAY)["products"].schema)
    engine = LocalEngine(tmp_path, "dev")

    columns = engine.catalog.columns("dev_orders_silver")

    assert columns is not None
    assert columns[0].name == "order_id"


def test_processes_that_come_at_once_make_one_sample(tmp_path: Path) -> None:
    script = """
import json, sys
from pathlib import Path
from service.exports.lake.engine import Text
from service.exports.lake.local import LocalEngine
from tests.exports.lake.lakes import run
engine = LocalEngine(Path(sys.argv[1]), "dev")
result = engine.result(run(engine, Text('SELECT COUNT(*) FROM "dev_orders_silver"', ())))
print(json.dumps([located.row for located in result.rows()]))
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]

    outputs = [process.communicate(timeout=60)[0] for process in processes]

    assert [json.loads(output) for output in outputs] == [[["5000"]]] * 3
    assert len(list(tmp_path.glob("lake/warehouse/**/dev_orders_silver/data/*.parquet"))) == 1
