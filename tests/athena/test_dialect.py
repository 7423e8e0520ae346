"""What the emulator's SQL means, where DuckDB's would mean something else."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow
import pytest

from tests.athena import Athena

MOMENT = datetime(2024, 1, 15, 10, 0, 0, 123000, tzinfo=UTC)


@pytest.fixture(scope="module")
def things(server: Athena) -> str:
    """A table with a row of values and a row of NULLs; returns its name in a query."""
    row = pyarrow.struct([("a", pyarrow.int64()), ("b c", pyarrow.list_(pyarrow.string()))])
    values = {
        "truth": ([True], pyarrow.bool_()),
        "n": ([7], pyarrow.int64()),
        "small": ([-7], pyarrow.int8()),
        "double": ([1e10], pyarrow.float64()),
        "single": ([1.5e-7], pyarrow.float32()),
        "price": ([Decimal("1.50")], pyarrow.decimal128(38, 2)),
        "word": (["a_b"], pyarrow.string()),
        "day": ([date(2024, 1, 15)], pyarrow.date32()),
        "moment": ([MOMENT], pyarrow.timestamp("us")),
        "zoned": ([MOMENT], pyarrow.timestamp("us", "UTC")),
        "clock": ([time(10, 30)], pyarrow.time64("us")),
        "bytes": ([b"a\xff"], pyarrow.binary()),
        "list": ([["x", None]], pyarrow.list_(pyarrow.string())),
        "moments": ([[MOMENT]], pyarrow.list_(pyarrow.timestamp("us", "UTC"))),
        "mapped": ([[("b", 1), ("a", None)]], pyarrow.map_(pyarrow.string(), pyarrow.int64())),
        "days": ([[(date(2024, 1, 15), 1)]], pyarrow.map_(pyarrow.date32(), pyarrow.int64())),
        "pair": ([{"a": 1, "b c": ["x"]}], row),
    }
    columns = {name: pyarrow.array([*value, None], kind) for name, (value, kind) in values.items()}
    server.create_table("things", pyarrow.table(columns))
    return f'"{server.database}"."things"'


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("truth", "true"),
        ("n", "7"),
        ("double", "1.0E10"),
        ("single", "1.5E-7"),
        ("price", "1.50"),
        ("day", "2024-01-15"),
        ("moment", "2024-01-15 10:00:00.123000"),
        ("zoned", "2024-01-15 10:00:00.123000 UTC"),
        ("clock", "10:30:00.000000"),
        ("bytes", "61 ff"),
        ("list", "[x, null]"),
        ("mapped", "{b=1, a=null}"),
        ("pair", "{a=1, b c=[x]}"),
        ("to_base64(bytes)", "Yf8="),
        ("CAST(zoned AS VARCHAR)", "2024-01-15 10:00:00.123000 UTC"),
        ("CAST(double AS VARCHAR)", "1.0E10"),
        ("CAST(day AS VARCHAR(4))", "2024"),
        ("CAST(2.5 AS DECIMAL)", "3"),
        ("json_format(CAST(n AS JSON))", "7"),
        ("json_format(CAST(double AS JSON))", "1.0E10"),
        ("json_format(CAST(CAST('NaN' AS DOUBLE) AS JSON))", '"NaN"'),
        ("json_format(CAST(list AS JSON))", '["x",null]'),
        ("json_format(CAST(mapped AS JSON))", '{"a":null,"b":1}'),
        ("json_format(CAST(pair AS JSON))", '{"a":1,"b c":["x"]}'),
        (
            "json_format(CAST(transform(moments, m -> CAST(m AS VARCHAR)) AS JSON))",
            '["2024-01-15 10:00:00.123000 UTC"]',
        ),
        ("json_format(CAST(transform_keys(days, (k, v) -> CAST(k AS VARCHAR)) AS JSON))", '{"2024-01-15":1}'),
        ("json_format(CAST(transform_values(days, (k, v) -> v + 1) AS JSON))", None),
        ("json_format(CAST(CAST(ROW(n, word) AS ROW(\"x y\" bigint, z varchar)) AS JSON))", '{"x y":7,"z":"a_b"}'),
        ("n / 2", "3"),
        ("small / 2", "-3"),
        ("n % 4", "3"),
        ("word LIKE 'a\\_b'", "false"),
        ("word LIKE 'a$_b' ESCAPE '$'", "true"),
        ("regexp_like(word, '^a')", "true"),
        ("date_diff('day', day, DATE '2024-02-15')", "31"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_values_are_written_as_trino_writes_them(rows: Any, things: str, sql: str, text: str | None) -> None:
    if text is None:
        with pytest.raises(AssertionError, match="Cannot cast map"):
            rows(f"SELECT {sql} AS it FROM {things}")
    else:
        assert rows(f"SELECT {sql} AS it FROM {things} WHERE n IS NOT NULL") == [[text]]


@pytest.mark.parametrize(
    "name", ["list", "mapped", "pair", "moments", "days", "double", "zoned", "bytes", "clock", "price"]
)
def test_null_stays_null(rows: Any, things: str, name: str) -> None:
    assert rows(f'SELECT "{name}" AS it FROM {things} WHERE n IS NULL') == [[None]]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("CAST(zoned AS JSON)", "Cannot cast timestamp(6) with time zone to json"),
        ("CAST(bytes AS JSON)", "Cannot cast varbinary to json"),
        ("CAST(moments AS JSON)", "Cannot cast timestamp(6) with time zone to json"),
        ("CAST(days AS JSON)", "Cannot cast map(date, bigint) to json"),
        ("CAST(list AS VARCHAR)", "Cannot cast array(varchar) to varchar"),
        ("CAST(bytes AS VARCHAR)", "Cannot cast varbinary to varchar"),
        ("n = '7'", "Cannot apply operator: bigint eq varchar"),
        ("n IN (1, '7')", "Cannot apply operator: bigint in varchar"),
        ("n BETWEEN 1 AND '7'", "Cannot apply operator: bigint between varchar"),
        ("day = '2024-01-15'", "Cannot apply operator: date eq varchar"),
        ("n LIKE '7'", "Cannot apply operator: bigint like varchar"),
        ("truth = 1", "Cannot apply operator: boolean eq integer"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_types_that_trino_refuses_are_refused(start: Any, end: Any, things: str, sql: str, said: str) -> None:
    status = end(start(f"SELECT {sql} AS it FROM {things}"))["Status"]
    assert status["State"] == "FAILED"
    assert status["StateChangeReason"].startswith("TYPE_MISMATCH")
    assert said in status["StateChangeReason"]
    assert status["AthenaError"]["Retryable"] is False


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT nobodys FROM {things}", "COLUMN_NOT_FOUND"),
        ("SELECT 1 FROM nobodys", "TABLE_NOT_FOUND"),
        ("SELECT CAST(word AS BIGINT) FROM {things}", "INVALID_CAST_ARGUMENT"),
        ("SELECT n / 0 FROM {things}", "GENERIC_USER_ERROR"),
        ("SELECT content FROM read_text('/etc/hostname')", "GENERIC_USER_ERROR"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_with_a_query_is_said(start: Any, end: Any, things: str, sql: str, code: str) -> None:
    status = end(start(sql.format(things=things)))["Status"]
    assert (status["State"], status["StateChangeReason"].split(":")[0]) == ("FAILED", code)


def test_rows_of_older_trino_are_arrays(athena: Athena, rows: Any, things: str) -> None:
    athena.has_legacy_rows = True
    assert rows(f"SELECT json_format(CAST(pair AS JSON)) AS it FROM {things} LIMIT 1") == [['[1,["x"]]']]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("0", "0.0"),
        ("-0.0", "-0.0"),
        ("0.001", "0.001"),
        ("0.0009765625", "9.765625E-4"),
        ("9999999.5", "9999999.5"),
        ("10000000", "1.0E7"),
        ("-123456789.25", "-1.2345678925E8"),
        ("1.7976931348623157e308", "1.7976931348623157E308"),
        ("infinity", "Infinity"),
        ("-infinity", "-Infinity"),
        ("nan", "NaN"),
    ],
)
def test_numbers_are_written_as_java_writes_them(rows: Any, number: str, text: str) -> None:
    assert rows(f"SELECT CAST('{number}' AS DOUBLE) AS it") == [[text]]


def test_glue_knows_the_table(athena: Athena, things: str) -> None:
    table = athena.glue.get_table(DatabaseName=athena.database, Name="things")["Table"]
    types = {column["Name"]: column["Type"] for column in table["StorageDescriptor"]["Columns"]}
    assert types["moment"] == types["zoned"] == "timestamp"
    assert types["pair"] == "struct<a:bigint,b c:array<string>>"
    assert types["days"] == "map<date,bigint>"
    assert (types["price"], types["clock"], types["bytes"]) == ("decimal(38,2)", "string", "binary")
