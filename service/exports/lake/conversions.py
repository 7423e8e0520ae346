"""One value on its way to JSON, by its type, from the text that an engine has for it. `values` says what it becomes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from json.encoder import encode_basestring as quoted  # the one in C
from typing import Any

from service.exports.lake.moments import day, moment, time
from service.exports.lake.types import FLOATS, INTEGERS, MOMENTS, NESTED, Type

FromText = Callable[[str], str]  # each raises `ValueError` where the text is no value of its type
_FromJson = Callable[[Any], str]

_is_integer = re.compile(r"-?(?:0|[1-9][0-9]*)").fullmatch
_is_plain = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?").fullmatch
_is_number = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?").fullmatch
_is_base64 = re.compile(r"[A-Za-z0-9+/]*={0,2}").fullmatch

_BOOLEANS = {"true": "true", "false": "false"}
_NO_NUMBERS = {"NaN": '"NaN"', "Infinity": '"Infinity"', "-Infinity": '"-Infinity"'}


def from_text(type_: Type) -> FromText:
    """Return what makes JSON of the text of a column."""
    if type_.kind in NESTED:
        convert = _from_json(type_)
        return lambda text: _spelled(convert(_decode(text)))
    return _LEAVES.get(type_.kind, quoted)


def _from_json(type_: Type) -> _FromJson:
    """Return what makes JSON of a value inside of an array, a map or a struct."""
    if type_.kind == "array":
        return _array(_from_json(type_.children[0]))
    if type_.kind == "map":
        return _map(_from_json(type_.children[0]), _from_json(type_.children[1]))
    if type_.kind == "struct":
        return _struct(type_.names, [_from_json(child) for child in type_.children])
    return _leaf(from_text(type_))


def _array(convert: _FromJson) -> _FromJson:
    def encode(value: Any) -> str:
        if value is None:
            return "null"
        if not isinstance(value, list):
            raise ValueError("no list")
        return f"[{','.join([convert(item) for item in value])}]"

    return encode


def _map(convert_key: _FromJson, convert: _FromJson) -> _FromJson:
    def encode(value: Any) -> str:
        if value is None:
            return "null"
        if not isinstance(value, dict):
            raise ValueError("no object")
        entries = {_as_text(convert_key(key)): convert(item) for key, item in value.items()}
        if len(entries) != len(value):
            raise ValueError("two keys are one")
        return "{" + ",".join([f"{key}:{entries[key]}" for key in sorted(entries)]) + "}"

    return encode


def _struct(names: Sequence[str], converters: Sequence[_FromJson]) -> _FromJson:
    prefixes = [f"{quoted(name)}:" for name in names]
    known, lowered = set(names), [name.lower() for name in names]

    def encode(value: Any) -> str:
        if value is None:
            return "null"
        if isinstance(value, dict):
            if value.keys() == known:
                value = [value[name] for name in names]
            else:  # Athena has the names in small letters
                value = {name.lower(): item for name, item in value.items()}
                value = [value.pop(name) for name in lowered if name in value] if len(value) == len(names) else None
        if not isinstance(value, list):
            raise ValueError("neither an object with the fields of the struct nor a list")
        fields = zip(prefixes, converters, value, strict=True)
        return "{" + ",".join([prefix + convert(item) for prefix, convert, item in fields]) + "}"

    return encode


def _leaf(convert: FromText) -> _FromJson:
    def encode(value: Any) -> str:
        if value is None:
            return "null"
        if isinstance(value, bool):
            value = "true" if value else "false"
        if not isinstance(value, str):
            raise ValueError("no text")
        return convert(value)

    return encode


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("two keys are one")
    return found


_decode = json.JSONDecoder(object_pairs_hook=_object, parse_float=str, parse_int=str, parse_constant=str).decode


def _spelled(text: str) -> str:
    """Return a text of JSON. Raises `ValueError` where UTF-8 cannot spell it: JSON can name half a character."""
    if not text.isascii():
        text.encode()
    return text


def _as_text(value: str) -> str:
    return value if value.startswith('"') else f'"{value}"'


def _boolean(text: str) -> str:
    if text not in _BOOLEANS:
        raise ValueError(text)
    return text


def _integer(text: str) -> str:
    if not _is_integer(text):
        raise ValueError(text)
    return text


def _decimal(text: str) -> str:
    if _is_plain(text):
        return text
    if not _is_number(text):
        raise ValueError(text)
    return format(Decimal(text), "f")


def _double(text: str) -> str:
    if not _is_number(text):
        if text not in _NO_NUMBERS:
            raise ValueError(text)
        return _NO_NUMBERS[text]
    number = repr(float(text))
    if number.endswith("inf"):
        raise ValueError(text)
    return number


def _binary(text: str) -> str:
    if not _is_base64(text) or len(text) % 4:
        raise ValueError("no base64")
    return f'"{text}"'


_LEAVES: dict[str, FromText] = {
    "boolean": _boolean,
    **dict.fromkeys(INTEGERS, _integer),
    **dict.fromkeys(FLOATS, _double),
    "decimal": _decimal,
    "binary": _binary,
    "date": lambda text: f'"{day(text)}"',
    "time": lambda text: f'"{time(text)}"',
    **dict.fromkeys(MOMENTS, lambda text: f'"{moment(text)}"'),
}
