"""Lists, page by page.

Of what partners send: a page begins behind the last row of the page before it (keyset), wherever others insert.
Of what a person keeps: `?page=2&limit=20`, counted and cut by the query.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import Any, NamedTuple

from flask import Response, jsonify, request, url_for
from marshmallow import Schema, fields, validate

from service.errors import Invalid, violation
from service.validation import StrictSchema, Text

MAX_PAGE = 1_000_000
NEXT_PAGE = {"Link": 'The next page, rel="next", where there is one.'}


class Cursor(Text):
    """The cursor of a Link header."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(limit=1000, **kwargs)

    def json_schema(self) -> dict[str, Any]:
        """Return what a cursor must be as JSON Schema."""
        return super().json_schema() | {"format": "cursor", "pattern": "^[A-Za-z0-9_-]+$"}


class PageQuery(StrictSchema):
    """Which page of a list, from 1 on, and how many rows it has."""

    page = fields.Integer(load_default=1, validate=validate.Range(1, MAX_PAGE))
    limit = fields.Integer(load_default=20, validate=validate.Range(1, 100))


class Pagination(Schema):
    """Which page of how many this is: `total` rows on `pages` pages of at most `limit` rows."""

    page = fields.Integer(required=True)
    limit = fields.Integer(required=True)
    total = fields.Integer(required=True)
    pages = fields.Integer(required=True)


class Key(NamedTuple):
    """Where a row stands in its list: its moment, its id, and its position among rows that share both."""

    moment: datetime
    id: str
    position: int


def parameters(after: Key | None) -> dict[str, Any]:
    """Return where a page begins as the parameters of a statement, all of them None for the first page."""
    moment, key, position = after or (None, None, None)
    return {"moment": moment, "id": key, "position": position}


def answer(name: str, items: list[dict[str, Any]], keys: list[Key], limit: int) -> Response:
    """Answer with one page of a list that was read one row further, to know whether another follows (RFC 8288)."""
    return linked(jsonify({name: items[:limit]}), keys, limit)


def linked(response: Response, keys: list[Key], limit: int) -> Response:
    """Add where the next page is to an answer, where there are more keys than rows on a page."""
    if len(keys) > limit:
        arguments = request.args.to_dict() | (request.view_args or {}) | {"cursor": encode_cursor(keys[limit - 1])}
        response.headers["Link"] = f'<{url_for(str(request.endpoint), **arguments)}>; rel="next"'
    return response


def encode_cursor(key: Key) -> str:
    """Return a key as the text of a query."""
    text = json.dumps([key.moment.isoformat(), key.id, key.position])
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> Key | None:
    """Return the key in a query. Raises `Invalid` where it is none of ours."""
    if cursor is None:
        return None
    try:
        moment, row_id, position = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not (isinstance(row_id, str) and "\0" not in row_id and type(position) is int):
            raise ValueError(cursor)
        return Key(datetime.fromisoformat(moment), row_id, position)
    except (ValueError, TypeError, RecursionError):
        raise Invalid([violation("cursor", "Must be the cursor of a Link header")]) from None
