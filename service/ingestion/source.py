"""What differs between the systems that are read: how they are asked, how they are paged, and what is to be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from service.database import Cursor
from service.ingestion.client import Client
from service.ingestion.ledger import Window
from service.ingestion.records import Page, Resource, Stream

Range = tuple[datetime | None, datetime | None]


class Source(Protocol):
    """One API. A window is a range of what it can be asked for: moments of change, or days."""

    name: str

    @property
    def resources(self) -> Mapping[str, Resource]:
        """What can be read from it, by name."""

    def endpoint(self, stream: Stream) -> str:
        """Return the URL that a stream is read from, without its query."""

    def client(self, stream: Stream) -> Client:
        """Return what asks this API, for one leg of a run."""

    def plan(self, cursor: Cursor, stream: Stream, request: Mapping[str, Any]) -> Sequence[Range]:
        """Return what is to be read, from what was asked for and from what has been read already."""

    def pages(self, client: Client, stream: Stream, window: Window) -> Iterator[Page]:
        """Yield a window's pages from its checkpoint on. Raises `Incomplete`, and what the client raises."""

    def split(self, window: Window) -> Sequence[Range]:
        """Return the parts of a window that is too large for the source; one where it cannot be divided."""

    def name_of(self, window: Window) -> str:
        """Return how to speak of a window in a message."""
