"""Values of Arrow as texts of a result, also those that no table of the local lake holds yet, such as nanoseconds."""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from service.exports.lake import arrow_text

NANOSECONDS = 1705312800123456789

WRITTEN: dict[str, tuple[pa.DataType, Any, str]] = {
    "nanoseconds": (pa.timestamp("ns"), NANOSECONDS, "2024-01-15 10:00:00.123456789"),
    "nanoseconds with a zone": (pa.timestamp("ns", "UTC"), NANOSECONDS, "2024-01-15 10:00:00.123456789 UTC"),
    "nanoseconds in a list": (pa.list_(pa.timestamp("ns")), [NANOSECONDS], '[""2024-01-15 10:00:00.123456789""]'),
    "a late date": (pa.date32(), 3_000_000, "10183-09-21"),
    "a date before Christ": (pa.date32(), -735_160, "-0043-03-15"),
    "a time": (pa.time64("us"), time(10, 0, 0, 5), "10:00:00.000005"),
    "fixed bytes": (pa.binary(2), b"\x00\xff", "AP8="),
    "a large text": (pa.large_string(), 'a"b', 'a""b'),
    "a large list": (pa.large_list(pa.int8()), [1, None], "[1,null]"),
    "a map of lists": (pa.map_(pa.list_(pa.int8()), pa.int8()), [([1], 2)], '{""[1]"":2}'),
    "not a number": (pa.float64(), float("nan"), "NaN"),
    "not a number in a list": (pa.list_(pa.float32()), [float("nan"), 1e10], '[""NaN"",1e+10]'),
    "a decimal of one place": (pa.decimal128(38, 38), Decimal("1e-38"), f"0.{'0' * 37}1"),
    "an integer of 39 digits": (pa.decimal256(39, 0), Decimal("9" * 39), "9" * 39),
    "empty": (pa.string(), "", ""),
}


@pytest.mark.parametrize(("kind", "value", "text"), WRITTEN.values(), ids=WRITTEN)
def test_values_are_written_as_athena_does(kind: pa.DataType, value: Any, text: str) -> None:
    batch = pa.record_batch({"v": pa.array([value, None, value], kind)})

    assert arrow_text.lines(batch).decode() == f'"{text}"\n\n"{text}"\n'


def test_a_slice_is_written_as_what_it_shows() -> None:
    kind = pa.struct({"l": pa.list_(pa.map_(pa.string(), pa.int64()))})
    values = [{"l": [[("a", index)], None]} if index % 3 else None for index in range(9)]
    whole = pa.record_batch({"v": pa.array(values, kind), "w": pa.array([[index] for index in range(9)])})

    lines = arrow_text.lines(whole).splitlines()

    assert arrow_text.lines(whole.slice(2, 4)).splitlines() == lines[2:6]
    assert lines[4] == b'"{""l"":[{""a"":4},null]}","[4]"'


def test_a_batch_without_rows_has_no_lines() -> None:
    assert arrow_text.lines(pa.record_batch({"v": pa.array([], pa.date32())})) == b""


def test_names_are_quoted() -> None:
    assert arrow_text.header(["a", 'b"c', "d\n"]) == b'"a","b""c","d\n"\n'


def test_dates_are_those_of_python() -> None:
    days = [date(1, 1, 1), date(1582, 10, 15), date(9999, 12, 31)]

    lines = arrow_text.lines(pa.record_batch({"v": pa.array(days)}))

    assert lines.decode() == "".join(f'"{day.isoformat()}"\n' for day in days)
