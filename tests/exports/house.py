"""All that exports take, for tests from outside: a database of their own, the sample lake with odd rows, a partner."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from service import config
from service.database.schema import migrate
from service.exports.lake import iceberg, sample
from service.jobs.worker import Worker
from service.security.issuer import OwnIssuer
from tests.conftest import SCOPES
from tests.installations import Installation
from tests.jobs.conftest import wait_for
from tests.partner import Partner
from tests.partner.records import Records, Refuses
from tests.postgres import Postgres

CUSTOMERS, ORDERS, PRODUCTS = "local_customers_silver", "local_orders_silver", "local_products_silver"
ODD = "local_odd_silver"
DIGITS = Decimal("12345678901234567890123456789012345.678")
ODD_ROWS: list[dict[str, Any]] = [
    {"id": 2**63 - 1, "text": '=HYPERLINK("https://example.com")', "amount": DIGITS, "ratio": 0.1},
    {
        "id": 2,
        "text": "Žluťoučký 日本語 \U0001f600\r\n\"quoted\", 'too'",
        "amount": DIGITS.copy_negate(),
        "ratio": -1e-9,
    },
    {"id": 3, "text": "", "amount": None, "ratio": None},
    {"id": 4, "text": "x" * 20_000, "amount": Decimal("0.001"), "ratio": 1e300},
]
EMPTY = "DELETE FROM export_runs; DELETE FROM export_fingerprints; DELETE FROM jobs; DELETE FROM job_schedules"
TABLES = {
    CUSTOMERS: {"key": ["customer_id"], "date": "processed_date"},
    ORDERS: {"key": ["order_id"], "date": "processed_date"},
    PRODUCTS: {"key": ["product_id"], "date": "processed_date"},
    ODD: {"key": ["id"]},
}


class House(Installation):
    """An installation over the sample lake that sends to one stand-in, and works off its jobs when it is told to."""

    partner: Partner

    def empty(self) -> None:
        """Forget every run."""
        self.sql(EMPTY)

    def send_to(self, partner: Partner) -> None:
        """Let the service send to a stand-in."""
        self.partner = partner
        self.environ["API_CREDENTIALS"] = json.dumps(partner.credentials)

    def renew(self, refuses: Refuses | None = None, refusing: str = "batch") -> None:
        """Let the partner have taken nothing yet, and refuse some rows."""
        self.partner.records = Records(self.partner.seed, refuses, refusing, ("customer_id",))
        self.partner.faults = []
        self.partner.latency = 0

    def work(self, **environ: str) -> None:
        """Work off the queue until it is empty."""
        with self.app(**environ) as app:
            worker = Worker(app, config.load(self.environ | environ))
            worker.start()
            wait_for(lambda: not self.sql("SELECT id FROM jobs WHERE dead_at IS NULL"), "the queue is empty", 60)
            worker.stop(5)
            assert worker.join(10)

    def token(self, *scopes: str) -> str:
        return OwnIssuer(config.load(self.environ)).issue("test", scopes or SCOPES, 3600)

    def assert_all_is_accounted_for(self) -> None:
        """The rows at the partner are those that the runs have sent, each once, and none is missing or left."""
        found = self.sql("SELECT sum(rows_selected - rows_rejected), sum(rows_sent) FROM export_runs")
        assert found == [(len(self.partner.rows), len(self.partner.rows))]
        assert self.partner.violations == []


@contextmanager
def opened(postgres: Postgres, directory: Path, **environ: str) -> Iterator[House]:
    """Open a house with a database of its own; `directory` holds the lake, which all that are opened there share."""
    url = postgres.create(f"exports_{uuid.uuid4().hex}")
    migrate(config.load({"DATABASE_URL": url}))
    data_dir = directory / "house-of-exports"
    if not data_dir.exists():
        _fill(data_dir / "lake")
    house = House(url, DATA_DIR=str(data_dir), EXPORT_TABLES=json.dumps(TABLES), **environ)
    with Partner() as partner:
        house.send_to(partner)
        try:
            yield house
        finally:
            house.close()


def _fill(lake: Path) -> None:
    sample.provide(lake, "local")
    types = {"id": pa.int64(), "text": pa.string(), "amount": pa.decimal128(38, 3), "ratio": pa.float64()}
    table = pa.Table.from_pylist(ODD_ROWS, pa.schema(types))
    with iceberg.opened(lake) as catalog:
        catalog.create_table((iceberg.NAMESPACE, ODD), table.schema).append(table)


def of_customer(*numbers: int) -> Refuses:
    """Return what refuses these customers."""
    return lambda row: f"customer {row['customer_id']} is unknown" if row.get("customer_id") in numbers else None
