"""What a source's pages hold, and what becomes of it when a page is stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from service.database import Cursor
from service.documents import Document


class Rejected(Exception):
    """A record cannot be stored: the path to the value, such as `total_amount`, and the rule that it breaks."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path
        self.reason = reason


class Incomplete(Exception):
    """A window cannot be read to its end, or what was read does not add up. `reason` may be shown to anybody."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Stream(NamedTuple):
    """What one run reads: a resource of a source, as one shop sees it."""

    source: str  # work-orders, invoices: the API
    resource: str  # work-orders, customers, parts, invoices: what is read from it
    shop: str  # whose key reads it

    @property
    def dimensions(self) -> dict[str, Any]:
        """What its measurements are told apart by."""
        return {"Source": self.source, "Resource": self.resource}

    def __str__(self) -> str:
        return f"{self.resource} of {self.source} ({self.shop})"


class Record(NamedTuple):
    """A record as it was sent, and its row, or the flaw that keeps it from being one."""

    document: Document
    row: Any = None
    flaw: Rejected | None = None

    @property
    def value(self) -> Any:
        return self.document.value

    @property
    def text(self) -> str:
        return self.document.text


class Page(NamedTuple):
    """What was read at once, and where reading goes on behind it.

    `total` is how many records the window has, as the source says. The last page says how many were `covered`, and
    `until` which moment the window is read, where that was not known before.
    """

    records: list[Record]
    checkpoint: dict[str, Any]
    total: int | None
    covered: int | None = None
    until: datetime | None = None


class Outcome(NamedTuple):
    """How many records of a page were new, replaced an older version, were stored already, or were older.

    `refused` are those that the table refuses: the id of each, and why.
    """

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0
    refused: tuple[tuple[str, str], ...] = ()


class Resource(Protocol):
    """One kind of record: how it is checked, and how it is written.

    `read` turns a record into what `store` takes; it raises `Rejected` and touches nothing. `store` writes a page in
    the transaction of `cursor`; no two rows of a page have one id. It is safe to repeat.
    """

    name: str
    table: str  # has the columns shop, fullbay_id and ingestion_timestamp

    def key(self, record: Any) -> str | None:
        """Return the record's id as text, None where it has none that can be used."""

    def read(self, document: Document) -> Any:
        """Return the row of a record. Raises `Rejected`."""

    def newer(self, one: Any, other: Any) -> Any:
        """Return the newer one of two rows of one record, of which `other` was read later."""

    def store(self, cursor: Cursor, stream: Stream, rows: Sequence[Any]) -> Outcome:
        """Write the rows of a page."""


def read_record(resource: Resource, document: Document) -> Record:
    """Return a record with its row or its flaw. Sources do it where they read: while the page before is stored."""
    try:
        for violation in document.violations:
            raise Rejected(violation["path"], violation["message"])
        return Record(document, resource.read(document))
    except Rejected as flaw:
        return Record(document, flaw=flaw)
