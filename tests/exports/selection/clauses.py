"""Clauses that are valid over the sample table, each with a filter in Python that says what it means.

`clauses()` draws them; `Clause.meets(row)` is true, false, or None where SQL knows neither. Nothing here knows how
the service reads a clause.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, localcontext
from math import isnan
from typing import Any

from hypothesis import strategies as st

from tests.exports.selection.sample import (
    BIGS,
    CODES,
    DAYS,
    MOMENTS,
    NAMES,
    QUANTITIES,
    REGIONS,
    VALUES,
)

Row = dict[str, Any]
Truth = bool | None

# How tightly a text holds together: what stands in something tighter needs brackets.
OR, AND, NOT, PREDICATE, SUM, PRODUCT, SIGNED, ATOM = range(8)


@dataclass(frozen=True)
class Clause:
    """A piece of SQL, how tightly it holds together, and what it is worth for a row."""

    text: str
    level: int
    meets: Callable[[Row], Any]

    def within(self, level: int) -> str:
        """Return the text as it stands in something of another level."""
        return self.text if self.level >= level else f"({self.text})"


def _word(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from((text, text, text.lower(), f"{text}\n", f" {text}\t"))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _column(name: str) -> st.SearchStrategy[Clause]:
    return st.sampled_from((name, name.upper(), f'"{name}"', f'"{name.capitalize()}"')).map(
        lambda written: Clause(written, ATOM, lambda row: row[name])
    )


def _of(value: Any, text: str, level: int = ATOM) -> Clause:
    return Clause(text, level, lambda row: value)


def _known(values: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    return st.sampled_from([value for value in values if value is not None])


def _strict(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that knows nothing about NULL as one that gives NULL for it."""
    return lambda *values: None if any(value is None for value in values) else function(*values)


# Numbers


def _number(number: Decimal) -> Clause:
    return _of(number, f"{number:f}", SIGNED if number < 0 else ATOM)


NUMBER_TEXTS = (
    *(str(each) for each in QUANTITIES if each is not None),
    *filter(None, VALUES),
    "0.005",
    "-7.125",
    "3",
    "300",
)
numbers = st.one_of(
    st.sampled_from(NUMBER_TEXTS).map(Decimal),
    st.integers(-300, 300).map(Decimal),
    st.decimals(-20, 20, places=3).map(lambda number: number + 0),
).map(_number)
number_columns = st.one_of(*map(_column, ("id", "quantity", "tiny", "value")))


@st.composite
def _lengths(draw: st.DrawFn) -> Clause:
    text = draw(text_values)
    return Clause(f"{draw(_word('LENGTH'))}({text.text})", ATOM, lambda row: _strict(len)(text.meets(row)))


@st.composite
def _products(draw: st.DrawFn) -> Clause:
    factors = st.one_of(*map(_column, ("quantity", "tiny", "value")))
    one, other = draw(factors), draw(st.one_of(factors, numbers))
    return Clause(
        f"{one.within(PRODUCT)}*{other.within(SIGNED)}",
        PRODUCT,
        lambda row: _strict(lambda a, b: Decimal(a) * Decimal(b))(one.meets(row), other.meets(row)),
    )


@st.composite
def _sums(draw: st.DrawFn, parts: st.SearchStrategy[Clause]) -> Clause:
    one, other, sign = draw(parts), draw(parts), draw(st.sampled_from("+-"))

    def meets(row: Row) -> Any:
        add = lambda a, b: Decimal(a) + Decimal(b) if sign == "+" else Decimal(a) - Decimal(b)  # noqa: E731
        return _strict(add)(one.meets(row), other.meets(row))

    return Clause(f"{one.within(SUM)} {sign} {other.within(PRODUCT)}", SUM, meets)


