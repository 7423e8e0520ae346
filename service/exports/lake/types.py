"""The types of columns, in the words of Hive, which Glue uses: `array<struct<name:string,price:decimal(9,2)>>`.

Both catalogs, Glue's and Iceberg's own, are read into these; queries, and values on their way to JSON, go by them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

INTEGERS = ("tinyint", "smallint", "int", "bigint")
FLOATS = ("float", "double")
NUMBERS = (*INTEGERS, *FLOATS, "decimal")
TEXTS = ("string", "varchar", "char")
MOMENTS = ("timestamp", "timestamptz")
NESTED = ("array", "map", "struct")
SIMPLE = ("boolean", *NUMBERS, *TEXTS, "binary", "date", *MOMENTS, "time", "uuid")

MAX_DEPTH = 20
MAX_PRECISION = 38

_ALIASES = {
    "integer": "int",
    "long": "bigint",
    "real": "float",
    "double precision": "double",
    "numeric": "decimal",
    "timestamp with time zone": "timestamptz",
    "timestamp with local time zone": "timestamptz",
}
_TOKEN = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_ ]*|[0-9]{1,9}|[<>(),:])")
_NAME = r"[^`<>(),:\s]+(?: +[^`<>(),:\s]+)*"
_FIELD = re.compile(rf"\s*(?:`((?:[^`]|``)+)`|({_NAME}))\s*:")  # quoted as Hive does it, or as Glue has it
_BARE = re.compile(_NAME)


class UnknownType(ValueError):
    """The text is no type that an export knows."""


@dataclass(frozen=True)
class Type:
    """A type: its `kind`, and what its kind needs.

    `parameters` are a decimal's precision and scale, or the length of a char or varchar. `children` are an array's
    element, a map's key and value, or a struct's fields, whose names are `names`.
    """

    kind: str
    parameters: tuple[int, ...] = ()
    children: tuple[Type, ...] = ()
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.kind == "struct":
            fields = ",".join(f"{_quoted(name)}:{child}" for name, child in zip(self.names, self.children, strict=True))
            return f"struct<{fields}>"
        if self.children:
            return f"{self.kind}<{','.join(map(str, self.children))}>"
        return f"{self.kind}({','.join(map(str, self.parameters))})" if self.parameters else self.kind


def parse(text: str) -> Type:
    """Return the type that a text of Hive's names. Raises `UnknownType`."""
    reader = _Reader(text)
    found = reader.read_type(0)
    if reader.next() is not None:
        raise UnknownType(text)
    return found


def _quoted(name: str) -> str:
    return name if _BARE.fullmatch(name) else f"`{name.replace('`', '``')}`"


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def next(self, expected: str | None = None) -> str | None:
        """Return the next token, None at the end. Raises `UnknownType` where it is not the one expected."""
        match = _TOKEN.match(self._text, self._at)
        token = match[1].strip() if match else None
        if match:
            self._at = match.end()
        elif self._text[self._at :].strip():
            raise UnknownType(self._text)
        if expected is not None and token not in expected.split(" "):
            raise UnknownType(self._text)
        return token

    def read_type(self, depth: int) -> Type:
        name = (self.next() or "").lower()
        kind = _ALIASES.get(name, name)
        if depth > MAX_DEPTH or kind not in (*SIMPLE, *NESTED):
            raise UnknownType(self._text)
        if kind == "struct":
            return self._read_struct(depth)
        if kind in NESTED:
            return Type(kind, children=self._read_children(depth, 1 if kind == "array" else 2))
        return Type(kind, self._read_parameters(kind))

    def _read_struct(self, depth: int) -> Type:
        names, children = [], []
        end = self.next("<")
        while end != ">":
            names.append(self._read_name())
            children.append(self.read_type(depth + 1))
            end = self.next(", >")
        if len(set(names)) < len(names):
            raise UnknownType(self._text)
        return Type("struct", children=tuple(children), names=tuple(names))

    def _read_name(self) -> str:
        match = _FIELD.match(self._text, self._at)
        if match is None:
            raise UnknownType(self._text)
        self._at = match.end()
        return str(match[2] or match[1].replace("``", "`"))

    def _read_children(self, depth: int, count: int) -> tuple[Type, ...]:
        self.next("<")
        children = [self.read_type(depth + 1)]
        for _ in range(count - 1):
            self.next(",")
            children.append(self.read_type(depth + 1))
        self.next(">")
        return tuple(children)

    def _read_parameters(self, kind: str) -> tuple[int, ...]:
        if kind not in ("decimal", "varchar", "char") or not self._text.startswith("(", self._at):
            return (10, 0) if kind == "decimal" else ()
        numbers: list[int] = []
        end = self.next("(")
        while end != ")":
            token = self.next() or ""
            if not token.isdecimal() or len(numbers) == 2:
                raise UnknownType(self._text)
            numbers.append(int(token))
            end = self.next(", )")
        if kind == "decimal" and len(numbers) == 1:
            numbers.append(0)
        if not (_is_decimal(*numbers) if kind == "decimal" and numbers else len(numbers) == 1):
            raise UnknownType(self._text)
        return tuple(numbers)


def _is_decimal(precision: int, scale: int) -> bool:
    return 0 < precision <= MAX_PRECISION and scale <= precision
