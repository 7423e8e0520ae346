"""What every engine does alike: values from the lake to JSON without loss, and queries from start to end."""

from __future__ import annotations

import base64
import json
import math
import struct
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.exports.lake.engine import EngineError, QueryState
from tests.exports.lake.lakes import Lake, column_of, condition, ended, new_name, records, run, select, texts

MOMENT = datetime(2024, 1, 15, 10, 0, 0, 123456)  # noqa: DTZ001
D = Decimal
NINES = "9" * 38

# name: (type of Arrow, values, type of the catalog, JSON)
TYPES: dict[str, tuple[pa.DataType, list[Any], str, list[str]]] = {
    "boolean": (pa.bool_(), [True, False, None], "boolean", ["true", "false", "null"]),
    "int": (pa.int32(), [0, -(2**31), 2**31 - 1], "int", ["0", "-2147483648", "2147483647"]),
    "bigint": (
        pa.int64(),
        [2**53 + 1, -(2**63), 2**63 - 1, None],
        "bigint",
        ["9007199254740993", "-9223372036854775808", "9223372036854775807", "null"],
    ),
    "float": (
        pa.float32(),
        [3.14, 1e10, 1e-10, 16777217.0, -0.0, math.nan, math.inf, -math.inf],
        "float",
        ["3.14", "10000000000.0", "1e-10", "16777216.0", "-0.0", '"NaN"', '"Infinity"', '"-Infinity"'],
    ),
    "double": (
        pa.float64(),
        [0.1, 1e10, 1e22, 5e-324, 1.7976931348623157e308, math.nan, math.inf, -math.inf, None],
        "double",
        [
            "0.1",
            "10000000000.0",
            "1e+22",
            "5e-324",
            "1.7976931348623157e+308",
            '"NaN"',
            '"Infinity"',
            '"-Infinity"',
            "null",
        ],
    ),
    "decimal": (
        pa.decimal128(12, 2),
        [D("12.50"), D("0"), D("-0.01"), D("1e3"), None],
        "decimal(12,2)",
        ["12.50", "0.00", "-0.01", "1000.00", "null"],
    ),
    "a decimal of 38 digits": (pa.decimal128(38, 0), [D(NINES), D(f"-{NINES}")], "decimal(38,0)", [NINES, f"-{NINES}"]),
    "a decimal of 38 places": (
        pa.decimal128(38, 38),
        [D("1e-38"), D(f"0.{NINES}"), D("0")],
        "decimal(38,38)",
        [f"0.{'0' * 37}1", f"0.{NINES}", f"0.{'0' * 38}"],
    ),
    "string": (
        pa.string(),
        [None, "", '"', '""', "a,b", "two\nlines", "cr\r\n", "\\", "null", "é 美 🙂", "\x00\x1f", " "],
        "string",
        [
            *("null", '""', '"\\""', '"\\"\\""', '"a,b"', '"two\\nlines"', '"cr\\r\\n"'),
            *('"\\\\"', '"null"', '"é 美 🙂"', '"\\u0000\\u001f"', '" "'),
        ],
    ),
    "binary": (pa.binary(), [b"\x00\xff", b"", b'"', None], "binary", ['"AP8="', '""', '"Ig=="', "null"]),
    "date": (
        pa.date32(),
        [date(2024, 2, 29), date(1, 1, 1), date(9999, 12, 31), None],
        "date",
        ['"2024-02-29"', '"0001-01-01"', '"9999-12-31"', "null"],
    ),
    "timestamp": (
        pa.timestamp("us"),
        [MOMENT, MOMENT.replace(microsecond=500000), MOMENT.replace(microsecond=0), datetime(1582, 10, 4), None],  # noqa: DTZ001
        "timestamp",
        [
            '"2024-01-15T10:00:00.123456Z"',
            '"2024-01-15T10:00:00.5Z"',
            '"2024-01-15T10:00:00Z"',
            '"1582-10-04T00:00:00Z"',
            "null",
        ],
    ),
    "timestamp with time zone": (
        pa.timestamp("us", "UTC"),
        [
            MOMENT.replace(tzinfo=UTC),
            MOMENT.replace(tzinfo=timezone(timedelta(hours=5, minutes=30))),
            MOMENT.replace(tzinfo=ZoneInfo("Europe/Berlin")),
            None,
        ],
        "timestamptz",
        ['"2024-01-15T10:00:00.123456Z"', '"2024-01-15T04:30:00.123456Z"', '"2024-01-15T09:00:00.123456Z"', "null"],
    ),
    "array": (pa.list_(pa.string()), [["a", None, ""], [], None], "array<string>", ['["a",null,""]', "[]", "null"]),
    "an array of decimals": (
        pa.list_(pa.decimal128(38, 10)),
        [[D("1234567890123456789012345678.0123456789"), None, D("1e-10")]],
        "array<decimal(38,10)>",
        ["[1234567890123456789012345678.0123456789,null,0.0000000001]"],
    ),
    "an array of doubles": (
        pa.list_(pa.float64()),
        [[math.nan, math.inf, 1e300, 0.1, None]],
        "array<double>",
        ['["NaN","Infinity",1e+300,0.1,null]'],
    ),
    "an array of bytes": (pa.list_(pa.binary()), [[b"\x00\xff", None, b""]], "array<binary>", ['["AP8=",null,""]']),
    "map": (
        pa.map_(pa.string(), pa.int64()),
        [[("b", 2**53 + 1), ('a "', None)], [], None],
        "map<string,bigint>",
        ['{"a \\"":null,"b":9007199254740993}', "{}", "null"],
    ),
    "a map of numbers": (
        pa.map_(pa.int32(), pa.bool_()),
        [[(-1, True), (7, None)]],
        "map<int,boolean>",
        ['{"-1":true,"7":null}'],
    ),
    "a map of dates": (
        pa.map_(pa.date32(), pa.timestamp("us")),
        [[(date(2024, 1, 15), MOMENT)]],
        "map<date,timestamp>",
        ['{"2024-01-15":"2024-01-15T10:00:00.123456Z"}'],
    ),
    "struct": (
        pa.struct({"a": pa.int32(), "b": pa.timestamp("us", "UTC"), "c": pa.decimal128(38, 38)}),
        [{"a": 1, "b": MOMENT.replace(tzinfo=UTC), "c": D("1e-38")}, {"a": None, "b": None, "c": None}, None],
        "struct<a:int,b:timestamptz,c:decimal(38,38)>",
        [f'{{"a":1,"b":"2024-01-15T10:00:00.123456Z","c":0.{"0" * 37}1}}', '{"a":null,"b":null,"c":null}', "null"],
    ),
    "NULL beside what is empty, around structs": (
        pa.struct(
            {"l": pa.list_(pa.struct({"a": pa.int32()})), "m": pa.map_(pa.string(), pa.struct({"a": pa.int32()}))}
        ),
        [{"l": None, "m": None}, {"l": [], "m": []}, {"l": [None], "m": [("k", None)]}, None],
        "struct<l:array<struct<a:int>>,m:map<string,struct<a:int>>>",
        ['{"l":null,"m":null}', '{"l":[],"m":{}}', '{"l":[null],"m":{"k":null}}', "null"],
    ),
    "nested two deep": (
        pa.struct({"x": pa.list_(pa.struct({"m": pa.map_(pa.string(), pa.list_(pa.decimal128(9, 2)))}))}),
        [{"x": [{"m": [("k", [D("1.50"), None])]}, None, {"m": None}]}, {"x": None}],
        "struct<x:array<struct<m:map<string,array<decimal(9,2)>>>>>",
        ['{"x":[{"m":{"k":[1.50,null]}},null,{"m":null}]}', '{"x":null}'],
    ),
}


