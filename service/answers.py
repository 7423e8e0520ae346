"""Answers made of what a query returns: JSON that PostgreSQL has built, so that every digit survives, and rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from flask import Response

from service.errors import NotFound
from service.times import rfc3339


def as_json(text: str | None, missing: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON text. Raises `NotFound` with the message `missing` where there is none."""
    if text is None:
        raise NotFound(missing)
    return Response(text, status, headers, mimetype="application/json")


def named(names: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    """Return a row as an object, its moments as text."""
    return {
        name: rfc3339(value) if isinstance(value, datetime) else value for name, value in zip(names, row, strict=True)
    }
