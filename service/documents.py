"""JSON as it was sent: its value, its text, and what about it cannot be stored.

PostgreSQL gets the text, so that every digit survives; Python gets the value, to check it. What JSON allows but jsonb
or a reader of it does not (NUL, lone surrogates, keys that stand twice, numbers of a million digits, endless nesting)
is found here, in each element of an array by itself: one bad element costs its neighbours nothing.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from decimal import Decimal
from json.decoder import JSONDecoder
from typing import Any, NamedTuple

from service.errors import BadRequest, violation

MAX_DEPTH = 64
MAX_DIGITS = 400  # of a number, written out: a double needs 325 at the most

_SPACE = re.compile(r"[ \t\n\r]*")
_BLANK = " \t\n\r"
_MARK = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL)
_DEPTH_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}
_SURROGATE = re.compile("[\ud800-\udfff]")


class Document(NamedTuple):
    """A JSON value, its text as it was sent, and the rules of storage that it breaks (see `errors.violation`)."""

    value: Any
    text: str
    violations: list[dict[str, str]]


class _Flaw(NamedTuple):
    """Stands where a value was that cannot be stored."""

    message: str


def parse(text: str) -> Document:
    """Parse a text that holds one JSON value. Raises `BadRequest` where it is no JSON."""
    parser = _Parser(text)
    document = parser.read(parser.skip_space(0))
    parser.expect_end()
    return document


def parse_array(text: str, limit: int) -> tuple[list[Document], int] | None:
    """Parse a text that holds a JSON array, element by element; return None where it holds something else.

    Returns at most `limit` elements, and how many there are. Raises `BadRequest` where the text is no JSON; what stands
    behind the limit is counted and not parsed.
    """
    parser = _Parser(text)
    position = parser.skip_space(0)
    if text[position : position + 1] != "[":
        parse(text)
        return None
    documents, rest = parser.read_array(position, limit)
    if not rest:
        parser.expect_end()
    return documents, len(documents) + rest


def parse_listing(text: str, key: str) -> tuple[dict[str, Any], list[Document] | None]:
    """Parse an array, or an object that holds one under `key`: the array element by element.

    Returns the other members of the object, and None where there is no such array. Raises `BadRequest` where the text
    is no JSON.
    """
    parser = _Parser(text)
    position = parser.skip_space(0)
    documents: list[Document] | None = None
    others: dict[str, Any] = {}
    if text[position : position + 1] == "[":
        documents, _ = parser.read_array(position, sys.maxsize)
    elif text[position : position + 1] == "{":
        for name, start in parser.walk_object(position):
            if name == key and text[start : start + 1] == "[":
                documents, _ = parser.read_array(start, sys.maxsize)
            else:
                others[name] = parser.read(start).value
    else:
        parser.read(position)
    parser.expect_end()
    return others, documents


def members(text: str) -> list[tuple[str, str]]:
    """Return the keys of a valid JSON object and the text of each value, as they were sent."""
    parser = _Parser(text)
    return [(name, parser.read(start).text) for name, start in parser.walk_object(parser.skip_space(0))]


def not_json(why: str, position: int) -> BadRequest:
    """Return the error for a body that is no JSON."""
    return BadRequest(f"The body is not valid JSON: {why} at character {position}", error="Invalid JSON")


class _Parser:
    """Reads values from one text with the scanner of the standard library (which is C)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self._is_flawed = False
        self._scan = JSONDecoder(
            object_pairs_hook=self._object,
            parse_float=self._float,
            parse_int=self._integer,
            parse_constant=self._constant,
        ).scan_once  # type: ignore[attr-defined]

    def skip_space(self, position: int) -> int:
        if self.text[position : position + 1] not in _BLANK:
            return position  # nearly always
        return _SPACE.match(self.text, position).end()  # type: ignore[union-attr]

    def expect_end(self) -> None:
        position = self.skip_space(self.position)
        if position != len(self.text):
            raise not_json("something follows the end", position)

    def read(self, start: int) -> Document:
        """Read the value at `start`, and leave `position` behind it."""
        self._is_flawed = False
        try:
            value, self.position = self._scan(self.text, start)
        except StopIteration as error:
            raise not_json("expected a value", error.value) from None
        except json.JSONDecodeError as error:
            raise not_json(error.msg.rstrip(":").lower(), error.pos) from None
        except RecursionError:
            self.position = self._end_of_nested(start)
            return Document(None, "", [violation("", f"The value is nested deeper than {MAX_DEPTH} levels")])
        text = self.text[start : self.position]
        violations: list[dict[str, str]] = []
        # Looking at every value takes longer than parsing it, and these are the only ways to break a rule.
        if self._is_flawed or "\\u" in text or text.count("[") + text.count("{") > MAX_DEPTH:
            _inspect(value, "", 1, violations)
        return Document(value, text, violations)

    def read_array(self, start: int, limit: int) -> tuple[list[Document], int]:
        """Read the elements of the array at `start`, at most `limit`; leave `position` behind it.

        Returns them, and how many more there are, which are counted and not parsed.
        """
        text = self.text
        documents: list[Document] = []
        position = self.skip_space(start + 1)
        separator = text[position : position + 1]
        while separator != "]":
            if len(documents) == limit:
                return documents, self._count_rest(position)
            documents.append(self.read(position))
            position = self.skip_space(self.position)
            separator = text[position : position + 1]
            if separator == ",":
                position = self.skip_space(position + 1)
            elif separator != "]":
                raise not_json("expected ',' or ']'", position)
        self.position = position + 1
        return documents, 0

    def walk_object(self, start: int) -> Iterator[tuple[str, int]]:
        """Yield each key of the object at `start`, and where its value begins. Who iterates reads the value."""
        text = self.text
        position = self.skip_space(start + 1)
        separator = text[position : position + 1]
        while separator != "}":
            if text[position : position + 1] != '"':
                raise not_json("expected a key in double quotes", position)
            try:
                key, position = json.decoder.scanstring(text, position + 1, True)  # type: ignore[attr-defined]
            except json.JSONDecodeError as error:
                raise not_json(error.msg.rstrip(":").lower(), error.pos) from None
            position = self.skip_space(position)
            if text[position : position + 1] != ":":
                raise not_json("expected ':'", position)
            yield key, self.skip_space(position + 1)
            position = self.skip_space(self.position)
            separator = text[position : position + 1]
            if separator == ",":
                position = self.skip_space(position + 1)
            elif separator != "}":
                raise not_json("expected ',' or '}'", position)
        self.position = position + 1

    def _end_of_nested(self, start: int) -> int:
        for end, depth, _ in self._marks(start):
            if depth == 0:
                return end
        raise not_json("a bracket is not closed", len(self.text))

    def _count_rest(self, start: int) -> int:
        """Count the elements from `start` to the end of the array that is open there, without parsing them."""
        commas = 0
        for _, depth, mark in self._marks(start):
            if depth < 0:
                return commas + 1
            commas += mark == "," and depth == 0
        raise not_json("a bracket is not closed", len(self.text))

    def _marks(self, start: int) -> Iterator[tuple[int, int, str]]:
        depth = 0
        for match in _MARK.finditer(self.text, start):
            mark = match[0]
            depth += _DEPTH_STEPS.get(mark, 0)
            yield match.end(), depth, mark

    def _object(self, pairs: list[tuple[str, Any]]) -> Any:
        members = dict(pairs)
        if len(members) == len(pairs):
            return members
        self._is_flawed = True
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        return _Flaw(f"Key {_shown(twice)} stands twice in one object")

    def _float(self, text: str) -> Decimal | _Flaw:
        if len(text) <= MAX_DIGITS and "e" not in text and "E" not in text:
            return Decimal(text)
        mantissa, _, exponent = text.lower().partition("e")
        if len(exponent) <= 5 and len(mantissa) + abs(int(exponent or 0)) <= MAX_DIGITS:
            return Decimal(text)
        return self._too_long()

    def _integer(self, text: str) -> int | _Flaw:
        return int(text) if len(text) <= MAX_DIGITS else self._too_long()

    def _too_long(self) -> _Flaw:
        self._is_flawed = True
        return _Flaw(f"A number has at most {MAX_DIGITS} digits when it is written out")

    def _constant(self, name: str) -> Any:
        raise not_json(f"{name} is no JSON value", self.text.find(name))


