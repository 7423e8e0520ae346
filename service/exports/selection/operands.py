"""What stands beside an operator, with its type: which types go together, and as what they are compared.

Engines disagree about what to make of two types, and of numbers that grow too large. So both sides become one type
before they meet, by a cast that is written down, and numbers are added and multiplied as decimals that hold any result.
Each function raises `Misfit` where its operands do not go together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, Literal

from service.exports.lake.types import FLOATS, INTEGERS, Type
from service.exports.selection.nodes import bound, cast, known
from service.exports.selection.values import COMPARABLE, Misfit, digits_of, text_of

if TYPE_CHECKING:
    from sqlglot import exp

MAX_DIGITS = 38  # of a decimal

STRING, TIMESTAMP = Type("string"), Type("timestamp")
_FAMILIES = {
    **dict.fromkeys((*INTEGERS, "decimal"), "exact"),
    **dict.fromkeys(FLOATS, "float"),
    **dict.fromkeys(("string", "varchar"), "text"),
    **{kind: kind for kind in ("char", "boolean", "date", "timestamp", "timestamptz", "uuid")},
}
_WRITTEN: dict[str, tuple[str, ...]] = {  # as what a value may be meant that is written down
    "number": ("exact", "float"),
    "text": ("text", "char", "date", "timestamp", "timestamptz", "uuid"),
    "boolean": ("boolean",),
    "date": ("date", "timestamp", "timestamptz"),
    "timestamp": ("date", "timestamp", "timestamptz"),
}
_INTEGER_DIGITS = {"tinyint": 3, "smallint": 5, "int": 10, "bigint": 19}


@dataclass(frozen=True)
class Typed:
    """A column, or what is made of columns."""

    node: exp.Expression
    type: Type


@dataclass(frozen=True)
class Written:
    """A value that is written down: its type depends on what it meets."""

    kind: Literal["number", "text", "boolean", "date", "timestamp", "null"]
    value: Any = None  # a number is a Decimal


Operand = Typed | Written


def unified(operands: Sequence[Operand]) -> tuple[Type, list[exp.Expression]]:
    """Return the one type that all operands can have, and each as a node of it."""
    from sqlglot import exp

    if any(isinstance(operand, Written) and operand.kind == "null" for operand in operands):
        raise Misfit("Must ask for NULL by IS NULL or IS NOT NULL: nothing is equal to it")
    typed = [operand for operand in operands if isinstance(operand, Typed)]
    if not any(operand.node.find(exp.Column) for operand in typed):
        raise Misfit("Must name a column on one side of each comparison")
    target = reduce(_common, (operand.type for operand in typed))
    if target.kind not in COMPARABLE:
        raise Misfit(f"Must not compare a column of type {target.kind}: it may only be NULL or not")
    target = reduce(_widened, (operand for operand in operands if isinstance(operand, Written)), target)
    return target, [_as(operand, target) for operand in operands]


def _common(one: Type, other: Type) -> Type:
    if one == other:
        return one
    families = {_FAMILIES.get(one.kind), _FAMILIES.get(other.kind)}
    if families == {"exact"}:
        if one.kind != "decimal" and other.kind != "decimal":
            return max(one, other, key=lambda each: INTEGERS.index(each.kind))
        (whole, scale), (other_whole, other_scale) = places(one), places(other)
        return decimal(max(whole, other_whole), max(scale, other_scale))
    if families == {"float"}:
        return Type("double")
    if families == {"text"}:
        return STRING
    if families == {"char"}:
        return one
    if families == {"date", "timestamp"}:
        return TIMESTAMP
    raise Misfit(f"Must not bring {one} and {other} together")


def _widened(target: Type, written: Written) -> Type:
    """Return the type that holds a written value beside those of another type."""
    family = _FAMILIES[target.kind]
    if family not in _WRITTEN[written.kind]:
        raise Misfit(f"Must not bring {target} and a {written.kind} together")
    if written.kind == "number" and family == "exact":
        try:
            text_of(written.value, target)
        except Misfit:
            return _common(target, _natural(written))
    if written.kind == "timestamp" and family == "date":
        return TIMESTAMP
    return target


def _natural(written: Written) -> Type:
    """Return the narrowest type of a number."""
    whole, fraction = digits_of(written.value)
    if not fraction and len(whole) < _INTEGER_DIGITS["bigint"]:
        return next(Type(kind) for kind, digits in _INTEGER_DIGITS.items() if len(whole) < digits)
    return decimal(len(whole), len(fraction))


def _as(operand: Operand, target: Type) -> exp.Expression:
    if isinstance(operand, Written):
        return bound(text_of(operand.value, target), target)
    node = known(operand.node, operand.type)
    is_as_it_is = operand.type == target or target.kind in (
        *INTEGERS,
        "string",
        "char",
    )  # engines agree how these widen
    return node if is_as_it_is else cast(node, target)


def as_exact(operand: Operand) -> Typed:
    """Return an operand as a decimal, to calculate with it."""
    if isinstance(operand, Written):
        if operand.kind != "number":
            raise Misfit(f"Must not calculate with a {operand.kind}")
        target = decimal(*map(len, digits_of(operand.value)))
        return Typed(bound(text_of(operand.value, target), target), target)
    if _FAMILIES.get(operand.type.kind) != "exact":
        raise Misfit(f"Must calculate with integers and decimals only, not with {operand.type}")
    target = decimal(*places(operand.type))
    return operand if operand.type == target else Typed(cast(operand.node, target), target)


def places(type: Type) -> tuple[int, int]:  # noqa: A002
    """Return how many digits an exact number has before and behind the point."""
    if type.kind != "decimal":
        return _INTEGER_DIGITS[type.kind], 0
    precision, scale = type.parameters
    return precision - scale, scale


def decimal(whole: int, scale: int) -> Type:
    """Return the type of numbers with so many digits before and behind the point."""
    if whole + scale > MAX_DIGITS:
        raise Misfit(f"Must not need more than {MAX_DIGITS} digits, as many as a decimal has: {whole + scale}")
    return Type("decimal", (max(1, whole + scale), scale))