@pytest.mark.parametrize(("kind", "values", "name", "expected"), TYPES.values(), ids=TYPES)
def test_every_type_arrives_without_loss(
    lake: Lake, kind: pa.DataType, values: list[Any], name: str, expected: list[str]
) -> None:
    table = lake.create(new_name(), column_of(values, kind))

    assert texts(lake, table) == [f'{{"v":{text}}}' for text in expected]


@pytest.mark.parametrize(("kind", "values", "name", "expected"), TYPES.values(), ids=TYPES)
def test_the_catalog_knows_every_type(
    lake: Lake, kind: pa.DataType, values: list[Any], name: str, expected: list[str]
) -> None:
    table = lake.create(new_name(), column_of(values, kind))

    glue_spells_alike = name.replace("timestamptz", "timestamp")
    assert str(table.columns[0].type) in (name, glue_spells_alike)


@pytest.mark.parametrize("kind", [pa.int8(), pa.int16()], ids=["tinyint", "smallint"])
def test_small_integers_arrive(lake: Lake, kind: pa.DataType) -> None:
    table = lake.create(new_name(), column_of([-128, 127, None], kind))

    assert texts(lake, table) == ['{"v":-128}', '{"v":127}', '{"v":null}']


LEAVES: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.bool_(), st.booleans()),
    (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.float32(), st.floats(width=32)),
    (pa.float64(), st.floats()),
    (pa.decimal128(38, 12), st.decimals(-(10**25), 10**25, places=12)),
    (pa.decimal128(9, 0), st.decimals(-(10**8), 10**8, places=0)),
    (pa.string(), st.text(st.characters(exclude_categories=["Cs"]), max_size=8)),
    (pa.string(), st.text('",\n\r\\ a', max_size=5)),
    (pa.binary(), st.binary(max_size=5)),
    (pa.date32(), st.dates()),
    (pa.timestamp("us"), st.datetimes()),
    (pa.timestamp("us", "UTC"), st.datetimes(timezones=st.just(UTC))),
]
KEYS = [LEAVES[index] for index in (1, 2, 6, 7)]


