"""The source `invoices`: the API that Fullbay really serves. Windows of at most seven days, pages from 1 to totalPages.

It tells no changes, so recent days are read again: a day is settled once it was read `lookback_days` after its end, and
until then each run reads it. What was missed, for whatever reason, is not settled either, and is read by the next run.

It says how many invoices a window has on every page. Where that number changes while the window is read, or an invoice
comes twice, the pages have moved, and the window is read anew. (docs/decisions/2026-11-21-invoices-that-move.md)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from service import __version__
from service.config import Config
from service.database import Cursor
from service.documents import parse_listing
from service.errors import BadRequest
from service.ingestion import ledger
from service.ingestion.client import Answer, Client, Coming, Request
from service.ingestion.failures import Again, Denied, Refused
from service.ingestion.fullbay.credentials import Credentials, token
from service.ingestion.fullbay.egress import AddressUnknown, EgressAddress
from service.ingestion.fullbay.invoice_records import Invoices
from service.ingestion.ledger import Window
from service.ingestion.records import Incomplete, Page, Record, Stream, read_record
from service.ingestion.source import Range

WINDOW_DAYS = 7
ANEW = 3  # times that a window is read again because its pages have moved
FAIL_ATTEMPTS = 3
DAY = timedelta(days=1)


class _Found(NamedTuple):
    """One answer: its invoices, and what it says about the window."""

    records: list[Record]
    pages: int | None
    total: int | None


class InvoicesSource:
    """Invoices of every shop."""

    name = "invoices"

    def __init__(self, config: Config, credentials: Credentials) -> None:
        self._config = config.fullbay
        self._credentials = credentials
        self._address = EgressAddress(config.fullbay)
        self._invoices = Invoices()
        self.resources: Mapping[str, Invoices] = {self._invoices.name: self._invoices}
        self._user_agent = f"Headgate/{__version__} ({config.environment})"

    def endpoint(self, stream: Stream) -> str:
        """Return the URL that invoices are read from."""
        return f"{self._config.app_base_url}/services/getInvoices.php"

    def client(self, stream: Stream) -> Client:
        """Return what asks the API. A key that is refused may have been rotated, or the address may have changed, or
        the day, between the making of a token and its check.
        """

        def renew(refused: Request) -> bool:
            if not self._credentials.refresh(refused.parameters["key"]):
                with suppress(AddressUnknown):  # the known one is gone on with
                    self._address.refresh()
            return any(refused.parameters[name] != value for name, value in self._signature(stream).items())

        return Client(stream, self._config.invoices_timeout_seconds, self._config.max_retries, renew)

    def plan(self, cursor: Cursor, stream: Stream, request: Mapping[str, Any]) -> Sequence[Range]:
        """Return windows of at most seven days: those asked for, else all days that are not settled."""
        today = datetime.now(UTC).date()
        if "from" in request:
            return _windows(_day(request["from"]), min(_day(request["to"]), today))
        if "since" in request:
            return _windows(_day(request["since"]), today)
        lookback = timedelta(days=self._config.lookback_days)
        is_known, horizon = ledger.horizon(cursor, stream)
        first = horizon.date() if is_known and horizon else today - lookback
        if request.get("full"):
            return _windows(first, today)
        settled = ledger.coverage(cursor, stream, lookback)
        return [window for start, end in _gaps(first, today, settled) for window in _windows(start, end)]

    def pages(self, client: Client, stream: Stream, window: Window) -> Iterator[Page]:
        """Yield a window's pages. Raises `Incomplete` where they move faster than they can be read."""
        state = window.checkpoint or {}
        number, total, read, last = state.get("page", 0), state.get("total"), state.get("read", 0), state.get("ids", [])
        anew, seen = state.get("anew", 0), state.get("seen", [])
        coming = self._ask(client, stream, window, number + 1)
        while True:
            found = coming.result()
            ids = [self._invoices.key(record.value) or record.text for record in found.records]
            print_of_page = sha256("\n".join(ids).encode()).hexdigest()[:12] if ids else ""
            is_known = print_of_page in seen or not set(ids).isdisjoint(last)
            if number and (found.total != total or is_known or (last and not ids)):
                anew += 1
                if anew > ANEW:
                    raise Incomplete(f"the pages of {self.name_of(window)} moved whenever they were read")
                number, read, last, seen = 0, 0, [], []
                client.pause(self._config.pause_ms / 1000)
                coming = self._ask(client, stream, window, 1)
                continue
            number, total, read, last = number + 1, found.total, read + len(ids), ids
            seen = [*seen, print_of_page] if ids else seen
            is_last = number >= (found.pages or 1)
            is_end_known = found.pages is not None or total is not None
            if not is_last:
                coming = self._ask(client, stream, window, number + 1)
            checkpoint = {"page": number, "total": total, "read": read, "ids": ids, "anew": anew, "seen": seen}
            yield Page(found.records, checkpoint, total, covered=read if is_last and is_end_known else None)
            if is_last and not is_end_known:
                raise Incomplete(f"the source does not say how many {self.name_of(window)} there are")
            if is_last:
                return

    def _ask(self, client: Client, stream: Stream, window: Window, number: int) -> Coming[_Found]:
        first, last = _days(window)

        def make() -> Request:
            client.pause(self._config.pause_ms / 1000)
            parameters = {
                **self._signature(stream),
                "startDate": first.isoformat(),
                "endDate": last.isoformat(),
                "page": str(number),
            }
            return Request(self.endpoint(stream), parameters, {"User-Agent": self._user_agent})

        return client.begin(make, lambda answer: self._read(answer))

    def _signature(self, stream: Stream) -> dict[str, str]:
        """Return the key of a shop and the token that is right now."""
        key = self._credentials.key(stream.shop)
        return {"key": key, "token": token(key, datetime.now(UTC).date(), self._address.get())}

    def _read(self, answer: Answer) -> _Found:
        try:
            others, documents = parse_listing(answer.text, "resultSet")
        except BadRequest:
            raise Again("the answer is not JSON") from None
        status = others.get("status")
        if status == "FAIL":
            message = self._credentials.hide(str(others.get("message") or "without a reason"))[:200]
            if _is_about_keys(message):
                raise Denied(f"Fullbay answered FAIL: {message}")
            raise Again(f"Fullbay answered FAIL: {message}", FAIL_ATTEMPTS)
        if status != "SUCCESS":
            raise Refused("the answer says neither SUCCESS nor FAIL")
        if documents is None and others.get("resultSet") is not None:
            raise Refused("the answer holds no list of invoices below 'resultSet'")
        records = [read_record(self._invoices, document) for document in documents or []]
        count = _count(others, "resultCount")
        if count is not None and count != len(records):
            raise Again(f"the answer says that it has {count} invoices, and has {len(records)}")
        return _Found(records, _count(others, "totalPages"), _count(others, "totalCount"))

    def split(self, window: Window) -> Sequence[Range]:
        """Return two halves of a window, as far as days can be halved."""
        first, last = _days(window)
        middle = first + (last - first) // 2
        if first == last:
            return [_range(first, last)]
        return [_range(first, middle), _range(middle + DAY, last)]

    def name_of(self, window: Window) -> str:
        """Return how to speak of a window."""
        first, last = _days(window)
        return f"invoices of {first}" if first == last else f"invoices from {first} to {last}"


