"""What may stand in a label: words of this program. Nothing that somebody sent, and no more of them than can be kept.

A route is a template of the program's own. Anything else is a word or a few, in one case, with four digits at the most:
tokens, keys, addresses and ids are none, and become `other`.
"""

from __future__ import annotations

import re

from service.metrics.table import Metric

OTHER = "other"
MAX_LENGTH = 64
MAX_DIGITS = 4
MAX_VALUES = 100  # of one dimension

_WORDS = re.compile("[a-z0-9]{1,24}([-_./: ][a-z0-9]{1,24}){0,7}|[A-Z][a-z]{1,24}|[A-Z]{1,24}(_[A-Z]{1,24}){0,3}")
_SEGMENT = r"[a-z.][a-z0-9._-]{0,39}|<([a-z]+:)?[A-Za-z_]{1,40}>"
_PATTERNS = {
    "Route": re.compile(rf"/|(/({_SEGMENT}))+/?|unmatched"),
    "Status": re.compile("[1-5]xx"),
}


class Labels:
    """Makes labels of dimensions, and knows which values each dimension has had."""

    def __init__(self) -> None:
        self._known: dict[str, set[str]] = {}

    def of(self, metric: Metric, dimensions: dict[str, object]) -> tuple[str, ...]:
        """Return one label for each dimension of a metric, empty where it is not given."""
        return tuple([self._label(name, dimensions.get(name)) for name in metric.dimensions])

    def _label(self, dimension: str, value: object) -> str:
        if value is None:
            return ""
        if not isinstance(value, str) or not is_safe(dimension, value):
            return OTHER
        known = self._known.setdefault(dimension, set())
        if value not in known and len(known) >= MAX_VALUES:
            return OTHER
        known.add(value)
        return value


def is_safe(dimension: str, value: str) -> bool:
    """Tell whether a value may stand in a label of this dimension."""
    pattern = _PATTERNS.get(dimension)
    if pattern is not None:
        return len(value) <= 2 * MAX_LENGTH and pattern.fullmatch(value) is not None
    return len(value) <= MAX_LENGTH and _WORDS.fullmatch(value) is not None and _digits(value) <= MAX_DIGITS


def _digits(value: str) -> int:
    return sum(sign.isdigit() for sign in value)
