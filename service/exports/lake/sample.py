"""The sample lake: customers, orders and products, made once, so that an export has something to send.

What is in it is the same for the same day; its dates are spread over the month before the day on which it is made.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.exports.lake import iceberg
from service.exports.lake.locks import exclusive
from service.exports.settings import TableRule

if TYPE_CHECKING:
    import pyarrow as pa

SEED = 5
CUSTOMERS, ORDERS, PRODUCTS = 1000, 5000, 300
DAYS = 30

FIRST_NAMES = ("John", "Jane", "Zoë", "José", "Łukasz", "Олена", "美咲", "Ngozi", "Søren", 'Ann "Annie"', "D'Arcy")
LAST_NAMES = ("Doe", "O'Brien", "Müller", "García", "Nowak", "Шевченко", "佐藤", "Okafor", "Smith, Jr.", "")
REGIONS = ("US", "EU", "APAC", "LATAM")
TAGS = ("loyal", "new", "b2b", "newsletter", "à la carte")
CITIES = ("Springfield", "Köln", "São Paulo", "大阪")
STATUSES = ("placed", "shipped", "delivered", "returned")
COLOURS = ("red", "green", "blue")


def rules(environment: str) -> tuple[TableRule, ...]:
    """Return the keys and the date columns of the sample tables."""
    keys = {"customers": "customer_id", "orders": "order_id", "products": "product_id"}
    return tuple(TableRule(table_name(environment, what), (key,), "processed_date") for what, key in keys.items())


def table_name(environment: str, what: str) -> str:
    """Return the name of a table, such as `dev_customers_silver`."""
    return f"{_prefix(environment)}_{what}_silver"


def _prefix(environment: str) -> str:
    return re.sub(r"[^a-z0-9_]", "_", environment.lower()) or "local"


def provide(directory: Path, environment: str) -> None:
    """Make the sample tables of an environment, once; what a process left half made is made anew."""
    made = directory / f"sample-of-{_prefix(environment)}"
    if made.exists():
        return
    with exclusive(directory / "sample.lock"):
        if made.exists():
            return
        with iceberg.opened(directory) as catalog:
            for what, table in tables(datetime.now(UTC).date()).items():
                identifier = (iceberg.NAMESPACE, table_name(environment, what))
                if catalog.table_exists(identifier):
                    catalog.drop_table(identifier)
                catalog.create_table(identifier, table.schema).append(table)
        made.touch()


def tables(today: date) -> dict[str, pa.Table]:
    """Return the sample tables as they are made on a day."""
    chance = random.Random(SEED)  # noqa: S311
    return {
        "customers": _customers(chance, today),
        "orders": _orders(chance, today),
        "products": _products(chance, today),
    }


def _table(
    rows: int, today: date, chance: random.Random, make: Callable[[int], dict[str, Any]], **types: Any
) -> pa.Table:
    """Return a table of rows that `make` makes, each processed at some time of the month before today."""
    import pyarrow as pa

    schema = pa.schema({**types, "processed_timestamp": pa.timestamp("us"), "processed_date": pa.date32()})
    made = []
    for number in range(1, rows + 1):
        day = today - timedelta(days=1 + number % DAYS)
        moment = datetime.combine(day, datetime.min.time()) + timedelta(microseconds=chance.randrange(86_400_000_000))
        made.append({**make(number), "processed_timestamp": moment, "processed_date": day})
    return pa.Table.from_pylist(made, schema)


def _customers(chance: random.Random, today: date) -> pa.Table:
    import pyarrow as pa

    def make(number: int) -> dict[str, Any]:
        return {
            "customer_id": number,
            "first_name": chance.choice(FIRST_NAMES),
            "last_name": chance.choice(LAST_NAMES),
            "email": None if number % 40 == 0 else f"customer{number}@example.com",
            "region": None if number % 97 == 0 else chance.choice(REGIONS),
            "lifetime_value": _money(chance, 1_000_000),
            "visits": chance.randrange(500),
            "is_active": chance.choice((True, True, False, None)),
            "tags": None if number % 50 == 0 else chance.sample(TAGS, chance.randrange(4)),
            "address": None
            if number % 30 == 0
            else {"city": chance.choice(CITIES), "zip": f"{chance.randrange(99999):05}"},
            "signed_up_on": today - timedelta(days=chance.randrange(2000)),
        }

    return _table(
        CUSTOMERS,
        today,
        chance,
        make,
        customer_id=pa.int64(),
        first_name=pa.string(),
        last_name=pa.string(),
        email=pa.string(),
        region=pa.string(),
        lifetime_value=pa.decimal128(12, 2),
        visits=pa.int32(),
        is_active=pa.bool_(),
        tags=pa.list_(pa.string()),
        address=pa.struct({"city": pa.string(), "zip": pa.string()}),
        signed_up_on=pa.date32(),
    )


def _orders(chance: random.Random, today: date) -> pa.Table:
    import pyarrow as pa

    def line() -> dict[str, Any]:
        return {
            "product_id": chance.randint(1, PRODUCTS),
            "quantity": chance.randint(1, 5),
            "price": _money(chance, 20_000),
        }

    def make(number: int) -> dict[str, Any]:
        lines = [line() for _ in range(chance.randint(1, 3))]
        return {
            "order_id": number,
            "customer_id": chance.randint(1, CUSTOMERS),
            "status": chance.choice(STATUSES),
            "total": sum((each["price"] * each["quantity"] for each in lines), Decimal()),
            "lines": lines,
            "note": chance.choice((None, "", "leave at the door", 'two\nlines, "quoted"')),
            "ordered_at": datetime.combine(today, datetime.min.time(), UTC)
            - timedelta(seconds=chance.randrange(5_000_000)),
        }

    return _table(
        ORDERS,
        today,
        chance,
        make,
        order_id=pa.int64(),
        customer_id=pa.int64(),
        status=pa.string(),
        total=pa.decimal128(12, 2),
        lines=pa.list_(pa.struct({"product_id": pa.int64(), "quantity": pa.int32(), "price": pa.decimal128(10, 2)})),
        note=pa.string(),
        ordered_at=pa.timestamp("us", "UTC"),
    )


def _products(chance: random.Random, today: date) -> pa.Table:
    import pyarrow as pa

    def make(number: int) -> dict[str, Any]:
        return {
            "product_id": number,
            "sku": f"SKU-{number:05}",
            "name": f"{chance.choice(COLOURS)} article {number}",
            "price": _money(chance, 20_000),
            "weight": None if number % 25 == 0 else round(chance.uniform(0.01, 40), 3),
            "attributes": [("colour", chance.choice(COLOURS)), ("size", chance.choice(("S", "M", "L", "")))],
            "is_sold": number % 7 != 0,
        }

    return _table(
        PRODUCTS,
        today,
        chance,
        make,
        product_id=pa.int64(),
        sku=pa.string(),
        name=pa.string(),
        price=pa.decimal128(10, 2),
        weight=pa.float64(),
        attributes=pa.map_(pa.string(), pa.string()),
        is_sold=pa.bool_(),
    )


def _money(chance: random.Random, cents: int) -> Decimal:
    return Decimal(chance.randrange(cents)).scaleb(-2)
