"""The first dialect: `GET /v1/work-orders`, customers and parts, with a bearer key, an offset and a cursor."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tests.fullbay.collection import Collection, Record
from tests.fullbay.draws import Draw
from tests.fullbay.messages import Answer, Page, Request, json_answer

if TYPE_CHECKING:
    from tests.fullbay.stand_in import Fullbay

PREFIX = "/v1/"


def shop_of(fullbay: Fullbay, request: Request) -> str | None:
    """Return the shop whose key a request bears."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return fullbay.shop_of_key(key) if scheme.lower() == "bearer" else None


def refused() -> Answer:
    """Return the answer to a wrong key."""
    return json_answer({"error": "Unauthorized", "message": "Invalid API key"}, 401)


def page(fullbay: Fullbay, request: Request, is_final: bool = False) -> Page | Answer:
    """Return the page that a request asks for. One that is final nobody changes any more."""
    collection = fullbay.collections.get(request.path.removeprefix(PREFIX))
    if collection is None:
        return json_answer({"error": "Not Found"}, 404)
    if request.method != "GET":
        return json_answer({"error": "Method Not Allowed"}, 405, Allow="GET")
    if shop_of(fullbay, request) is None:
        return refused()
    try:
        limit = int(request.query.get("limit", "100"))
        offset = int(request.query.get("offset", "0"))
        since = since_of(request)
    except ValueError:
        return json_answer({"error": "Bad Request", "message": "Invalid limit, offset, updated_since or date"}, 400)
    if limit < 1 or offset < 0:
        return json_answer({"error": "Bad Request", "message": "Invalid limit or offset"}, 400)
    limit = min(limit, fullbay.page_size_cap or limit)
    found, total = _select(fullbay, collection, since, offset, limit, request.number)
    first_id = collection.kind.first_id
    make = collection.text if is_final else lambda number: collection.record(number).raw
    return Page(
        [str(first_id + at) if isinstance(at, int) else at.id for at in found],
        [make(at) if isinstance(at, int) else at.raw for at in found],
        {"total": total},
        None if fullbay.answers_bare_lists else "data",
        "total",
    )


def since_of(request: Request) -> datetime | None:
    """Return the time from which a request asks for changes. Raises ValueError."""
    text = request.query.get("updated_since") or request.query.get("start_date")
    if not text:
        return None
    found = datetime.fromisoformat(text.replace(" 00:00", "+00:00"))  # a plus that nobody quoted
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _select(
    fullbay: Fullbay, collection: Collection, since: datetime | None, offset: int, limit: int, number: int
) -> tuple[list[int | Record], int]:
    if fullbay.order == "id":
        found = [at for at in collection.in_order() if since is None or _is_new(fullbay, collection, at, since)]
        return found[offset : offset + limit], len(found)
    first = collection.count_before(since, fullbay.since_is_inclusive) if since else 0
    total = len(collection) - first
    ranks = range(offset, min(offset + limit, total))
    if fullbay.order == "newest":
        return [collection.at(first + total - 1 - rank) for rank in ranks], total
    if fullbay.order == "none":
        step, shift = _shuffle(total, Draw(fullbay.seed, "order", number))
        return [collection.at(first + (rank * step + shift) % total) for rank in ranks], total
    return [collection.at(first + rank) for rank in ranks], total


def _is_new(fullbay: Fullbay, collection: Collection, at: int | Record, since: datetime) -> bool:
    updated_at = collection.updated_at(at)
    return updated_at >= since if fullbay.since_is_inclusive else updated_at > since


def _shuffle(total: int, draw: Draw) -> tuple[int, int]:
    """Return a step and a shift that visit each of `total` ranks once."""
    step = draw.between(1, max(total, 1))
    while math.gcd(step, max(total, 1)) != 1:
        step += 1
    return step, draw.below(max(total, 1))