@st.composite
def columns(draw: st.DrawFn, depth: int = 2) -> tuple[pa.DataType, st.SearchStrategy[Any]]:
    """A type, and values of it."""
    shape = draw(st.sampled_from(["leaf", "leaf", "array", "map", "struct"] if depth else ["leaf"]))
    if shape == "leaf":
        kind, values = draw(st.sampled_from(LEAVES))
    elif shape == "array":
        inner, items = draw(columns(depth - 1))
        kind, values = pa.list_(inner), st.lists(items, max_size=3)
    elif shape == "map":
        key, keys = draw(st.sampled_from(KEYS))
        inner, items = draw(columns(depth - 1))
        kind, values = (
            pa.map_(key, inner),
            st.dictionaries(keys, items, max_size=3).map(lambda found: list(found.items())),
        )
    else:
        fields = draw(st.lists(columns(depth - 1), min_size=1, max_size=3))
        kind = pa.struct({f"f{index}": inner for index, (inner, _) in enumerate(fields)})
        values = st.fixed_dictionaries({f"f{index}": items for index, (_, items) in enumerate(fields)})
    return kind, st.none() | values


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    kinds = draw(st.lists(columns(), min_size=1, max_size=5))
    rows = draw(st.integers(1, 4))
    made = {
        f"c{index}": pa.array([draw(values) for _ in range(rows)], kind) for index, (kind, values) in enumerate(kinds)
    }
    return pa.table(made)


def moment(value: datetime) -> str:
    return value.replace(tzinfo=None).isoformat(timespec="microseconds").rstrip("0").rstrip(".") + "Z"


