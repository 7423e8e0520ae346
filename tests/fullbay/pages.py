"""Faults of paging: pages that shift, repeat or are short, and totals that lie."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from tests.fullbay import v1
from tests.fullbay.collection import Collection
from tests.fullbay.faults import Scene, kind
from tests.fullbay.messages import Page, Request


@kind("before")
def shift(scene: Scene, inserts: int = 1, updates: int = 1, deletes: int = 1, late_seconds: float = 0) -> bool | None:
    """Records come, change and go before a page is read, half of them on pages that were read already.

    An insert of a work order is dated `late_seconds` back, as one whose transaction took that long.
    """
    fullbay, request = scene.fullbay, scene.request
    with fullbay.lock:
        if not isinstance(fullbay.page(request), Page):
            return False
        if request.is_service:
            _shift_ledger(scene, inserts, updates, deletes)
        else:
            _shift_collection(scene, inserts, updates, deletes, late_seconds)
    return None


def _shift_collection(scene: Scene, inserts: int, updates: int, deletes: int, late_seconds: float) -> None:
    fullbay = scene.fullbay
    resource = scene.request.path.removeprefix(v1.PREFIX)
    dated: dict[str, Any] = {"updated_at": fullbay.clock() - timedelta(seconds=late_seconds)} if late_seconds else {}
    scene.details["inserted"] = [fullbay.insert(resource, **dated)["id"] for _ in range(inserts)]
    for done, count, change in (("updated", updates, fullbay.update), ("deleted", deletes, fullbay.delete)):
        scene.details[done] = []
        for _ in range(count):
            if identifier := _someone(scene, fullbay.collections[resource]):
                change(resource, identifier)
                scene.details[done].append(identifier)


def _someone(scene: Scene, collection: Collection) -> str | None:
    """Return the id of a record that is on the pages of this run, if there are any."""
    since = v1.since_of(scene.request)
    first = collection.count_before(since) if since else 0
    count = len(collection) - first
    if not count:
        return None
    read = min(int(scene.request.query.get("offset", 0)), count)
    at = collection.at(first + scene.draw.below(read if read and scene.draw.below(2) else count))
    return str(collection.kind.first_id + at) if isinstance(at, int) else at.id


def _shift_ledger(scene: Scene, inserts: int, updates: int, deletes: int) -> None:
    fullbay, draw, query = scene.fullbay, scene.draw, scene.request.query
    shop = str(fullbay.shop_of_key(query["key"]))
    first, last = date.fromisoformat(query["startDate"]), date.fromisoformat(query["endDate"])
    days = [first + timedelta(days=draw.below((last - first).days + 1)) for _ in range(inserts)]
    scene.details["inserted"] = [fullbay.insert("invoices", shop=shop, day=day)["id"] for day in days]
    for done, count, change in (("updated", updates, fullbay.update), ("deleted", deletes, fullbay.delete)):
        ids = [one["id"] for one in fullbay.invoices(shop, first, last)]
        scene.details[done] = [ids.pop(draw.below(len(ids))) for _ in range(min(count, len(ids)))]
        for identifier in scene.details[done]:
            change("invoices", identifier, shop=shop)


@kind("request")
def repeat(scene: Scene, page: int = 2, echoes: bool = False) -> bool | None:
    """From a page on, every page is that one. With `echoes` it says that it is the one that was asked for."""
    request, fullbay = scene.request, scene.fullbay
    if not isinstance(fullbay.page(request), Page):
        return False
    limit = min(int(request.query.get("limit", 100)), fullbay.page_size_cap or 10**9)
    asked = int(request.query.get("page", 1)) if request.is_service else _offset(request) // limit + 1
    if asked <= page:
        return False
    changed = {"page": str(page)} if request.is_service else {"offset": str((page - 1) * limit)}
    found = fullbay.page(request._replace(query=request.query | changed))
    if not isinstance(found, Page):
        return False
    if echoes and request.is_service:
        found.members["currentPage"] = asked
    scene.page = found
    return None


def _offset(request: Request) -> int:
    return int(request.query.get("offset", 0))


@kind("page")
def total(scene: Scene, says: str = "+1") -> bool | None:
    """The number of records is another (`+3`, `-3`, `0`), `missing`, `null`, or `text`."""
    return _say(scene.made, scene.made.total, str(says))


@kind("page")
def total_pages(scene: Scene, says: str = "-1") -> bool | None:
    """The number of pages of invoices is another, as with `total`."""
    return _say(scene.made, "totalPages", str(says))


def _say(page: Page, name: str, says: str) -> bool | None:
    value = page.members.get(name)
    if page.data is None or not isinstance(value, int):
        return False
    if says in ("missing", "null", "text"):
        page.members[name] = {"missing": page.OMITTED, "null": None, "text": str(value)}[says]
    else:
        page.members[name] = max(value + int(says), 0) if says[0] in "+-" else int(says)
    return None


@kind("page")
def withhold(scene: Scene, records: int | None = None) -> bool | None:
    """The last records of a page, or all, are not there, and nothing says so."""
    page = scene.made
    if not page.ids:
        return False
    kept = 0 if records is None else max(len(page.ids) - records, 0)
    scene.details |= {"ids": page.ids[kept:]}
    del page.ids[kept:], page.raws[kept:]
    return None
