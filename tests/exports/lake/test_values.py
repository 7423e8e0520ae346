"""Texts of an engine on their way to JSON: to the last digit, or refused with the name of their column."""

from __future__ import annotations

import json
import math
import time
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.exports.lake.catalog import Column
from service.exports.lake.types import parse
from service.exports.lake.values import UnreadableValue, encoder, fingerprints

# name: (type, text, JSON)
READ: dict[str, tuple[str, str | None, str]] = {
    "NULL": ("int", None, "null"),
    "true": ("boolean", "true", "true"),
    "an integer": ("bigint", "-9223372036854775808", "-9223372036854775808"),
    "a decimal": ("decimal(12,2)", "-0.50", "-0.50"),
    "a decimal with an exponent": ("decimal(38,0)", "1E+3", "1000"),
    "a tiny decimal with an exponent": ("decimal(38,38)", "1E-38", f"0.{'0' * 37}1"),
    "a decimal without a whole part": ("decimal(3,2)", ".50", "0.50"),
    "a decimal with zeros": ("decimal(9,0)", "007", "7"),
    "a double of Java": ("double", "1.0E10", "10000000000.0"),
    "a double of C": ("double", "1e+300", "1e+300"),
    "a whole double": ("double", "5", "5.0"),
    "a small double": ("double", "4.9E-324", "5e-324"),
    "minus zero": ("double", "-0.0", "-0.0"),
    "a float": ("float", "3.14", "3.14"),
    "no number": ("double", "NaN", '"NaN"'),
    "without end": ("float", "-Infinity", '"-Infinity"'),
    "an empty text": ("string", "", '""'),
    "a text": ("varchar(9)", '"\\\n\x01é\u2028', '"\\"\\\\\\n\\u0001é\u2028"'),
    "binary": ("binary", "AP8=", '"AP8="'),
    "a uuid": ("uuid", "9ec7dfb8-c382-4caf-8c02-1b218b61c7e2", '"9ec7dfb8-c382-4caf-8c02-1b218b61c7e2"'),
    "a date": ("date", "2024-02-29", '"2024-02-29"'),
    "a late date": ("date", "10183-09-21", '"+10183-09-21"'),
    "a late date with a sign": ("date", "+10183-09-21", '"+10183-09-21"'),
    "a date before Christ": ("date", "-0043-03-15", '"-0043-03-15"'),
    "a time": ("time", "10:00:00.000", '"10:00:00"'),
    "a time with a fraction": ("time", "10:00:00.120", '"10:00:00.12"'),
    "a timestamp": ("timestamp", "2024-01-15 10:00:00.123456", '"2024-01-15T10:00:00.123456Z"'),
    "a timestamp of seconds": ("timestamp", "2024-01-15 10:00:00", '"2024-01-15T10:00:00Z"'),
    "zeros of a fraction": ("timestamp", "2024-01-15 10:00:00.120", '"2024-01-15T10:00:00.12Z"'),
    "a fraction of zeros": ("timestamp", "2024-01-15 10:00:00.000", '"2024-01-15T10:00:00Z"'),
    "picoseconds": ("timestamp", "2024-01-15 10:00:00.123456789012", '"2024-01-15T10:00:00.123456789012Z"'),
    "UTC": ("timestamptz", "2024-01-15 10:00:00.123 UTC", '"2024-01-15T10:00:00.123Z"'),
    "UTC where Glue knows no zone": ("timestamp", "2024-01-15 10:00:00.123 UTC", '"2024-01-15T10:00:00.123Z"'),
    "a zone": ("timestamptz", "2024-07-15 10:00:00.000 Europe/Berlin", '"2024-07-15T08:00:00Z"'),
    "a zone and nanoseconds": (
        "timestamptz",
        "2024-01-15 00:30:00.123456789 Europe/Berlin",
        '"2024-01-14T23:30:00.123456789Z"',
    ),
    "an hour that comes twice": ("timestamptz", "2024-10-27 02:30:00 Europe/Berlin", '"2024-10-27T00:30:00Z"'),
    "a zone of seconds": ("timestamptz", "1890-01-01 00:00:00 Europe/Berlin", '"1889-12-31T23:06:32Z"'),
    "an offset": ("timestamptz", "2024-01-15 10:00:00 +05:30", '"2024-01-15T04:30:00Z"'),
    "an offset to the west": ("timestamptz", "2024-12-31 23:00:00.5 -08:00", '"2025-01-01T07:00:00.5Z"'),
    "an offset at once": ("timestamptz", "2024-01-15 10:00:00+00:00", '"2024-01-15T10:00:00Z"'),
    "a late timestamp": ("timestamp", "10183-09-21 01:02:03.4", '"+10183-09-21T01:02:03.4Z"'),
    "an early timestamp": ("timestamptz", "-0043-03-15 12:00:00 UTC", '"-0043-03-15T12:00:00Z"'),
    "an array": ("array<bigint>", "[9007199254740993, null]", "[9007199254740993,null]"),
    "an array of decimals": ("array<decimal(38,38)>", f"[1E-38,0.{'9' * 38}]", f"[0.{'0' * 37}1,0.{'9' * 38}]"),
    "an array of doubles": ("array<double>", '["NaN",NaN,Infinity,1.0E10,0.1]', '["NaN","NaN","Infinity",1e10,0.1]'),
    "an array of booleans": ("array<boolean>", "[true,false,null]", "[true,false,null]"),
    "an array of moments": ("array<timestamp>", '["2024-01-15 10:00:00.120"]', '["2024-01-15T10:00:00.12Z"]'),
    "an array of zoned moments": (
        "array<timestamptz>",
        '["2024-01-15 10:00:00.120 +01:00"]',
        '["2024-01-15T09:00:00.12Z"]',
    ),
    "a text with escapes": ("array<string>", '["\\u00e9\\n\\ud83d\\ude42"]', '["é\\n🙂"]'),
    "an array of nothing": ("array<int>", "null", "null"),
    "a map": ("map<string,int>", '{"b":1,"a":null}', '{"a":null,"b":1}'),
    "a map of decimals": ("map<decimal(9,2),boolean>", '{"1.50":true}', '{"1.50":true}'),
    "a map of doubles": ("map<double,int>", '{"NaN":1,"1.0E10":2}', '{"10000000000.0":2,"NaN":1}'),
    "a map of moments": ("map<timestamp,int>", '{"2024-01-15 10:00:00.000":1}', '{"2024-01-15T10:00:00Z":1}'),
    "a struct": ("struct<a:int,b:date>", '{"a":1,"b":"2024-01-15"}', '{"a":1,"b":"2024-01-15"}'),
    "a struct in another order": ("struct<a:int,b:int>", '{"b":2,"a":1}', '{"a":1,"b":2}'),
    "a struct as a list": ("struct<a:int,b:date>", '[1,"2024-01-15"]', '{"a":1,"b":"2024-01-15"}'),
    "a struct in small letters": (
        "struct<firstName:string,b:int>",
        '{"firstname":"x","b":1}',
        '{"firstName":"x","b":1}',
    ),
    "a struct of capitals and small letters": ("struct<a:int,A:int>", '{"a":1,"A":2}', '{"a":1,"A":2}'),
}


