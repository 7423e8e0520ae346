"""What a clause may do with columns and values: compare them, calculate with them, and a few functions.

Each takes the node that sqlglot calls it by and its operands, and raises `Misfit` where they do not fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.exports.lake.types import Type
from service.exports.selection import nodes, patterns
from service.exports.selection.operands import STRING, Operand, Typed, Written, as_exact, decimal, places, unified
from service.exports.selection.values import ORDERED, Misfit

if TYPE_CHECKING:
    from sqlglot import exp

    Kind = type[exp.Expression]

BOOLEAN, BIGINT = Type("boolean"), Type("bigint")
MAX_OPTIONS = 200  # behind IN
MAX_POSITION = 1_000_000  # in a text


def equality(kind: Kind, one: Operand, other: Operand) -> Operand:
    """Return `=` or `<>`."""
    _, both = unified((one, other))
    return Typed(nodes.parenthesized(kind, *both), BOOLEAN)


def order(kind: Kind, one: Operand, other: Operand) -> Operand:
    """Return `<`, `<=`, `>` or `>=`."""
    target, both = unified((one, other))
    _check_order(target)
    return Typed(nodes.parenthesized(kind, *both), BOOLEAN)


def between(kind: Kind, one: Operand, low: Operand, high: Operand) -> Operand:
    """Return `BETWEEN`, which includes both ends."""
    from sqlglot import exp

    target, (this, first, last) = unified((one, low, high))
    _check_order(target)
    return Typed(exp.Paren(this=kind(this=this, low=first, high=last)), BOOLEAN)


def _check_order(target: Type) -> None:
    if target.kind not in ORDERED:
        raise Misfit(f"Must not ask which {target.kind} is greater")


def inclusion(kind: Kind, one: Operand, *options: Operand) -> Operand:
    """Return `IN` with a list of values."""
    from sqlglot import exp

    if not options or not all(isinstance(option, Written) for option in options):
        raise Misfit("Must list values behind IN, at least one, such as IN ('US', 'CA')")
    if len(options) > MAX_OPTIONS:
        raise Misfit(f"Must list at most {MAX_OPTIONS} values behind IN")
    _, (this, *listed) = unified((one, *options))
    return Typed(exp.Paren(this=kind(this=this, expressions=listed)), BOOLEAN)


def likeness(_: Kind, one: Operand, pattern: Operand, escape: Operand | None = None) -> Operand:
    """Return `LIKE`, which knows no escape character unless it is told one."""
    if not isinstance(pattern, Written) or pattern.kind != "text":
        raise Misfit("Must have a text behind LIKE, such as 'A%'")
    if escape is not None and not (isinstance(escape, Written) and escape.kind == "text" and len(escape.value) == 1):
        raise Misfit("Must have a text of one character behind ESCAPE")
    spelled = patterns.respelled(pattern.value, escape.value if isinstance(escape, Written) else "")
    return Typed(nodes.like(_text(one, "LIKE"), spelled), BOOLEAN)


def nullness(kind: Kind, one: Operand, null: Operand) -> Operand:
    """Return `IS NULL`, the one question that may be asked of a column of any type."""
    from sqlglot import exp

    if not isinstance(one, Typed) or null != Written("null"):
        raise Misfit("Must have a column before IS, and NULL or NOT NULL behind it")
    return Typed(nodes.parenthesized(kind, one.node, exp.Null()), BOOLEAN)


def negation(kind: Kind, one: Operand) -> Operand:
    """Return `NOT`."""
    return Typed(nodes.parenthesized(kind, condition(one)), BOOLEAN)


def condition(one: Operand) -> exp.Expression:
    """Return an operand that is true or false for each row."""
    if isinstance(one, Written) or one.type != BOOLEAN:
        raise Misfit("Must be a condition, alone, behind NOT and on both sides of AND and OR: true or false for a row")
    return one.node


def calculation(kind: Kind, one: Operand, other: Operand) -> Operand:
    """Return a sum or a difference, exactly."""
    left, right = as_exact(one), as_exact(other)
    (whole, scale), (other_whole, other_scale) = places(left.type), places(right.type)
    return _calculated(kind, left, right, decimal(max(whole, other_whole) + 1, max(scale, other_scale)))


def product(kind: Kind, one: Operand, other: Operand) -> Operand:
    """Return a product, exactly."""
    left, right = as_exact(one), as_exact(other)
    (whole, scale), (other_whole, other_scale) = places(left.type), places(right.type)
    return _calculated(kind, left, right, decimal(whole + other_whole, scale + other_scale))


def _calculated(kind: Kind, left: Typed, right: Typed, result: Type) -> Typed:
    """Return what is calculated as the type that holds it: to DuckDB, two sides of 18 digits make no more of them."""
    wide = Type("decimal", (result.parameters[0], left.type.parameters[1]))
    return Typed(nodes.cast(kind(this=nodes.cast(left.node, wide), expression=right.node), result), result)


def negative(kind: Kind, one: Operand) -> Operand:
    """Return a number with the other sign."""
    if isinstance(one, Written) and one.kind == "number":
        return Written("number", one.value.copy_negate())  # the operator would round to 28 digits
    exact = as_exact(one)
    return Typed(nodes.parenthesized(kind, exact.node), exact.type)


def absolute(kind: Kind, one: Operand) -> Operand:
    """Return a number without its sign."""
    exact = as_exact(one)
    return Typed(kind(this=exact.node), exact.type)


def fallback(kind: Kind, *operands: Operand) -> Operand:
    """Return `coalesce`: the first operand that is not NULL."""
    if len(operands) < 2:
        raise Misfit("Must give coalesce two values or more")
    target, (first, *others) = unified(operands)
    return Typed(kind(this=first, expressions=others), target)


def length(kind: Kind, one: Operand) -> Operand:
    """Return how many code points a text has."""
    return Typed(kind(this=_text(one, "length")), BIGINT)


def lower(kind: Kind, one: Operand) -> Operand:
    """Return a text in lower case, character by character."""
    return Typed(kind(this=_text(one, "lower")), STRING)


def upper(kind: Kind, one: Operand) -> Operand:
    """Return a text in upper case, character by character. An engine has its own idea of ß, so ẞ takes its place."""
    from sqlglot import exp

    sharp, capital = exp.Literal.string("ß"), exp.Literal.string("ẞ")
    return Typed(kind(this=exp.Replace(this=_text(one, "upper"), expression=sharp, replacement=capital)), STRING)


def part(kind: Kind, one: Operand, *numbers: Operand) -> Operand:
    """Return `substr`: a part of a text, from its first character on, which is the 1st, or from a later one."""
    from sqlglot import exp

    start, length = [*map(_position, numbers), MAX_POSITION][:2] if numbers else (0, 0)
    if start < 1:
        raise Misfit("Must tell substr where to begin, from 1 on, and perhaps how many characters to take")
    places = {"start": exp.Literal.number(start), "length": exp.Literal.number(length)}
    return Typed(kind(this=_text(one, "substr"), **places), STRING)


def _position(given: Operand) -> int:
    if isinstance(given, Written) and given.kind == "number" and int(given.value) == given.value <= MAX_POSITION:
        return int(given.value)
    raise Misfit(f"Must give substr whole numbers from 0 to {MAX_POSITION}")


def _text(one: Operand, what: str) -> exp.Expression:
    if not isinstance(one, Typed) or one.type.kind not in ("string", "varchar"):
        raise Misfit(f"Must use {what} with a column of texts")
    return one.node
