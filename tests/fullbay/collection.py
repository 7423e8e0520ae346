"""The records of one resource, in their order, while they change: memory is taken by changes alone."""

from __future__ import annotations

import bisect
import itertools
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from tests.fullbay.draws import Draw
from tests.fullbay.messages import Text, dumps
from tests.fullbay.resources import Fields, Kind

KEPT = 5000
FIRST = datetime(2025, 1, 1, tzinfo=UTC)
LAST = datetime(2026, 6, 30, tzinfo=UTC)


class Record(NamedTuple):
    """A record in its normal form and as it is sent."""

    fields: Fields
    raw: Any

    @property
    def id(self) -> str:
        return str(self.fields["id"])

    @property
    def key(self) -> tuple[datetime, str]:
        return self.fields["updated_at"], self.fields["id"]


class Collection:
    """`size` seeded records between two times, `sharing` of them with one time; inserts, updates and deletes on top.

    A record that was never changed has a place in the order that can be computed; `_gone` are the places of those that
    were changed or deleted, `_moved` the records that were changed or inserted, sorted.
    """

    def __init__(self, kind: Kind, seed: int, size: int, sharing: int = 1, is_cached: bool = False) -> None:
        self.kind = kind
        self.version = 0
        self._seed = seed
        self._size = size
        self._sharing = sharing
        self._step = max((LAST - FIRST) // max(-(-size // sharing), 1), timedelta(milliseconds=2))
        self._block = sharing * 16
        order = list(range(self._block))
        random.Random(f"order {seed}").shuffle(order)
        groups = [sorted(order[at : at + sharing]) for at in range(0, self._block, sharing)]
        self._index_in_block = list(itertools.chain.from_iterable(groups))
        self._place_in_block = sorted(range(self._block), key=self._index_in_block.__getitem__)
        # A few megabytes: small collections are made once.
        self.record = lru_cache(KEPT)(self._record)  # returns the record of a number, as it was before any change
        self.text = lru_cache(None if is_cached else KEPT)(self._text)  # returns the same, as JSON
        self._gone: list[int] = []
        self._moved: list[Record] = []
        self._moved_by_id: dict[str, Record] = {}
        self._next = size
        self._last_change = LAST

    def __len__(self) -> int:
        return self._size - len(self._gone) + len(self._moved)

    def warm(self) -> None:
        """Write every record down before it is asked for."""
        for number in range(self._size):
            self.text(number)

    def count_before(self, since: datetime, is_inclusive: bool = True) -> int:
        """Return how many records were updated before a time (up to it, where `is_inclusive` is not set)."""
        find = bisect.bisect_left if is_inclusive else bisect.bisect_right
        place = find(range(self._size), since, key=self._time)
        unchanged = place - bisect.bisect_left(self._gone, place)
        return unchanged + find(self._moved, since, key=lambda record: record.key[0])

    def at(self, rank: int) -> int | Record:
        """Return the record of a rank in the order of updated_at and id: its number, where it was never changed."""
        lowest, highest = max(0, rank - (self._size - len(self._gone))), min(len(self._moved), rank)

        def is_behind(moved: int) -> bool:
            return self._moved[moved].key > self._key(self._remaining(rank - moved - 1))

        moved = bisect.bisect_left(range(lowest, highest), True, key=is_behind) + lowest
        unchanged = rank - moved
        if unchanged >= self._size - len(self._gone):
            return self._moved[moved]
        place = self._remaining(unchanged)
        if moved < len(self._moved) and self._moved[moved].key < self._key(place):
            return self._moved[moved]
        return self._permuted(place, self._index_in_block)

    def _record(self, number: int) -> Record:
        place = self._permuted(number, self._place_in_block)
        draw = Draw(self._seed, self.kind.name, number)
        updated_at = self._time(place)
        fields = {"id": str(self.kind.first_id + number), **self.kind.make(number, draw, updated_at)}
        fields["updated_at"] = updated_at
        return Record(fields, self.kind.spell(fields, draw))

    def _text(self, number: int) -> Text:
        return Text(dumps(self._record(number).raw))

    def get(self, identifier: str) -> Record | None:
        """Return the record with an id as it is now."""
        if identifier in self._moved_by_id:
            return self._moved_by_id[identifier]
        number = int(identifier) - self.kind.first_id if identifier.isdecimal() else -1
        is_gone = not 0 <= number < self._size or self._is_gone(self._permuted(number, self._place_in_block))
        return None if is_gone else self.record(number)

    def updated_at(self, at: int | Record) -> datetime:
        """Return the time of a record, which may be the number of one that was never changed."""
        return self._time(self._permuted(at, self._place_in_block)) if isinstance(at, int) else at.key[0]

    def in_order(self) -> Sequence[int | Record]:
        """Return all records in the order of their ids."""
        unchanged = [n for n in range(self._size) if not self._is_gone(self._permuted(n, self._place_in_block))]
        first = self.kind.first_id
        return sorted([*unchanged, *self._moved], key=lambda at: str(at + first) if isinstance(at, int) else at.id)

    def records(self) -> Iterator[Record]:
        """Return every record as it is now; what changes later is not seen."""
        changed, gone = list(self._moved), set(self._gone)
        numbers = (n for n in range(self._size) if self._permuted(n, self._place_in_block) not in gone)
        return itertools.chain(map(self.record, numbers), changed)

    def insert(self, now: datetime, changes: Fields) -> Record:
        """Add a record with the next id."""
        number = self._next
        self._next += 1
        made = self.kind.make(number, Draw(self._seed, self.kind.name, number), now)
        return self._put({"id": str(self.kind.first_id + number), **made}, now, changes)

    def update(self, identifier: str, now: datetime, changes: Fields) -> Record:
        """Change a record, and with it its time and its place; without changes its amount changes."""
        record = self.get(identifier)
        if record is None:
            raise KeyError(identifier)
        if not changes:
            amount = self.kind.amounts[0]
            changes = {amount: (record.fields[amount] or 0) + 1}
        self._drop(record)
        return self._put(record.fields, now, changes)

    def delete(self, identifier: str) -> Record:
        """Remove a record."""
        record = self.get(identifier)
        if record is None:
            raise KeyError(identifier)
        self._drop(record)
        return record

    def _put(self, fields: Fields, now: datetime, changes: Fields) -> Record:
        self._last_change = now = max(now, self._last_change + timedelta(microseconds=1))
        fields = fields | {"updated_at": now} | changes
        raw = fields.pop("raw", {})
        for name in self.kind.amounts:
            fields[name] = None if fields[name] is None else Decimal(str(fields[name]))
        self.version += 1
        record = Record(fields, self.kind.spell(fields, Draw(self._seed, fields["id"], self.version)) | raw)
        bisect.insort(self._moved, record, key=lambda moved: moved.key)
        self._moved_by_id[record.id] = record
        return record

    def _drop(self, record: Record) -> None:
        self.version += 1
        if self._moved_by_id.pop(record.id, None):
            self._moved.pop(bisect.bisect_left(self._moved, record.key, key=lambda moved: moved.key))
        else:
            number = int(record.id) - self.kind.first_id
            bisect.insort(self._gone, self._permuted(number, self._place_in_block))

    def _is_gone(self, place: int) -> bool:
        at = bisect.bisect_left(self._gone, place)
        return at < len(self._gone) and self._gone[at] == place

    def _remaining(self, rank: int) -> int:
        """Return the place of the unchanged record of a rank."""
        return rank + bisect.bisect_right(range(len(self._gone)), rank, key=lambda at: self._gone[at] - at)

    def _permuted(self, value: int, order: list[int]) -> int:
        block, within = divmod(value, self._block)
        if (block + 1) * self._block > self._size:
            return value  # the last block is not full
        return block * self._block + order[within]

    def _time(self, place: int) -> datetime:
        group = place // self._sharing
        within = (group * 0x9E3779B97F4A7C15 >> 7) % max(self._step // timedelta(milliseconds=1), 1)
        return FIRST + group * self._step + timedelta(milliseconds=within)

    def _key(self, place: int) -> tuple[datetime, str]:
        return self._time(place), str(self.kind.first_id + self._permuted(place, self._index_in_block))