@st.composite
def _changed(draw: st.DrawFn, parts: st.SearchStrategy[Clause]) -> Clause:
    part, how = draw(parts), draw(st.sampled_from(("abs", "minus", "coalesce")))
    if how == "abs":
        return Clause(f"{draw(_word('ABS'))}({part.text})", ATOM, lambda row: _strict(abs)(part.meets(row)))
    if how == "minus":
        return Clause(f"- {part.within(SIGNED)}", SIGNED, lambda row: _strict(lambda n: -Decimal(n))(part.meets(row)))
    other, last = draw(number_columns), draw(numbers)

    def meets(row: Row) -> Any:
        return next((n for n in (other.meets(row), part.meets(row), last.meets(row)) if n is not None), None)

    return Clause(f"{draw(_word('COALESCE'))}({other.text}, {part.text}, {last.text})", ATOM, meets)


# Texts: a character changes its case by itself, and ß becomes ẞ


def lowered(text: str) -> str:
    return "".join("i" if character == "İ" else character.lower() for character in text)


def raised(text: str) -> str:
    return "".join("ẞ" if character == "ß" else character.upper() for character in text)


text_columns = st.one_of(*map(_column, ("region", "name", "iso")))


@st.composite
def _made_texts(draw: st.DrawFn, parts: st.SearchStrategy[Clause]) -> Clause:
    part, how = draw(parts), draw(st.sampled_from(("lower", "upper", "substr", "coalesce")))
    word = draw(_word(how.upper()))
    if how == "coalesce":
        last = draw(_known((*REGIONS, *NAMES)))
        return Clause(
            f"{word}({part.text}, {_quoted(last)})",
            ATOM,
            lambda row: last if part.meets(row) is None else part.meets(row),
        )
    if how == "substr":
        start, length = draw(st.integers(1, 5)), draw(st.one_of(st.none(), st.integers(0, 4)))
        end = None if length is None else start - 1 + length
        numbers_text = f"{start}" if length is None else f"{start}, {length}"
        return Clause(
            f"{word}({part.text}, {numbers_text})",
            ATOM,
            lambda row: _strict(lambda t: t[start - 1 : end])(part.meets(row)),
        )
    return Clause(
        f"{word}({part.text})", ATOM, lambda row: _strict(lowered if how == "lower" else raised)(part.meets(row))
    )


text_values = st.one_of(text_columns, text_columns, st.deferred(lambda: _made_texts(text_columns)))
texts = st.one_of(_known((*REGIONS, *NAMES)), st.text("aeUSß%_\\'👍", max_size=4)).map(
    lambda text: _of(text, _quoted(text))
)
number_values = st.recursive(
    st.one_of(number_columns, number_columns, _lengths(), _products()),
    lambda parts: st.one_of(_sums(parts), _changed(parts)),
    max_leaves=4,
)


# Days and moments


def _days() -> st.SearchStrategy[Clause]:
    return st.tuples(_known(DAYS), st.sampled_from(("{}", "DATE {}", "date{}"))).map(
        lambda drawn: _of(drawn[0], drawn[1].format(_quoted(drawn[0].isoformat())))
    )


def _moments() -> st.SearchStrategy[Clause]:
    def written(drawn: tuple[datetime, int, str, str]) -> Clause:
        moment, offset, form, between = drawn
        if offset:
            text = moment.astimezone(timezone(timedelta(hours=offset))).isoformat(between)
        else:
            text = moment.replace(tzinfo=None).isoformat(between)
        return _of(moment, form.format(_quoted(text)))

    return st.tuples(
        _known(MOMENTS), st.sampled_from((0, 0, 2, -5)), st.sampled_from(("{}", "TIMESTAMP {}")), st.sampled_from("T ")
    ).map(written)


def _as_moment(value: Any) -> Any:
    """Return a day or a moment in UTC as one without an offset."""
    if value is None or isinstance(value, datetime):
        return value and value.astimezone(UTC).replace(tzinfo=None) if value and value.tzinfo else value
    return datetime(value.year, value.month, value.day)  # noqa: DTZ001


def _clock(clause: Clause) -> Clause:
    return Clause(clause.text, clause.level, lambda row: _as_moment(clause.meets(row)))


# Floats, whose NaN is unknown