def column(kind: str) -> list[Column]:
    return [Column("v", parse(kind))]


@pytest.mark.parametrize(("kind", "text", "expected"), READ.values(), ids=READ)
def test_texts_become_json(kind: str, text: str | None, expected: str) -> None:
    assert encoder(column(kind))([text]) == f'{{"v":{expected.replace("1e10", "10000000000.0")}}}'


REFUSED: dict[str, tuple[str, str]] = {
    "no boolean": ("boolean", "TRUE"),
    "a fraction": ("int", "1.0"),
    "no integer": ("bigint", "1_000"),
    "digits of other scripts": ("bigint", "\u0661"),
    "nothing": ("int", ""),
    "a line behind": ("int", "1\n"),
    "JSON in a number": ("int", '1,"admin":true'),
    "JSON in a decimal": ("decimal(9,2)", "1}"),
    "no decimal": ("decimal(9,2)", "NaN"),
    "an endless decimal": ("decimal(9,2)", "1E+9999"),
    "no double": ("double", "inf"),
    "a double without end": ("double", "1E999"),
    "no base64": ("binary", "00 ff"),
    "half of base64": ("binary", "AP8"),
    "no date": ("date", "2024-13-01"),
    "a short year": ("date", "24-01-01"),
    "a moment for a date": ("date", "2024-01-15 10:00:00"),
    "no time": ("time", "24:00:00"),
    "no timestamp": ("timestamp", "2024-01-15T10:00:00Z"),
    "an unknown zone": ("timestamptz", "2024-01-15 10:00:00 Mars/Olympus"),
    "a folder of zones": ("timestamptz", "2024-01-15 10:00:00 Europe"),
    "a path for a zone": ("timestamptz", "2024-01-15 10:00:00 America/../../etc/passwd"),
    "before all years": ("timestamptz", "0001-01-01 00:00:00 +01:00"),
    "a late year elsewhere": ("timestamptz", "10183-01-01 00:00:00 +01:00"),
    "no JSON": ("array<int>", "[1"),
    "JSON too deep": ("array<int>", "[" * 100_000),
    "no list": ("array<int>", "{}"),
    "no object": ("map<string,int>", "[]"),
    "no struct": ("struct<a:int>", "1"),
    "another field": ("struct<a:int>", '{"b":1}'),
    "a field too many": ("struct<a:int>", '{"a":1,"b":1}'),
    "a field too few": ("struct<a:int,b:int>", '{"a":1}'),
    "a list too short": ("struct<a:int,b:int>", "[1]"),
    "a field twice": ("struct<a:int>", '{"a":1,"a":2}'),
    "a key twice": ("map<string,int>", '{"a":1,"a":2}'),
    "a key in two spellings": ("map<double,int>", '{"1.0":1,"1.00":2}'),
    "a list for a number": ("array<int>", "[[1]]"),
    "a boolean for a number": ("array<int>", "[true]"),
    "half a character": ("array<string>", '["\\ud83d"]'),
}


