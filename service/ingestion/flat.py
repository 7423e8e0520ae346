"""Records that are one row each: checked, and written by id with a content hash and the moment of their last change.

    FlatRecords("parts", "fullbay_parts", texts=("part_number", "description"), amounts=("cost", "price"))

The table has these columns, and `shop fullbay_id created_at updated_at raw_data content_hash ingestion_timestamp
ingestion_source` like every other one (0008_work_orders.sql). What is added by a newer version of this module reaches
rows that did not change only with a new `VERSION`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from psycopg2 import sql

from service.database import Cursor
from service.documents import Document
from service.ingestion import values
from service.ingestion.records import Outcome, Rejected, Stream

VERSION = 1  # of how rows are made of records
MAX_MARK = 100  # characters

# Records, as `Row.told` and `Row.raw` say them, in one order.
_INCOMING = sql.SQL(
    """
    FROM (
        SELECT told ->> 0 AS fullbay_id,
               (told ->> 1)::timestamptz AS updated_at,
               (told ->> 2)::timestamptz AS created_at,
               {amounts_told} raw, sha256(convert_to(%(version)s || raw::text, 'UTF8')) AS content_hash
        FROM ROWS FROM (jsonb_array_elements(%(told)s), jsonb_array_elements(%(raw)s)) AS record (told, raw)
    ) AS incoming
    """
)
_INSERT = sql.SQL(
    """
    INSERT INTO {table} (
        shop, ingestion_source, fullbay_id, updated_at, created_at, {amounts} {texts} {others} raw_data, content_hash
    )
    SELECT %(shop)s, %(source)s, fullbay_id, updated_at, created_at, {amounts} {text_values} {other_values} raw,
           content_hash
    {incoming}
    ON CONFLICT (fullbay_id) DO NOTHING
    """
)
_UPDATE = sql.SQL(
    """
    UPDATE {table} AS current
    SET updated_at = incoming.updated_at, created_at = incoming.created_at, {amount_updates} {text_updates}
        {other_updates} raw_data = raw, content_hash = incoming.content_hash,
        ingestion_timestamp = clock_timestamp(), ingestion_source = %(source)s
    {incoming}
    WHERE current.fullbay_id = incoming.fullbay_id AND current.shop = %(shop)s
      AND current.content_hash <> incoming.content_hash
      AND (current.updated_at > incoming.updated_at) IS NOT true
    """
)
_COMPARE = sql.SQL(
    """
    SELECT count(*) FILTER (WHERE current.shop = %(shop)s AND current.content_hash = incoming.content_hash),
           coalesce(array_agg(fullbay_id) FILTER (WHERE current.shop <> %(shop)s), '{{}}')
    {incoming}
    JOIN {table} AS current USING (fullbay_id)
    """
)


class _Statements(NamedTuple):
    """What writes a page: new rows; then, where some were known, newer versions; and what the others were."""

    insert: sql.Composed
    update: sql.Composed
    compare: sql.Composed


class Row(NamedTuple):
    """A record to store: id, moments and amounts as the statements read them, and its JSON as it was sent."""

    id: str
    updated_at: datetime | None
    told: tuple[str | None, ...]
    raw: str


class FlatRecords:
    """A resource whose records are rows of `table`.

    `texts` and `amounts` are columns named after their keys; `others` are columns with the SQL that makes them of
    the record, which is `raw` there.
    """

    def __init__(
        self,
        name: str,
        table: str,
        texts: Sequence[str] = (),
        amounts: Sequence[str] = (),
        others: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.table = table
        self._texts = texts
        self._amounts = amounts
        self._others = others or {}

    def key(self, record: Any) -> str | None:
        """Return the record's id as text, None where it has none that can be used."""
        try:
            return values.identifier(record["id"], "id") if isinstance(record, dict) else None
        except (KeyError, Rejected):
            return None

    def mark(self, record: Any) -> str:
        """Return what tells a record in its version from all others, as a short text."""
        if isinstance(record, dict) and record.get("id") is not None and record.get("updated_at") is not None:
            told = f"{record['id']} {record['updated_at']}"
            if len(told) <= MAX_MARK:
                return told
        return hashlib.blake2b(repr(record).encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()

    def changed_at(self, record: Any) -> datetime | None:
        """Return when a record was last changed, None where it does not say so in a way that can be read."""
        try:
            return values.moment(record.get("updated_at"), "updated_at") if isinstance(record, dict) else None
        except Rejected:
            return None

    def read(self, document: Document) -> Row:
        """Return the row of a record. Raises `Rejected`."""
        record = document.value
        if not isinstance(record, dict):
            raise Rejected("", "must be an object")
        find = record.get
        for name in self._texts:
            text = find(name)
            if type(text) is not str or len(text) > values.MAX_TEXT:
                values.text(text, name)
        identifier = values.identifier(find("id"), "id")
        updated_at = values.moment(find("updated_at"), "updated_at")
        created_at = values.moment(find("created_at"), "created_at")
        told: list[str | None] = [identifier, _iso(updated_at), _iso(created_at)]
        for name in self._amounts:
            amount = values.amount(find(name), name)
            told.append(None if amount is None else str(amount))
        return Row(identifier, updated_at, tuple(told), document.text)

    def newer(self, one: Row, other: Row) -> Row:
        """Return the newer one of two rows of one record, of which `other` was read later."""
        is_older = one.updated_at and other.updated_at and other.updated_at < one.updated_at
        return one if is_older else other

    def store(self, cursor: Cursor, stream: Stream, rows: Sequence[Row]) -> Outcome:
        """Write rows: new ones, and those that differ from what is stored and are not older."""
        parameters = {
            "told": json.dumps([row.told for row in rows]),
            "raw": f"[{','.join([row.raw for row in rows])}]",
            "version": str(VERSION),
            "shop": stream.shop,
            "source": stream.source,
        }
        cursor.execute(self._statements.insert, parameters)
        inserted = cursor.rowcount
        if inserted == len(rows):
            return Outcome(inserted)
        cursor.execute(self._statements.compare, parameters)
        same, foreign = cursor.fetchone()  # type: ignore[misc]
        cursor.execute(self._statements.update, parameters)
        updated, unchanged = cursor.rowcount, same - inserted
        refused = tuple((key, "belongs to another shop: its id is taken there") for key in foreign)
        return Outcome(inserted, updated, unchanged, len(rows) - inserted - updated - unchanged - len(refused), refused)

    @cached_property
    def _statements(self) -> _Statements:
        def listed(template: str, names: Iterable[str]) -> sql.Composed:
            """Return SQL for each name, with a comma behind it, so that a list may be empty."""
            parts = [
                sql.SQL(template + ", ").format(name=sql.Identifier(name), key=sql.Literal(name), place=sql.Literal(n))
                for n, name in enumerate(names, 3)
            ]
            return sql.Composed(parts)

        amounts, texts, others = self._amounts, self._texts, self._others
        told = listed("(told ->> {place})::numeric AS {name}", amounts)
        parts = {
            "table": sql.Identifier(self.table),
            "incoming": _INCOMING.format(amounts_told=told),
            "amounts": listed("{name}", amounts),
            "texts": listed("{name}", texts),
            "others": listed("{name}", others),
            "text_values": listed("raw ->> {key}", texts),
            "other_values": sql.Composed([sql.SQL(made + ", ") for made in others.values()]),
            "amount_updates": listed("{name} = incoming.{name}", amounts),
            "text_updates": listed("{name} = raw ->> {key}", texts),
            "other_updates": sql.Composed(
                [sql.SQL("{} = ").format(sql.Identifier(name)) + sql.SQL(made + ", ") for name, made in others.items()]
            ),
        }
        return _Statements(_INSERT.format(**parts), _UPDATE.format(**parts), _COMPARE.format(**parts))


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
