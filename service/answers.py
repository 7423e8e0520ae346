"""Answers whose JSON PostgreSQL has built, so that every digit survives."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Response

from service.errors import NotFound


def as_json(text: str | None, missing: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON text. Raises `NotFound` with the message `missing` where there is none."""
    if text is None:
        raise NotFound(missing)
    return Response(text, status, headers, mimetype="application/json")
