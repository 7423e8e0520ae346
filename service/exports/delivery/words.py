"""The reason in an answer that is no success: JSON in whatever shape, a line of text, a page for people."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

REASONS = ("message", "reason", "error", "detail", "description", "error_description", "title", "errors", "code")
MAX_DEPTH = 4
MAX_PARTS = 5
MAX_CHARACTERS = 20_000

_TAG = re.compile(r"<[^<>]*>")


def parse(body: bytes) -> Any:
    """Return what JSON stands for, None where it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def of_body(body: bytes) -> str:
    """Return what a body says, empty where it says nothing."""
    value = parse(body)
    if value is not None:
        return of_value(value)
    text = body[:MAX_CHARACTERS].decode("utf-8", "replace")
    if text.lstrip().startswith("<"):
        text = _TAG.sub("\n", text)
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def of_value(value: Any, depth: int = 0) -> str:
    """Return what a value of JSON says, empty where it says nothing."""
    if isinstance(value, str):
        return value.strip()
    if depth < MAX_DEPTH and isinstance(value, list):
        return _joined(of_value(part, depth + 1) for part in value[:MAX_PARTS])
    if depth < MAX_DEPTH and isinstance(value, Mapping):
        named = {str(name).lower(): inner for name, inner in value.items()}
        said = [told for name in REASONS if (told := _told(named.get(name), depth))]
        if not said:  # perhaps {"email": ["is not an address"]}
            inner = [(name, of_value(part, depth + 1)) for name, part in list(value.items())[:MAX_PARTS]]
            return _joined(f"{name}: {told}" for name, told in inner if told)
        details = [of_value(named[name], depth + 1) for name in ("errors", "details") if name in named]
        return ": ".join(dict.fromkeys(filter(None, (said[0], *details))))
    return ""


def _told(value: Any, depth: int) -> str:
    is_number = isinstance(value, int) and not isinstance(value, bool)  # a code
    return str(value) if is_number and abs(value) < 10**18 else of_value(value, depth + 1)


def _joined(parts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(filter(None, parts)))
