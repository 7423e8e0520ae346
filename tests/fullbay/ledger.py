"""The invoices of one shop by day, while they change."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from tests.fullbay.collection import Record
from tests.fullbay.invoices import FIRST_ID, invoice
from tests.fullbay.resources import Fields


class Ledger:
    """`size` seeded invoices on the working days (no Sundays) of `days` days up to `last`."""

    def __init__(self, seed: int, shop: str, size: int, last: date, days: int) -> None:
        self.shop = shop
        self.version = 0
        self._seed = seed
        self._size = size
        every = [last - timedelta(days=back) for back in range(days - 1, -1, -1)]
        self._days = [day for day in every if day.weekday() != 6] or every
        self._changed: dict[str, Record | None] = {}
        self._next = size
        self._make = lru_cache(2000)(self._record)

    def records(self, first: date = date.min, last: date = date.max) -> Iterator[Record]:
        """Yield the invoices of a window, both days included, by day and number."""
        for at in self.window(first, last):
            yield at if isinstance(at, Record) else self._make(at)

    def window(self, first: date, last: date) -> list[int | Record]:
        """Return the invoices of a window; of those that were never changed, their numbers."""
        low = bisect.bisect_left(range(self._size), first, key=self._day)
        high = bisect.bisect_right(range(self._size), last, key=self._day)
        if not self._changed:
            return list(range(low, high))
        found: list[int | Record] = [at for at in range(low, high) if str(FIRST_ID + at) not in self._changed]
        changed = [record for record in self._changed.values() if record]
        found += [record for record in changed if first <= record.fields["invoice_date"] <= last]
        return sorted(found, key=self._key)

    def record(self, number: int) -> Record:
        """Return an invoice that was never changed."""
        return self._make(number)

    def get(self, identifier: str) -> Record | None:
        """Return the invoice with an id as it is now."""
        if identifier in self._changed:
            return self._changed[identifier]
        number = int(identifier) - FIRST_ID if identifier.isdecimal() else -1
        return self._make(number) if 0 <= number < self._size else None

    def insert(self, day: date, changes: Fields) -> Record:
        """Add an invoice of a day; `changes` are members as they are sent."""
        number = self._next
        self._next += 1
        return self._put(invoice(self._seed, self.shop, number, day) | changes)

    def update(self, identifier: str, changes: Fields) -> Record:
        """Change an invoice; without changes its total changes."""
        record = self._existing(identifier)
        return self._put(record.raw | (changes or {"total": str(record.fields["total"] + 1)}))

    def delete(self, identifier: str) -> Record:
        """Remove an invoice."""
        record = self._existing(identifier)
        self._changed[identifier] = None
        self.version += 1
        return record

    def __len__(self) -> int:
        return len(self.window(date.min, date.max))

    def _existing(self, identifier: str) -> Record:
        record = self.get(identifier)
        if record is None:
            raise KeyError(identifier)
        return record

    def _put(self, raw: Fields) -> Record:
        self.version += 1
        record = self._parsed(raw)
        self._changed[record.id] = record
        return record

    def _record(self, number: int) -> Record:
        return self._parsed(invoice(self._seed, self.shop, number, self._day(number)))

    def _parsed(self, raw: Fields) -> Record:
        amounts: dict[str, Any] = {
            name: Decimal(str(raw[sent]))
            for name, sent in {"total": "total", "subtotal": "subTotal", "tax_total": "taxTotal"}.items()
        }
        day = date.fromisoformat(raw["invoiceDate"])
        number = str(raw["invoiceNumber"])
        fields = {"id": raw["primaryKey"], "shop": self.shop, "invoice_number": number, "invoice_date": day}
        return Record(fields | amounts, raw)

    def _day(self, number: int) -> date:
        return self._days[number * len(self._days) // self._size]

    def _key(self, at: int | Record) -> tuple[date, str]:
        if isinstance(at, Record):
            return at.fields["invoice_date"], at.id
        return self._day(at), str(FIRST_ID + at)
