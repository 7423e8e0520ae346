"""A small table with the oddest rows, in DuckDB, and what a statement selects of it in two ways."""

from __future__ import annotations

import struct
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp

from service.exports.lake.catalog import Column, Table
from service.exports.lake.types import parse
from service.exports.selection.statement import Statement

TYPES = {
    "id": ("bigint", "BIGINT"),
    "region": ("string", "VARCHAR"),
    "name": ("varchar(20)", "VARCHAR"),
    "quantity": ("int", "INTEGER"),
    "tiny": ("tinyint", "TINYINT"),
    "value": ("decimal(12,2)", "DECIMAL(12,2)"),
    "big": ("decimal(38,0)", "DECIMAL(38,0)"),
    "ratio": ("double", "DOUBLE"),
    "small": ("float", "FLOAT"),
    "active": ("boolean", "BOOLEAN"),
    "day": ("date", "DATE"),
    "at": ("timestamp", "TIMESTAMP"),
    "seen": ("timestamptz", "TIMESTAMPTZ"),
    "code": ("uuid", "UUID"),
    "iso": ("string", "VARCHAR"),
    "tags": ("array<string>", "VARCHAR[]"),
    "raw": ("binary", "BLOB"),
    "Key": ("string", "VARCHAR"),
}
TABLE = Table(
    "dev_customers_silver", tuple(Column(name, parse(kind)) for name, (kind, _) in TYPES.items()), ("id",), "day"
)
REGIONS = (
    "US",
    "us",
    "",
    "CA",
    "%",
    "_",
    "a_b",
    "\\",
    "Straße",
    "STRASSE",
    "İstanbul",
    "ΣΑΣ",
    "e\u0301",
    "👍",
    "\uff55\uff53",
    None,
)
NAMES = ("Ada", "ada", "O'Brien", "", "ẞ", "Éva", "é👍a", "100%", "back\\slash", None, "line\nbreak")
QUANTITIES = (0, 1, -1, 5, None, 2**31 - 1, -(2**31), 42)
TINIES = (127, -128, None, 0, 3)
VALUES = ("0.00", "-0.01", "12.50", "12.05", None, "9999999999.99", "-9999999999.99", "100")
BIGS = ("9" * 38, "-" + "9" * 38, "0", None, "1")
RATIOS = (0.0, -0.0, 0.1, -1.5, float("nan"), float("inf"), float("-inf"), None, 1e300)
SMALLS = (0.1, 2.5, float("nan"), None, -0.1)
ACTIVES = (True, False, None)
DAYS = (date(2024, 1, 1), date(2024, 2, 29), date(1969, 12, 31), None, date(2023, 12, 31), date(9999, 12, 31))
MOMENTS = (
    datetime(2024, 1, 1, tzinfo=UTC),
    datetime(2023, 12, 31, 23, 59, 59, 999999, UTC),
    datetime(2024, 1, 1, 10, 30, 0, 123456, UTC),
    None,
    datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
)
CODES = (uuid.UUID(int=1), uuid.UUID("ffffffff-ffff-4fff-bfff-ffffffffffff"), None)
ROWS: list[dict[str, Any]] = [
    {
        "id": number,
        "region": REGIONS[number % len(REGIONS)],
        "name": NAMES[number % len(NAMES)],
        "quantity": QUANTITIES[number % len(QUANTITIES)],
        "tiny": TINIES[number % len(TINIES)],
        "value": None if (value := VALUES[number % len(VALUES)]) is None else Decimal(value),
        "big": None if (big := BIGS[number % len(BIGS)]) is None else Decimal(big),
        "ratio": RATIOS[number % len(RATIOS)],
        "small": None if (small := SMALLS[number % 5]) is None else struct.unpack("f", struct.pack("f", small))[0],
        "active": ACTIVES[number % len(ACTIVES)],
        "day": (day := DAYS[number % len(DAYS)]),
        "at": None if (moment := MOMENTS[number % len(MOMENTS)]) is None else moment.replace(tzinfo=None),
        "seen": moment,
        "code": CODES[number % len(CODES)],
        "iso": None if day is None else day.isoformat(),
        "tags": ["x"] if number % 2 else None,
        "raw": b"x" if number % 3 else None,
        "Key": "k",
    }
    for number in range(97)
]


def connect() -> duckdb.DuckDBPyConnection:
    """Return an empty database with the table in it."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET threads = 1")
    columns = ", ".join(f'"{name}" {kind}' for name, (_, kind) in TYPES.items())
    connection.execute(f"CREATE TABLE {TABLE.name} ({columns})")
    marks = ", ".join(["?"] * len(TYPES))
    connection.executemany(f"INSERT INTO {TABLE.name} VALUES ({marks})", [list(row.values()) for row in ROWS])
    return connection


def queries(statement: Statement) -> list[str]:
    """Return a statement as DuckDB's SQL: as it is, and as Athena's SQL that sqlglot reads again."""
    query = exp.select(exp.column("id", quoted=True)).from_(exp.table_(statement.table, quoted=True))
    if statement.condition is not None:
        query = query.where(statement.condition.copy())
    (again,) = sqlglot.transpile(query.sql("athena", identify=True), read="athena", write="duckdb")
    return [query.sql("duckdb"), again]


def selected(connection: duckdb.DuckDBPyConnection, statement: Statement) -> list[int]:
    """Return the ids of the rows that a statement selects, which both ways agree about."""
    one, other = (
        sorted(row[0] for row in connection.execute(query, list(statement.parameters)).fetchall())
        for query in queries(statement)
    )
    assert one == other
    return one
