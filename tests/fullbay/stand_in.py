"""The stand-in itself: what it serves, what it was asked, and how tests change it while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Any, Self

from tests.fullbay import control, services, v1
from tests.fullbay.collection import Collection, Record
from tests.fullbay.faults import Applied, Fault, Schedule
from tests.fullbay.ledger import Ledger
from tests.fullbay.messages import Answer, Page, Request, text_answer
from tests.fullbay.resources import KINDS
from tests.fullbay.server import Server

MAX_REQUESTS = 50_000  # that are remembered
ORDERS = ("updated_at", "id", "newest", "none")


class Fullbay:
    """Both Fullbay APIs on loopback, with seeded data: `with Fullbay(seed=1) as fullbay: fullbay.url`.

    `shops` are the names of the shops and their keys. `order` is how work orders, customers and parts are sorted: by
    "updated_at" (then id), by "id", "newest" first, or "none" at all, in another order for each request. `sharing` of
    them have one updated_at. `invoices` are those of each shop, on `invoice_days` days up to `last_day`. The caller's
    address in a token is `egress_ip`, or where it comes from.
    """

    def __init__(
        self,
        seed: int = 1,
        work_orders: int = 5000,
        customers: int = 300,
        parts: int = 1000,
        invoices: int = 400,
        shops: dict[str, str] | None = None,
        *,
        page_size_cap: int | None = None,
        answers_bare_lists: bool = False,
        since_is_inclusive: bool = True,
        order: str = "updated_at",
        sharing: int = 1,
        invoices_per_page: int = 25,
        has_short_pages: bool = True,
        invoice_days: int = 60,
        last_day: date | None = None,
        egress_ip: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        is_cached: bool = False,
        latency: float = 0.0,
        faults: Iterable[Fault] = (),
        port: int = 0,
    ) -> None:
        if order not in ORDERS:
            raise ValueError(f"order must be one of {', '.join(ORDERS)}")
        self.seed = seed
        self.shops = dict({"default": "key-of-default"} if shops is None else shops)
        self.page_size_cap = page_size_cap
        self.answers_bare_lists = answers_bare_lists
        self.since_is_inclusive = since_is_inclusive
        self.order = order
        self.invoices_per_page = invoices_per_page
        self.has_short_pages = has_short_pages
        self.egress_ip = egress_ip
        self.clock = clock
        self.latency = latency
        sizes = {"work-orders": work_orders, "customers": customers, "parts": parts}
        self.collections = {
            name: Collection(KINDS[name], seed, size, sharing, is_cached) for name, size in sizes.items()
        }
        if is_cached:
            for collection in self.collections.values():
                collection.warm()
        last = last_day or clock().date()
        self.ledgers = {shop: Ledger(seed, shop, invoices, last, invoice_days) for shop in self.shops}
        self.requests: list[Request] = []
        self.applied: list[Applied] = []
        self.leaks: list[Request] = []  # requests that brought a key to another host
        self.errors: list[Exception] = []  # of the stand-in itself
        self.impolite = 0  # requests that came before the time that Retry-After named
        self.not_before: datetime | None = None
        self.lock = threading.RLock()
        self._schedule = Schedule(faults, seed)
        self._is_cached = is_cached
        self._cache: dict[tuple[object, ...], bytes] = {}
        self._server = Server(port, self._answer, lambda: self.clock())
        self.port = self._server.port
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.close()
        if self.errors and kind is None:
            raise self.errors[0]

    def wait(self, seconds: float) -> None:
        """Do nothing for that long, or until the end."""
        self._server.stopping.wait(seconds)

    def close(self) -> None:
        """Stop, and end every connection."""
        self._server.close()

    def serve_forever(self, on_answer: Callable[[Request, Answer, float], None]) -> None:
        """Serve in this thread, and call `on_answer` after each request."""
        self._server.on_answer = on_answer
        self._server.serve_forever()

    @property
    def faults(self) -> list[Fault]:
        """What goes wrong. Setting them counts requests from 1 anew."""
        return self._schedule.faults

    @faults.setter
    def faults(self, faults: Iterable[Fault]) -> None:
        self._schedule = Schedule(faults, self.seed)

    def records(self, resource: str) -> Iterator[dict[str, Any]]:
        """Yield the current records in normal form (times in UTC, amounts Decimal or None) and, as `raw`, as sent."""
        with self.lock:
            return (_normal(record) for record in self.collections[resource].records())

    def invoices(self, shop: str = "default", first: date = date.min, last: date = date.max) -> list[dict[str, Any]]:
        """Return the current invoices of a window, both days included, in the form of `records`."""
        with self.lock:
            return [_normal(record) for record in self.ledgers[shop].records(first, last)]

    def insert(
        self, resource: str, *, shop: str = "default", day: date | None = None, **changes: Any
    ) -> dict[str, Any]:
        """Add a record; `changes` are fields in their normal form, `raw` what is sent as it stands."""
        with self.lock:
            if resource == "invoices":
                day = day or self.clock().date()
                return _normal(self.ledgers[shop].insert(day, changes))
            return _normal(self.collections[resource].insert(self.clock(), changes))

    def update(self, resource: str, identifier: str, *, shop: str = "default", **changes: Any) -> dict[str, Any]:
        """Change a record: it is newer, and stands elsewhere in the order. Without changes an amount changes."""
        with self.lock:
            if resource == "invoices":
                return _normal(self.ledgers[shop].update(identifier, changes))
            return _normal(self.collections[resource].update(identifier, self.clock(), changes))

    def delete(self, resource: str, identifier: str, *, shop: str = "default") -> dict[str, Any]:
        """Remove a record, and return it."""
        with self.lock:
            ledger_or_collection = self.ledgers[shop] if resource == "invoices" else self.collections[resource]
            return _normal(ledger_or_collection.delete(identifier))

    def rotate(self, shop: str, key: str) -> None:
        """Give a shop another key: the old one is refused."""
        with self.lock:
            self.shops[shop] = key

    def shop_of_key(self, key: str) -> str | None:
        """Return the shop with a key."""
        return next((shop for shop, known in self.shops.items() if known == key), None)

    def _answer(self, request: Request) -> Answer:
        try:
            return self._dispatch(request)
        except Exception as error:
            self.errors.append(error)
            return text_answer(f"The stand-in is broken: {error!r}", 500)

    def _dispatch(self, request: Request) -> Answer:
        if request.path.startswith("/__"):
            return control.answer(self, request)
        if request.path == "/ip":
            return text_answer(self.egress_ip or request.ip)
        with self.lock:
            schedule = self._schedule
            number, faults = schedule.next(request)
            request = request._replace(number=number, time=self.clock())
            self.requests.append(request)
            if len(self.requests) > 2 * MAX_REQUESTS:
                del self.requests[:MAX_REQUESTS]
            self._watch(request)
        if self.latency:
            self.wait(self.latency)
        return schedule.answer(self, request, faults) if faults else self._page_answer(request)

    def _watch(self, request: Request) -> None:
        host = request.headers.get("host", "")
        if not host.startswith("127.0.0.1") and ("authorization" in request.headers or "key" in request.query):
            self.leaks.append(request)
        if self.not_before and request.time < self.not_before:
            self.impolite += 1

    def page(self, request: Request, is_final: bool = False) -> Page | Answer:
        """Return what a request gets when nothing goes wrong. A page that is final nobody changes any more."""
        with self.lock:
            return services.page(self, request) if request.is_service else v1.page(self, request, is_final)

    def _page_answer(self, request: Request) -> Answer:
        if not self._is_cached or self.order == "none":
            page = self.page(request, is_final=True)
            return page if isinstance(page, Answer) else Answer(body=page.text().encode())
        key = self._version(), request.headers.get("authorization"), request.path, tuple(request.query.items())
        body = self._cache.get(key)
        if body is None:
            page = self.page(request, is_final=True)
            if isinstance(page, Answer):
                return page
            body = self._cache[key] = page.text().encode()
        return Answer(body=body)

    def _version(self) -> tuple[object, ...]:
        """Return all that an answer depends on beside the request."""
        collections = (collection.version for collection in self.collections.values())
        ledgers = (ledger.version for ledger in self.ledgers.values())
        return *collections, *ledgers, *self.shops.values(), self.egress_ip, self.clock().date()


def _normal(record: Record) -> dict[str, Any]:
    return {**record.fields, "raw": record.raw}
