"""The types that a field of a new feature can have: what each is in SQL, in a schema, in an example and in tests.

All texts are source: of SQL, or of Python. `{name}` is the field's name in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Case(NamedTuple):
    """A value in a test, and what it is an example of."""

    id: str
    value: str


@dataclass(frozen=True)
class Kind:
    """One type of field."""

    column: str
    check: str | None  # what SQL checks beyond the column's type; {column} is its name
    takes: str  # the class of the field that reads it, and its arguments
    arguments: str
    gives: str  # marshmallow's class for what is answered
    example: str
    other: str  # another value that is allowed
    allowed: tuple[Case, ...]
    refused: tuple[Case, ...]
    refused_by_database: tuple[Case, ...] = ()


KINDS = {
    "str": Kind(
        column="text",
        check="length({column}) BETWEEN 1 AND 200",
        takes="Text",
        arguments="limit=200",
        gives="String",
        example='"Sample {name}"',
        other='"Another {name}"',
        allowed=(
            Case("shortest", '"x"'),
            Case("longest", '"ä" * 200'),
            Case("any-character", '" \\u2028\'\\"\\\\%s𝄞"'),
        ),
        refused=(
            Case("empty", '""'),
            Case("too-long", '"x" * 201'),
            Case("nul", '"a\\0b"'),
            Case("number", "7"),
        ),
        refused_by_database=(Case("empty", '""'), Case("too-long", '"x" * 201')),
    ),
    "text": Kind(
        column="text",
        check="length({column}) <= 2000",
        takes="LongText",
        arguments="limit=2000",
        gives="String",
        example='"Sample {name}"',
        other='"Another {name}"',
        allowed=(
            Case("empty", '""'),
            Case("longest", '"ä" * 2000'),
            Case("any-character", '" \\u2028\'\\"\\\\%s𝄞"'),
        ),
        refused=(
            Case("too-long", '"x" * 2001'),
            Case("nul", '"a\\0b"'),
            Case("number", "7"),
        ),
        refused_by_database=(Case("too-long", '"x" * 2001'),),
    ),
    "int": Kind(
        column="integer",
        check=None,
        takes="Number",
        arguments="-2147483648, 2147483647, places=0",
        gives="Integer",
        example="7",
        other="8",
        allowed=(
            Case("lowest", "-2147483648"),
            Case("highest", "2147483647"),
        ),
        refused=(
            Case("too-low", "-2147483649"),
            Case("too-high", "2147483648"),
            Case("fraction", "7.5"),
            Case("text", '"7"'),
            Case("flag", "True"),
        ),
    ),
    "decimal": Kind(
        column="numeric",
        check=None,
        takes="Number",
        arguments="",
        gives="Decimal",
        example="12.5",
        other="12.75",
        allowed=(
            Case("small", "-0.000000001"),
            Case("large", "123456789012345.5"),
            Case("whole", "3"),
        ),
        refused=(
            Case("text", '"12.5"'),
            Case("flag", "False"),
        ),
    ),
    "bool": Kind(
        column="boolean",
        check=None,
        takes="Flag",
        arguments="",
        gives="Boolean",
        example="True",
        other="False",
        allowed=(Case("false", "False"),),
        refused=(
            Case("text", '"true"'),
            Case("number", "1"),
        ),
    ),
    "date": Kind(
        column="date",
        check=None,
        takes="Day",
        arguments="",
        gives="Date",
        example='"2026-01-15"',
        other='"2026-01-16"',
        allowed=(
            Case("leap-day", '"2024-02-29"'),
            Case("first", '"0001-01-01"'),
            Case("last", '"9999-12-31"'),
        ),
        refused=(
            Case("no-such-day", '"2026-02-29"'),
            Case("other-form", '"20260115"'),
            Case("time", '"2026-01-15T10:30:00Z"'),
            Case("number", "20260115"),
        ),
    ),
    "datetime": Kind(
        column="timestamptz",
        check=None,
        takes="Instant",
        arguments="",
        gives="DateTime",
        example='"2026-01-15T10:30:00Z"',
        other='"2026-01-16T10:30:00Z"',
        allowed=(
            Case("microsecond", '"2026-01-15T10:30:00.000001Z"'),
            Case("first", '"0001-01-01T00:00:00Z"'),
            Case("last", '"9999-12-31T23:59:59Z"'),
        ),
        refused=(
            Case("no-offset", '"2026-01-15T10:30:00"'),
            Case("no-such-day", '"2026-02-29T10:30:00Z"'),
            Case("no-time", '"2026-01-15"'),
            Case("number", "1768473000000"),
        ),
    ),
    "uuid": Kind(
        column="uuid",
        check=None,
        takes="Uuid",
        arguments="",
        gives="UUID",
        example='"0f8fad5b-d9cb-469f-a165-70867728950e"',
        other='"7c9e6679-7425-40de-944b-e07fc1f90ae7"',
        allowed=(Case("nil", '"00000000-0000-0000-0000-000000000000"'),),
        refused=(
            Case("no-dashes", '"0f8fad5bd9cb469fa16570867728950e"'),
            Case("text", '"x"'),
            Case("number", "1"),
        ),
    ),
}
