"""Rows of texts, as both engines give them, on their way to JSON and to fingerprints. Nothing is lost.

| type | JSON |
|---|---|
| integers, decimal | a number with the digits that it has, never a float on the way: `12.50`, not `12.5` or `1E+1` |
| float, double | the shortest number that reads back the same; `"NaN"`, `"Infinity"`, `"-Infinity"`: JSON has none |
| boolean, NULL, texts | `true`, `null`, a string; `''` is `""` |
| date, time, timestamps | strings of RFC 3339, see `moments` |
| binary | a string of base64 |
| array, struct | a list, an object |
| map | an object; its keys are texts, and sorted, for a map has no order: the same map has the same fingerprint |

Arrays, maps and structs come as JSON whose leaves are spelled as a column's texts are; a struct may be a list.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from json.encoder import encode_basestring as quoted  # the one in C

from service.exports.lake.catalog import Column
from service.exports.lake.conversions import FromText, from_text
from service.exports.lake.engine import EngineError, Row

DIGEST_BYTES = 16


class UnreadableValue(EngineError):
    """A result holds what no engine writes for the type of its column."""


def encoder(columns: Sequence[Column]) -> Callable[[Row], str]:
    """Return the function that makes a JSON object of a row. It raises `UnreadableValue`."""
    converters = tuple(from_text(column.type) for column in columns)
    names = (quoted(column.name).replace("%", "%%") for column in columns)
    template = "{" + ",".join(f"{name}:%s" for name in names) + "}"

    def encode(row: Row) -> str:
        try:
            return template % tuple(
                [
                    "null" if text is None else convert(text)
                    for convert, text in zip(converters, row, strict=True)  # a row of another length: ValueError
                ]
            )
        except (ValueError, RecursionError):
            raise UnreadableValue(_trouble(columns, converters, row)) from None

    return encode


def fingerprints(columns: Sequence[Column], key: Sequence[str]) -> Callable[[Row, str], tuple[bytes, bytes]]:
    """Return the function that makes two digests of a row and its JSON: of its key, and of everything in it.

    The columns of the key must be among the columns. Without a key, all that is in a row tells it from others.
    """
    places = [[column.name for column in columns].index(name) for name in key]
    encode_key = encoder([columns[place] for place in places])

    def digest(row: Row, text: str) -> tuple[bytes, bytes]:
        whole = blake2b(text.encode(), digest_size=DIGEST_BYTES).digest()
        if not places:
            return whole, whole
        key_text = encode_key([row[place] for place in places])
        return blake2b(key_text.encode(), digest_size=DIGEST_BYTES).digest(), whole

    return digest


def _trouble(columns: Sequence[Column], converters: Sequence[FromText], row: Row) -> str:
    """Say which column it is about. What is in it is not for everybody's eyes."""
    for column, convert, text in zip(columns, converters, row, strict=False):
        try:
            if text is not None:
                convert(text)
        except (ValueError, RecursionError):
            return f"the result holds a value in the column {column.name!r} that is no {column.type}"
    return f"the result holds a row of {len(row)} columns where {len(columns)} were asked for"