def _is_about_keys(message: str) -> bool:
    return any(word in message.lower() for word in ("key", "token", "auth", "credential", "permission"))


def _count(others: Mapping[str, Any], name: str) -> int | None:
    """Return a number that is sent as one or as digits."""
    value = others.get(name)
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    return value if type(value) is int and value >= 0 else None


def _day(moment: str) -> date:
    return datetime.fromisoformat(moment).date()


def _range(first: date, last: date) -> Range:
    """Return days, both included, as moments."""
    return datetime.combine(first, time.min, UTC), datetime.combine(last + DAY, time.min, UTC)


def _days(window: Window) -> tuple[date, date]:
    assert window.lower is not None  # noqa: S101
    assert window.upper is not None  # noqa: S101
    return window.lower.date(), (window.upper - DAY).date()


def _windows(first: date, last: date) -> list[Range]:
    """Return days, both included, as windows that one request can ask for."""
    starts = [first + timedelta(days=n) for n in range(0, (last - first).days + 1, WINDOW_DAYS)]
    return [_range(start, min(start + timedelta(days=WINDOW_DAYS - 1), last)) for start in starts]


def _gaps(first: date, today: date, settled: Sequence[Range]) -> list[tuple[date, date]]:
    """Return the days from `first` to `today` that are not settled, as ranges with both ends included."""
    begin, end = (datetime.combine(day, time.min, UTC) for day in (first, today + DAY))
    gaps = ledger.missing(begin, settled, end)
    return [((lower or begin).date(), (upper - timedelta.resolution).date()) for lower, upper in gaps]