def _inspect(value: Any, path: str, depth: int, violations: list[dict[str, str]]) -> None:
    if isinstance(value, _Flaw):
        violations.append(violation(path, value.message))
    elif isinstance(value, str):
        _inspect_text(value, path, "A text", violations)
    elif isinstance(value, (dict, list)):
        if depth > MAX_DEPTH:
            violations.append(violation(path, f"The value is nested deeper than {MAX_DEPTH} levels"))
            return
        if isinstance(value, list):
            for index, element in enumerate(value):
                _inspect(element, f"{path}[{index}]", depth + 1, violations)
        else:
            for key, element in value.items():
                _inspect_text(key, path, "A key", violations)
                _inspect(element, f"{path}.{_shown(key, quoted=False)}".lstrip("."), depth + 1, violations)


def _inspect_text(text: str, path: str, what: str, violations: list[dict[str, str]]) -> None:
    if "\0" in text:
        violations.append(violation(path, f"{what} cannot hold the character NUL (\\u0000)"))
    if _SURROGATE.search(text):
        violations.append(violation(path, f"{what} cannot hold half of a surrogate pair"))


def _shown(key: str, quoted: bool = True) -> str:
    """Return a key as an answer may show it: short, and without what UTF-8 cannot carry."""
    key = key[:64].encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\u0000")
    return f"'{key}'" if quoted else key
