"""Patterns of LIKE: checked, and spelled with the one escape character that every engine is told of."""

from __future__ import annotations

from service.exports.selection.values import Misfit

ESCAPE = "\\"
MAX_WILDCARDS = 20  # % in one pattern


def respelled(pattern: str, escape: str) -> str:
    """Return a pattern escaped by a backslash that was escaped by `escape`, empty where nothing was. Raises `Misfit`.

    Trino fails over an escape character that escapes nothing, where others take it for itself.
    """
    spelled = []
    characters = iter(pattern)
    for character in characters:
        if character == escape:
            escaped = next(characters, "")
            if escaped not in ("%", "_", escape):
                raise Misfit(f"Must have %, _ or {escape} behind each {escape} of a pattern")
            spelled.append(f"{ESCAPE}{escaped}" if escaped in ("%", "_", ESCAPE) else escaped)
        elif character == ESCAPE:
            spelled.append(ESCAPE * 2)
        elif character != "%" or spelled[-1:] != ["%"]:
            spelled.append(character)
    if spelled.count("%") > MAX_WILDCARDS:
        raise Misfit(f"Must have at most {MAX_WILDCARDS} times % in a pattern")
    return "".join(spelled)
