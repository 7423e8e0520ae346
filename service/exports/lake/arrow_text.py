"""Values of Arrow as the texts that Athena has for them, whole columns at a time; none passes through a float.

Arrays, maps and structs become JSON whose leaves are these texts, so that both engines' results are read alike. Moments
may have micro- or nanoseconds, decimals 38 digits.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

PLAIN_SCALE = 6  # decimals of a larger one may come as 1E-7

_NO_NUMBERS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}

_quoted = json.JSONEncoder(ensure_ascii=False).encode

_Texts = list[str | None]


def header(names: Sequence[str]) -> bytes:
    """Return the first line of a result."""
    return (",".join('"' + name.replace('"', '""') + '"' for name in names) + "\n").encode()


def lines(batch: pa.RecordBatch) -> bytes:
    """Return the rows of a batch as lines of a result."""
    import pyarrow as pa
    from pyarrow import compute

    quote, comma, nothing = (pa.scalar(text, pa.large_string()) for text in ('"', ",", ""))

    def field(column: pa.Array) -> pa.Array:
        is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        texts = (column if is_text else pa.array(_texts(column), pa.string())).cast(pa.large_string())
        doubled = compute.replace_substring(texts, '"', '""')
        return compute.fill_null(compute.binary_join_element_wise(quote, doubled, quote, nothing), nothing)

    if not batch.num_rows:
        return b""
    rows = compute.binary_join_element_wise(*map(field, batch.columns), comma)
    return ("\n".join(rows.to_pylist()) + "\n").encode()


def _texts(array: pa.Array) -> _Texts:
    import pyarrow as pa

    types = pa.types
    if types.is_list(array.type) or types.is_large_list(array.type):
        return _spans(array, _json(array.values), "[", "]")
    if types.is_map(array.type):
        keys = [_quoted(key) for key in _texts(array.keys)]
        items = [f"{key}:{item}" for key, item in zip(keys, _json(array.items), strict=True)]
        return _spans(array, items, "{", "}")
    if types.is_struct(array.type):
        return _structs(array)
    if types.is_binary(array.type) or types.is_large_binary(array.type) or types.is_fixed_size_binary(array.type):
        return [None if value is None else b64encode(value).decode() for value in array.to_pylist()]
    texts: _Texts = array.cast(pa.string()).to_pylist()
    if types.is_floating(array.type):
        return [text if text is None else _NO_NUMBERS.get(text, text) for text in texts]
    if types.is_decimal(array.type) and array.type.scale > PLAIN_SCALE:
        return [text if text is None else format(Decimal(text), "f") for text in texts]
    if types.is_timestamp(array.type) and array.type.tz:
        return [text if text is None else text.replace("Z", " UTC") for text in texts]
    return texts


def _json(array: pa.Array) -> list[str]:
    """Return the values of a column as JSON."""
    import pyarrow as pa

    types = pa.types
    texts = _texts(array)
    if types.is_nested(array.type) or types.is_boolean(array.type) or types.is_integer(array.type):
        return ["null" if text is None else text for text in texts]
    if types.is_floating(array.type) or types.is_decimal(array.type):
        return ["null" if text is None else text if text[-1].isdigit() else f'"{text}"' for text in texts]
    return ["null" if text is None else _quoted(text) for text in texts]


def _spans(array: pa.Array, items: list[str], first: str, last: str) -> _Texts:
    """Return the lists or maps whose items these are, one after the other."""
    offsets, is_null = array.offsets.to_pylist(), array.is_null().to_pylist()
    spans = zip(is_null, offsets, offsets[1:], strict=False)
    return [None if nothing else f"{first}{','.join(items[start:end])}{last}" for nothing, start, end in spans]


def _structs(array: pa.Array) -> _Texts:
    prefixes = [f"{_quoted(field.name)}:" for field in array.type]
    rows: Any = zip(array.is_null().to_pylist(), *map(_json, array.flatten()), strict=True)
    return [None if nothing else "{" + ",".join(map(str.__add__, prefixes, values)) + "}" for nothing, *values in rows]