@pytest.mark.parametrize(("kind", "text"), REFUSED.values(), ids=REFUSED)
def test_what_no_engine_writes_is_refused(kind: str, text: str) -> None:
    with pytest.raises(UnreadableValue) as error:
        encoder([Column("before", parse("string")), *column(kind)])(["", text])

    assert error.value.reason == f"the result holds a value in the column 'v' that is no {parse(kind)}"
    assert error.value.__cause__ is None


@pytest.mark.parametrize("row", [[], ["1", "2"]], ids=["too short", "too long"])
def test_a_row_of_another_length_is_refused(row: list[str | None]) -> None:
    with pytest.raises(UnreadableValue, match=f"a row of {len(row)} columns where 1 were asked for"):
        encoder(column("int"))(row)


@settings(max_examples=200)
@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_any_decimal_keeps_its_digits(value: Decimal) -> None:
    if abs(value.adjusted()) > 900 or abs(int(value.as_tuple().exponent)) > 900:
        return
    text = encoder(column("decimal(38,10)"))([str(value)])

    assert "E" not in text
    assert (
        Decimal(text.removeprefix('{"v":').removesuffix("}")).as_tuple() == value.as_tuple() or value.as_tuple()[2] > 0
    )
    assert json.loads(text, parse_float=Decimal)["v"] == value


@settings(max_examples=200)
@given(st.floats())
def test_any_double_reads_back_the_same(value: float) -> None:
    found = json.loads(encoder(column("double"))([repr(value).replace("nan", "NaN").replace("inf", "Infinity")]))["v"]

    assert repr(float(found)) == repr(value)
    assert isinstance(found, str) == (math.isnan(value) or math.isinf(value))


@settings(max_examples=200)
@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001
def test_any_moment_is_moved_to_utc(value: datetime, minutes: int) -> None:
    zone = timezone(timedelta(minutes=minutes))
    hours, rest = divmod(abs(minutes), 60)
    text = f"{value.isoformat(' ', 'microseconds')} {'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"

    found = json.loads(encoder(column("timestamptz"))([text]))["v"]

    assert found.endswith("Z")
    assert datetime.fromisoformat(found[:19]).replace(tzinfo=UTC) == value.replace(microsecond=0, tzinfo=zone)
    assert int((found[19:-1] + "000000")[1:7] or 0) == value.microsecond


@settings(max_examples=200)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4, unique=True), st.data())
def test_any_names_and_texts_are_json(names: list[str], data: st.DataObject) -> None:
    texts = st.none() | st.text(st.characters(exclude_categories=["Cs"]))
    row = [data.draw(texts) for _ in names]

    found = encoder([Column(name, parse("string")) for name in names])(row)

    assert [*json.loads(found).items()] == [*zip(names, row, strict=True)]


COLUMNS = [Column(name, parse("string")) for name in "abc"]


def digests(row: list[str | None], key: str = "ab") -> tuple[bytes, bytes]:
    return fingerprints(COLUMNS, list(key))(row, encoder(COLUMNS)(row))


def test_a_fingerprint_tells_what_differs() -> None:
    row: list[str | None] = ["a", "bc", "x"]

    key, whole = digests(row)

    assert len(key) == len(whole) == 16
    assert digests(list(row)) == (key, whole)
    assert digests(["a", "bc", "y"])[0] == key
    assert digests(["a", "bc", "y"])[1] != whole
    assert digests(["ab", "c", "x"])[0] != key
    assert digests(["bc", "a", "x"], "ba")[0] != digests(["bc", "a", "x"], "ab")[0]
    assert len({digests([first, second, ""])[0] for first in (None, "", "null") for second in (None, "", "null")}) == 9


def test_without_a_key_the_whole_row_is_the_key() -> None:
    key, whole = digests(["a", "b", "c"], "")

    assert key == whole == digests(["a", "b", "c"], "")[1]


def test_a_map_in_another_order_has_the_same_fingerprint() -> None:
    columns = column("map<string,int>")
    texts = [encoder(columns)([text]) for text in ('{"a":1,"b":2}', '{"b":2,"a":1}')]

    assert len({fingerprints(columns, [])([None], text) for text in texts}) == 1


def test_rows_are_encoded_fast() -> None:
    kinds = ["bigint", "string", "string", "string", "string", "decimal(12,2)", "timestamp", "boolean"]
    encode = encoder([Column(f"c{index}", parse(kind)) for index, kind in enumerate(kinds)])
    row: list[str | None] = [
        "17",
        "Zoë",
        "Müller",
        "zoe@example.com",
        None,
        "12.50",
        "2024-01-15 10:00:00.123456",
        "true",
    ]

    started = time.process_time()
    for _ in range(20_000):
        encode(row)

    assert time.process_time() - started < 0.4  # a fifth of that, where nothing else runs
