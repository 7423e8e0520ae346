"""A look at a `where_clause` before it is parsed: its characters, words and brackets.

What passes holds nothing but columns of the table, a few words of SQL, a few functions, numbers, texts and operators,
and is neither long nor deep enough to keep a parser busy, which recurses some twenty frames for each bracket.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from service.exports.selection.names import fold, near, shown
from service.exports.selection.values import Misfit

MAX_CLAUSE = 4000
MAX_TOKENS = 1000
MAX_NESTING = 20  # brackets, NOT and signs within each other
MAX_NUMBER = 38  # digits

_FUNCTIONS = ("abs", "coalesce", "length", "lower", "substr", "upper")
_OPERATORS = ("and", "or", "not", "in", "between", "like", "escape", "is")
_VALUES = ("null", "true", "false", "date", "timestamp")

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    | (?P<text>'(?:[^']|'')*')
    | (?P<name>"(?:[^"]|"")*")
    | (?P<comment>--|/\*|\*/)
    | (?P<number>[0-9]+(?:\.[0-9]+)?(?![0-9A-Za-z_.]))
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<sign><>|!=|<=|>=|[=<>+*(),-])""",
    re.VERBOSE,
)
_WHY = {
    "'": "a text without an end",
    '"': "a name without an end",
    ";": "a second statement",
    "?": "a parameter",
    ":": "a parameter",
    "@": "a parameter",
    "{": "a template",
    "/": "a division, which fails where it is by zero",
    "%": "a division, which fails where it is by zero",
    "`": "a backtick: a name stands in double quotes",
    "#": "a comment",
    "[": "an element of an array",
    "|": "a concatenation",
}


def check(clause: str, columns: Collection[str]) -> None:
    """Check a clause over columns of these names. Raises `Misfit`."""
    if len(clause) > MAX_CLAUSE:
        raise Misfit(f"Must have at most {MAX_CLAUSE} characters")
    if control := _CONTROL.search(clause):
        raise Misfit(f"Must not hold the character U+{ord(control[0]):04X}")
    tokens = _tokens(clause)
    if not tokens:
        raise Misfit("Must not be empty")
    if len(tokens) > MAX_TOKENS:
        raise Misfit(f"Must have at most {MAX_TOKENS} words, values and operators")
    _check_nesting(tokens)
    known = {fold(column): column for column in columns}
    for (kind, token), following in zip(tokens, [*(token for _, token in tokens[1:]), ""], strict=True):
        is_called = following == "("
        if kind == "word":
            _check_word(token, is_called, known)
        elif kind == "name":
            _check_column(token[1:-1].replace('""', '"'), is_called, known)
        elif kind == "number" and len(token) > MAX_NUMBER:
            raise Misfit(f"Must not hold a number of more than {MAX_NUMBER} digits: {shown(token)}")


def _tokens(clause: str) -> list[tuple[str, str]]:
    tokens = []
    position = 0
    while position < len(clause):
        match = _TOKEN.match(clause, position)
        if match is None:
            raise Misfit(_foreign(clause[position:]))
        kind = match.lastgroup or ""
        if kind == "comment":
            raise Misfit(f"Must not hold a comment: {shown(clause[position:])}")
        if kind != "space":
            tokens.append((kind, match[0]))
        position = match.end()
    return tokens


def _foreign(rest: str) -> str:
    """Return what to say of a text that begins with nothing that a clause may hold."""
    character = rest[0]
    if character.isdigit() and character.isascii():
        return f"Must write numbers as 12 or 12.5: {shown(rest)}"
    if not character.isascii():
        return f"Must not hold the character U+{ord(character):04X} outside of quotes"
    return f"Must not hold {_WHY.get(character, f'the character {character}')}: {shown(rest)}"


def _check_nesting(tokens: list[tuple[str, str]]) -> None:
    """Count how deep brackets and prefixes stand within each other; each bracket must be closed."""
    around: list[int] = []  # the prefixes before each open bracket
    prefixes = 0
    for _, token in tokens:
        if token == "(":  # noqa: S105
            around.append(prefixes)
            prefixes = 0
        elif token.lower() in ("not", "-", "+"):
            prefixes += 1
        else:
            prefixes = 0
            if token == ")":  # noqa: S105
                if not around:
                    raise Misfit("Must not close a bracket that it has not opened")
                around.pop()
        if len(around) + sum(around) + prefixes > MAX_NESTING:
            raise Misfit(f"Must not be nested deeper than {MAX_NESTING} levels")
    if around:
        raise Misfit("Must close each bracket")


def _check_word(word: str, is_called: bool, columns: dict[str, str]) -> None:
    known = word.lower()
    if known in _OPERATORS or (known in _VALUES and not is_called) or (known in _FUNCTIONS and is_called):
        return
    _check_column(word, is_called, columns)


def _check_column(name: str, is_called: bool, columns: dict[str, str]) -> None:
    if is_called:
        raise Misfit(f"Must use no function but {', '.join(_FUNCTIONS)}: {shown(name)}")
    if fold(name) not in columns:
        raise Misfit(f"Must name columns of the table only, not {shown(name)}{near(name, columns.values())}")