def _float(name: str) -> st.SearchStrategy[Clause]:
    return _column(name).map(
        lambda column: Clause(
            column.text, ATOM, lambda row: None if (f := column.meets(row)) is None or isnan(f) else f
        )
    )


FLOAT_TEXTS = ("0", "0.1", "-1.5", "2.5", "1" + "0" * 37, "-0.0")
doubles = st.sampled_from(FLOAT_TEXTS).map(lambda text: _of(float(text), text, SIGNED))
singles = st.sampled_from(FLOAT_TEXTS).map(
    lambda text: _of(struct.unpack("f", struct.pack("f", float(text)))[0], text, SIGNED)
)

# What is compared with what: something with a column in it, values that are written down, and whether it has an order
Kind = tuple[st.SearchStrategy[Clause], st.SearchStrategy[Clause], bool]
KINDS: dict[str, Kind] = {
    "number": (number_values, numbers, True),
    "big": (_column("big"), st.sampled_from([b for b in BIGS if b]).map(Decimal).map(_number), True),
    "text": (text_values, texts, True),
    "day": (_column("day"), _days(), True),
    "clock": (
        st.one_of(_column("at"), _column("day")).map(_clock),
        st.one_of(_moments().filter(lambda c: c.text.startswith("T")), _days().filter(lambda c: c.text[0] != "'")).map(
            _clock
        ),
        True,
    ),
    "moment": (_column("at").map(_clock), st.one_of(_moments(), _days()).map(_clock), True),
    "instant": (_column("seen").map(_clock), st.one_of(_moments(), _days()).map(_clock), True),
    "double": (_float("ratio"), doubles, True),
    "single": (_float("small"), singles, True),
    "code": (_column("code"), _known(CODES).map(lambda code: _of(code, _quoted(str(code).upper()))), False),
}
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _and(*truths: Truth) -> Truth:
    return False if False in truths else None if None in truths else True


def _or(*truths: Truth) -> Truth:
    return True if True in truths else None if None in truths else False


def _not(truth: Truth) -> Truth:
    return None if truth is None else not truth


def _negated(clause: Clause, is_negated: bool) -> Clause:
    return Clause(clause.text, clause.level, lambda row: _not(clause.meets(row))) if is_negated else clause


@st.composite
def _comparisons(draw: st.DrawFn) -> Clause:
    columns, values, is_ordered = KINDS[draw(st.sampled_from(sorted(KINDS)))]
    one, other = draw(columns), draw(st.one_of(values, values, columns))
    if draw(st.booleans()):
        one, other = other, one
    sign = draw(st.sampled_from(sorted(OPERATORS)[:] if is_ordered else ["=", "<>", "!="]))
    return Clause(
        f"{one.within(SUM)} {sign} {other.within(SUM)}",
        PREDICATE,
        lambda row: _strict(OPERATORS[sign])(one.meets(row), other.meets(row)),
    )


@st.composite
def _inclusions(draw: st.DrawFn) -> Clause:
    columns, values, _ = KINDS[draw(st.sampled_from(sorted(KINDS)))]
    one, options = draw(columns), draw(st.lists(values, min_size=1, max_size=4))
    is_negated = draw(st.booleans())
    word = draw(_word("NOT IN" if is_negated else "IN"))
    listed = ", ".join(option.text for option in options)

    def meets(row: Row) -> Truth:
        return _or(*(_strict(OPERATORS["="])(one.meets(row), option.meets(row)) for option in options))

    return _negated(Clause(f"{one.within(SUM)} {word} ({listed})", PREDICATE, meets), is_negated)


@st.composite
def _ranges(draw: st.DrawFn) -> Clause:
    kinds = [name for name, (_, _, is_ordered) in KINDS.items() if is_ordered]
    columns, values, _ = KINDS[draw(st.sampled_from(kinds))]
    one, low, high = draw(columns), draw(st.one_of(values, columns)), draw(values)
    is_negated = draw(st.booleans())
    word = draw(_word("NOT BETWEEN" if is_negated else "BETWEEN"))

    def meets(row: Row) -> Truth:
        least, most = OPERATORS[">="], OPERATORS["<="]
        return _and(_strict(least)(one.meets(row), low.meets(row)), _strict(most)(one.meets(row), high.meets(row)))

    text = f"{one.within(SUM)} {word} {low.within(SUM)} {draw(_word('AND'))} {high.within(SUM)}"
    return _negated(Clause(text, PREDICATE, meets), is_negated)


