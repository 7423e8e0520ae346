"""Rows of a table of customers, as the lake holds them and as the partner is to get them."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow

TABLE = "test_customers_silver"
TYPES = {
    "customer_id": "bigint",
    "name": "string",
    "note": "string",
    "amount": "decimal(12,2)",
    "is_active": "boolean",
}
NAMES = ("Ada", "Zoë", 'Ann "Annie"', "O'Brien", "佐藤", "two\nlines, quoted", "")
RULES = json.dumps({TABLE: {"key": ["customer_id"]}})

Record = dict[str, Any]


def row(number: int, version: int = 0) -> Record:
    """Return the row of one customer, as it is after so many changes."""
    draw = random.Random(f"row {number} {version}")
    return {
        "customer_id": number,
        "name": draw.choice(NAMES),
        "note": draw.choice([None, "", f"version {version}"]),
        "amount": Decimal(100 * number + version).scaleb(-2),
        "is_active": draw.choice([True, False, None]),
    }


def rows(count: int, version: int = 0) -> list[Record]:
    """Return the rows of so many customers."""
    return [row(number, version) for number in range(1, count + 1)]


def text(of: Mapping[str, Any]) -> str:
    """Return a row as a text that is another row's only where all that is in them is the same."""
    return repr(sorted(of.items()))


def parse(payload: str) -> Record:
    """Read a row that was sent."""
    found: Record = json.loads(payload, parse_float=Decimal)
    return found


def arrow(records: list[Record]) -> pyarrow.Table:
    """Return rows as a table of PyArrow."""
    import pyarrow as pa

    kinds = (pa.int64(), pa.string(), pa.string(), pa.decimal128(12, 2), pa.bool_())
    return pa.Table.from_pylist(records, pa.schema(dict(zip(TYPES, kinds, strict=True))))


class Refusing:
    """What a partner does not like: some customers, each for a reason of its own."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = set(numbers)

    def __call__(self, of: Mapping[str, Any]) -> str | None:
        number = of["customer_id"]
        return f"customer {number} is not welcome" if number in self.numbers else None
