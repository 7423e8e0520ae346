"""Names of tables and columns as clients write them: in any case, and with mistakes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from itertools import takewhile
from operator import eq

from service.exports.lake.catalog import Column

MAX_NAME = 255
NEAR = 3  # names at most that are offered in place of an unknown one
CONSIDERED = 200
LEAST_PART = 3  # characters of a part of a name
SHOWN = 40  # characters of what a client sent that a message repeats


def fold(name: str) -> str:
    """Return the one spelling of a name. Only ASCII has case: the Kelvin sign is no `k`."""
    return name.lower() if name.isascii() else name


def find(columns: Iterable[Column], name: str) -> Column | None:
    """Return the column that a client means by a name, None where there is none."""
    return next((column for column in columns if fold(column.name) == fold(name)), None)


def near(name: str, known: Iterable[str]) -> str:
    """Return what to add to a refusal of an unknown name: `; did you mean customers, consumers?`, or nothing."""
    by_fold, folded = {fold(each): each for each in known}, fold(name[:MAX_NAME])
    # Of thousands, only those that begin most like it: to compare them all would take longer than a query.
    likely = sorted(by_fold, key=lambda each: _begins_alike(each, folded), reverse=True)[:CONSIDERED]
    found = difflib.get_close_matches(folded, likely, NEAR) or _holding(folded, by_fold)
    return f"; did you mean {', '.join(by_fold[each] for each in found)}?" if found else ""


def _begins_alike(one: str, other: str) -> int:
    """Return how many characters two names have in common at their beginning."""
    return sum(takewhile(bool, map(eq, one, other)))


def _holding(name: str, known: Iterable[str]) -> list[str]:
    """Return names that a name is a part of, as `customers` is of `dev_customers_silver`."""
    return sorted(each for each in known if name in each)[:NEAR] if len(name) >= LEAST_PART else []


def shown(text: str) -> str:
    """Return the beginning of what a client sent, in quotes, as a message may repeat it."""
    return ascii(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")