@st.composite
def _likenesses(draw: st.DrawFn) -> Clause:
    one, is_negated = draw(text_values), draw(st.booleans())
    escape = draw(st.sampled_from(("", "", "!", "\\", "%", "_", "'")))
    spelled, meant = "", ""
    for piece in draw(
        st.lists(st.sampled_from(("%", "%", "_", "a", "U", "S", "ß", "é", "👍", "\\", "'", "!", ".")), max_size=5)
    ):
        if escape and (piece == escape or (piece in "%_" and draw(st.booleans()))):
            spelled += escape + piece
            meant += re.escape(piece)
        else:
            spelled += piece
            meant += {"%": ".*", "_": "."}.get(piece, re.escape(piece))
    expression = re.compile(meant, re.DOTALL)
    word = draw(_word("NOT LIKE" if is_negated else "LIKE"))
    end = f" {draw(_word('ESCAPE'))} {_quoted(escape)}" if escape else ""

    def meets(row: Row) -> Truth:
        return _strict(lambda text: expression.fullmatch(text) is not None)(one.meets(row))

    return _negated(Clause(f"{one.within(SUM)} {word} {_quoted(spelled)}{end}", PREDICATE, meets), is_negated)


@st.composite
def _nulls(draw: st.DrawFn) -> Clause:
    anything = st.one_of(number_values, text_values, *map(_column, ("tags", "raw", "ratio", "active", "seen", "code")))
    one, is_negated = draw(anything), draw(st.booleans())
    word = draw(_word("IS NOT NULL" if is_negated else "IS NULL"))
    return _negated(Clause(f"{one.within(SUM)} {word}", PREDICATE, lambda row: one.meets(row) is None), is_negated)


@st.composite
def _truths(draw: st.DrawFn) -> Clause:
    one = draw(_column("active"))
    if draw(st.booleans()):
        return one
    truth, sign = draw(st.booleans()), draw(st.sampled_from(("=", "<>")))
    return Clause(
        f"{one.text} {sign} {draw(_word(str(truth).upper()))}",
        PREDICATE,
        lambda row: _strict(OPERATORS[sign])(one.meets(row), truth),
    )


@st.composite
def _combined(draw: st.DrawFn, parts: st.SearchStrategy[Clause]) -> Clause:
    how = draw(st.sampled_from(("and", "or", "not", "brackets", "equal")))
    one = draw(parts)
    if how == "brackets":
        return Clause(f"({one.text} )", ATOM, one.meets)
    if how == "not":
        return _negated(Clause(f"{draw(_word('NOT'))} {one.within(NOT)}", NOT, one.meets), True)
    other = draw(parts)
    if how == "equal":
        return Clause(
            f"{one.within(ATOM)} = {other.within(ATOM)}",
            PREDICATE,
            lambda row: _strict(OPERATORS["="])(one.meets(row), other.meets(row)),
        )
    level, join, word = (AND, _and, "AND") if how == "and" else (OR, _or, "OR")
    return Clause(
        f"{one.within(level)} {draw(_word(word))} {other.within(level)}",
        level,
        lambda row: join(one.meets(row), other.meets(row)),
    )


def clauses() -> st.SearchStrategy[Clause]:
    """Draw clauses that are valid over the sample table."""
    predicates = st.one_of(_comparisons(), _comparisons(), _inclusions(), _ranges(), _likenesses(), _nulls(), _truths())
    return st.recursive(predicates, _combined, max_leaves=6)


def expected(clause: Clause, rows: list[Row]) -> list[int]:
    """Return the ids of the rows that meet a clause."""
    with localcontext(prec=100):
        return [row["id"] for row in rows if clause.meets(row) is True]
