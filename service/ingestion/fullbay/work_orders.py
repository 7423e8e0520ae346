"""The source `work-orders`: Fullbay's API with a Bearer key, limit and offset, and `updated_since`.

It knows a cursor, the moment of the last change, but no end: a window is read from its beginning to what is newest.
The next one begins `overlap_seconds` before the end of what was read without a gap. That end is never later than the
moment, by the clock of the source, at which the reading began: what changes meanwhile may stand in a page that was read
already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from service import __version__
from service.config import Config
from service.database import Cursor
from service.documents import parse_listing
from service.errors import BadRequest
from service.ingestion import ledger
from service.ingestion.client import Answer, Client, Coming, Request
from service.ingestion.failures import Again, Refused
from service.ingestion.flat import FlatRecords
from service.ingestion.fullbay.credentials import Credentials
from service.ingestion.ledger import Window
from service.ingestion.paging import Listing, Position, read_by_offset
from service.ingestion.records import Page, Stream, read_record
from service.ingestion.source import Range
from service.times import rfc3339

NOTHING_YET = datetime(1970, 1, 1, tzinfo=UTC)

# The vehicle is an object below one of three keys, or stands in the work order itself.
VEHICLE = """
    coalesce(
        nullif(raw -> 'vehicle', 'null'), nullif(raw -> 'vehicle_info', 'null'), nullif(raw -> 'asset', 'null'),
        nullif(
            jsonb_strip_nulls(jsonb_build_object(
                'make', raw -> 'make', 'model', raw -> 'model', 'year', raw -> 'year', 'vin', raw -> 'vin',
                'license_plate', raw -> 'license_plate'
            )),
            '{}'
        )
    )
"""

RESOURCES = (
    FlatRecords(
        "work-orders",
        "fullbay_work_orders",
        texts=("work_order_number", "customer_id", "customer_name", "status"),
        amounts=("total_amount", "labor_amount", "parts_amount", "tax_amount"),
        others={"vehicle_info": VEHICLE},
    ),
    FlatRecords("customers", "fullbay_customers", texts=("name", "email", "phone")),
    FlatRecords("parts", "fullbay_parts", texts=("part_number", "description"), amounts=("cost", "price")),
)


class WorkOrders:
    """Work orders, customers and parts."""

    name = "work-orders"
    resources: Mapping[str, FlatRecords] = {resource.name: resource for resource in RESOURCES}

    def __init__(self, config: Config, credentials: Credentials) -> None:
        self._config = config.fullbay
        self._credentials = credentials
        self._user_agent = f"Headgate/{__version__} ({config.environment})"

    def endpoint(self, stream: Stream) -> str:
        """Return the URL of a resource."""
        return f"{self._config.api_base_url}/{self._config.api_version}/{stream.resource}"

    def client(self, stream: Stream) -> Client:
        """Return what asks the API."""

        def renew(refused: Request) -> bool:
            return self._credentials.refresh(refused.headers["Authorization"].removeprefix("Bearer "))

        return Client(stream, self._config.timeout_seconds, self._config.max_retries, renew)

    def plan(self, cursor: Cursor, stream: Stream, request: Mapping[str, Any]) -> Sequence[Range]:
        """Return one window: from what was asked for, or from the end of what was read without a gap."""
        if request.get("full"):
            return [(None, None)]
        asked = request.get("since") or request.get("from")
        if asked:
            return [(datetime.fromisoformat(asked), None)]
        covered = ledger.coverage(cursor, stream, timedelta(0))
        start, end = covered[0] if covered else (None, None)
        if end is None:
            return [(None, None)]
        _, beginning = ledger.horizon(cursor, stream)
        if start is not None and (beginning is None or beginning < start):
            return [(beginning, None)]  # it was to be read once, and was not read completely
        return [(end - timedelta(seconds=self._config.overlap_seconds), None)]

    def pages(self, client: Client, stream: Stream, window: Window) -> Iterator[Page]:
        """Yield a window's pages, and at its end the moment up to which the resource is read."""
        resource = self.resources[stream.resource]
        checkpoint = dict(window.checkpoint or {})
        newest = _moment(checkpoint.get("newest"))
        began = _moment(checkpoint.get("began"))
        for page in read_by_offset(
            lambda offset: self._ask(client, stream, window, offset, checkpoint),
            resource.mark,
            Position.of(checkpoint.get("position")),
        ):
            began = began or _moment(checkpoint.get("began"))
            changes = [r.row.updated_at if r.row else resource.changed_at(r.value) for r in page.records]
            newest = max((moment for moment in (*changes, newest) if moment), default=None)
            state = {
                "position": page.checkpoint,
                "newest": newest and rfc3339(newest),
                "began": began and rfc3339(began),
            }
            until = min(newest or window.lower or NOTHING_YET, began or datetime.now(UTC))
            yield page._replace(checkpoint=state, until=None if page.covered is None else until)

    def _ask(
        self, client: Client, stream: Stream, window: Window, offset: int, checkpoint: dict[str, Any]
    ) -> Coming[Listing]:
        def make() -> Request:
            parameters = {"limit": str(self._config.page_size), "offset": str(offset)}
            if window.lower is not None:
                parameters["updated_since"] = rfc3339(window.lower)
            key = self._credentials.key(stream.shop)
            return Request(
                self.endpoint(stream), parameters, {"Authorization": f"Bearer {key}", "User-Agent": self._user_agent}
            )

        def read(answer: Answer) -> Listing:
            checkpoint.setdefault("began", rfc3339(answer.date or datetime.now(UTC)))
            return _listing(answer.text, self.resources[stream.resource])

        return client.begin(make, read)

    def split(self, window: Window) -> Sequence[Range]:
        """Return the window: it has no end, and cannot be divided."""
        return [(window.lower, window.upper)]

    def name_of(self, window: Window) -> str:
        """Return how to speak of a window."""
        return f"changes since {rfc3339(window.lower)}" if window.lower else "everything"


def _listing(text: str, resource: FlatRecords) -> Listing:
    """Read `{"data": [...], "total": N}` or a bare list."""
    try:
        others, documents = parse_listing(text, "data")
    except BadRequest:
        raise Again("the answer is not JSON") from None
    if documents is None:
        raise Refused("the answer holds no list of records below 'data'")
    total = others.get("total")
    records = [read_record(resource, document) for document in documents]
    return Listing(records, total if type(total) is int and total >= 0 else None)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