def is_same(kind: pa.DataType, value: Any, got: Any) -> bool:
    """Is this what JSON should say of a value?"""
    types = pa.types
    if value is None or got is None:
        return value is got
    if types.is_struct(kind):
        return [*got] == [*value] and all(is_same(field.type, value[field.name], got[field.name]) for field in kind)
    if types.is_map(kind):
        return len(got) == len(value) and all(is_same(kind.item_type, item, got[str(key)]) for key, item in value)
    if types.is_list(kind):
        return len(got) == len(value) and all(map(is_same, [kind.value_type] * len(value), value, got))
    if types.is_floating(kind):
        if isinstance(got, str):
            return got == {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[repr(value)]
        form = "f" if kind == pa.float32() else "d"
        return struct.pack(form, float(got)) == struct.pack(form, value)
    if types.is_timestamp(kind):
        return bool(got == moment(value))
    if types.is_date(kind):
        return bool(got == value.isoformat())
    if types.is_binary(kind):
        return base64.b64decode(got, validate=True) == value
    return type(got) in (type(value), int) and got == value


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(rows=tables())
def test_any_table_of_any_types_arrives_without_loss(lake: Lake, rows: pa.Table) -> None:
    table = lake.create(new_name(), rows)

    got = records(lake, table)

    assert len(got) == rows.num_rows
    for row, one in zip(rows.to_pylist(), got, strict=True):
        assert [*one] == rows.schema.names
        for field in rows.schema:
            assert is_same(field.type, row[field.name], one[field.name]), (field, row[field.name], one[field.name])


def test_null_is_not_an_empty_text(lake: Lake) -> None:
    rows = {"a": [None, "", None, ""], "b": [None, None, "", ""]}
    table = lake.create(new_name(), pa.table(rows, pa.schema({"a": pa.string(), "b": pa.string()})))

    assert [(row["a"], row["b"]) for row in records(lake, table)] == [(None, None), ("", None), (None, ""), ("", "")]


def test_columns_come_in_the_order_of_the_statement(lake: Lake) -> None:
    table = lake.create(new_name(), pa.table({"a": [1], "b": [2], "c": [3]}))

    assert texts(lake, table, select(table, columns="c a")) == ['{"c":3,"a":1}']


def test_a_condition_selects_rows_by_columns_that_are_not_sent(lake: Lake) -> None:
    table = lake.create(new_name(), pa.table({"a": [1, 2, 3], "b": ["x", "it's", None]}))

    found = select(table, condition('"b" = CAST(? AS VARCHAR)'), "it's", columns="a")

    assert texts(lake, table, found) == ['{"a":2}']


def test_a_parameter_is_a_value_and_never_sql(lake: Lake) -> None:
    table = lake.create(new_name(), pa.table({"b": ["x", "y"]}))

    found = select(table, condition('"b" = CAST(? AS VARCHAR)'), "x' OR '1'='1")

    assert texts(lake, table, found) == []


def test_decimals_are_compared_to_the_last_digit(lake: Lake) -> None:
    amounts = [D("1234567890123456789012345678.0123456789"), D("1234567890123456789012345678.0123456788")]
    table = lake.create(new_name(), column_of(amounts, pa.decimal128(38, 10)))

    found = select(table, condition('"v" > CAST(? AS DECIMAL(38, 10))'), str(amounts[1]))

    assert [row["v"] for row in records(lake, table, found)] == amounts[:1]


def test_a_limit_cuts_the_rows_but_not_the_count(lake: Lake) -> None:
    table = lake.create(new_name(), pa.table({"a": list(range(10))}))
    found = select(table, condition('"a" >= CAST(? AS BIGINT)'), "3", limit=2)

    assert len(records(lake, table, found)) == 2
    assert counted(lake, table, found) == 7


def test_a_whole_table_is_counted(lake: Lake) -> None:
    table = lake.create(new_name(), pa.table({"a": list(range(10))}))

    assert counted(lake, table, select(table)) == 10


def counted(lake: Lake, table: Any, statement: Any) -> int:
    result = lake.engine.result(run(lake.engine, lake.engine.render_count(table, statement)))
    [located] = result.rows()
    [count] = located.row
    return int(count or "")


@pytest.mark.parametrize("columns", ["a", "a b"], ids=["one column", "two columns"])
def test_a_result_may_have_no_rows(lake: Lake, columns: str) -> None:
    table = lake.create(new_name(), pa.table({"a": [1], "b": [2]}))
    statement = select(table, condition('"a" > CAST(? AS BIGINT)'), "5", columns=columns)

    result = lake.engine.result(run(lake.engine, lake.engine.render(table, statement)))

    assert list(result.rows()) == []
    assert list(result.bounds()) == []


@pytest.fixture(scope="session")
def finished(lake: Lake) -> str:
    """The id of a query over rows with NULL, quotes and line feeds."""
    rows = [{"a": index, "b": [None, "", 'a"b', "two\nlines", "é"][index % 5]} for index in range(50)]
    table = lake.create(new_name(), pa.Table.from_pylist(rows))
    return run(lake.engine, lake.engine.render(table, select(table)))


def test_a_result_is_the_same_every_time(lake: Lake, finished: str) -> None:
    assert list(lake.engine.result(finished).rows()) == list(lake.engine.result(finished).rows())


def test_a_result_may_be_read_from_any_of_its_positions(lake: Lake, finished: str) -> None:
    result = lake.engine.result(finished)
    every = list(result.rows())

    for index, located in enumerate(every):
        assert list(result.rows(located.position)) == every[index:]
    assert list(result.rows(every[-1].end)) == []


def test_bounds_are_those_of_the_rows(lake: Lake, finished: str) -> None:
    result = lake.engine.result(finished)
    every = list(result.rows())

    assert list(result.bounds()) == [(located.position, located.end) for located in every]
    assert list(result.bounds(every[7].position)) == [(located.position, located.end) for located in every[7:]]
    assert [located.end for located in every[:-1]] == [located.position for located in every[1:]]


def test_a_token_starts_one_query(lake: Lake) -> None:
    table = lake.create(new_name(), pa.table({"a": [1, 2]}))
    text, token = lake.engine.render(table, select(table)), new_name()

    first = lake.engine.start(text, token)
    second = lake.engine.start(text, token)
    assert ended(lake.engine, first).state == "SUCCEEDED"
    third = lake.engine.start(text, token)

    assert first == second == third
    assert lake.engine.look(third).state == "SUCCEEDED"
    assert lake.engine.start(text, new_name()) != first


def test_a_query_that_cannot_run_fails_with_a_reason(lake: Lake) -> None:
    table = lake.create(new_name(), pa.table({"a": [1, 2]}))
    statement = select(table, condition('"a" > CAST(? AS INTEGER)'), "no number")

    state = ended(lake.engine, lake.engine.start(lake.engine.render(table, statement), new_name()))

    assert state.state == "FAILED"
    assert not state.is_retryable
    assert state.reason
    assert "\n" not in state.reason


def test_a_query_that_has_ended_is_not_stopped(lake: Lake, finished: str) -> None:
    lake.engine.stop(finished)

    assert lake.engine.look(finished) == QueryState("SUCCEEDED")


def test_an_unknown_table_has_no_columns(lake: Lake) -> None:
    assert lake.engine.catalog.columns("nothing_of_this_name") is None


def test_the_catalog_names_its_tables(lake: Lake) -> None:
    name = lake.create(new_name(), pa.table({"a": [1]})).name

    assert name in lake.engine.catalog.names()


def test_many_rows_arrive(lake: Lake) -> None:
    rows = 5000
    table = lake.create(new_name(), pa.table({"a": list(range(rows)), "b": [f"row {index}" for index in range(rows)]}))

    got = records(lake, table)

    assert sorted(row["a"] for row in got) == list(range(rows))
    assert all(row["b"] == f"row {row['a']}" for row in got)


def test_a_result_that_is_not_there_cannot_be_read(lake: Lake) -> None:
    unknown = str(uuid.uuid4())

    with pytest.raises(EngineError):
        list(lake.engine.result(unknown).rows())


def test_json_is_json(lake: Lake) -> None:
    table = lake.create(new_name(), pa.table({'"%s\\ é': ["x"]}))

    assert [json.loads(text) for text in texts(lake, table)] == [{'"%s\\ é': "x"}]
