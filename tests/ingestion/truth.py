"""Whether a run told the truth: what the tables hold after it, compared with what the stand-in had while it ran.

with Living(work_orders=60) as fullbay:
    before = fullbay.snapshot("work-orders")
    result = installation.read()
    assert_true_to_source(fullbay, installation.sql, WORK_ORDERS, result, before)
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

from service.ingestion.engine import Result
from service.ingestion.records import Stream
from tests.fullbay import Fullbay
from tests.fullbay.drifts import DRIFTS, Names
from tests.fullbay.messages import Text, dumps
from tests.ingestion.invoices import model as invoices_model
from tests.ingestion.model import COLUMNS, TABLES, as_json

WORK_ORDERS = Stream("work-orders", "work-orders", "default")
INVOICES = Stream("invoices", "invoices", "default")
INVOICE_COLUMNS = {
    "invoice_number": "invoice_number",
    "invoice_date": "invoice_date",
    "total": "total",
    "sub_total": "subtotal",
    "tax_total": "tax_total",
}
ADDED = ("newField", "")  # members by which the drift `extra_keys` adds to a record without a change of its own

Sql = Callable[..., list[tuple[Any, ...]]]


class Version(NamedTuple):
    """A record as it was for a while: its columns, and its JSON as it was sent."""

    columns: tuple[Any, ...]
    raw: str


Snapshot = dict[str, Version]


class Living(Fullbay):
    """A stand-in that knows every version that a record ever had, whoever changed it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"work_orders": 0, "customers": 0, "parts": 0, "invoices": 0} | options)
        self.past: dict[tuple[str, str, str], list[Version]] = {}
        self.changes: Counter[str] = Counter()  # of invoices: what came, changed and went

    def insert(self, resource: str, **options: Any) -> dict[str, Any]:
        record = super().insert(resource, **options)
        self._note(resource, record, options, "inserted")
        return record

    def update(self, resource: str, identifier: str, **options: Any) -> dict[str, Any]:
        self._keep(resource, identifier, options)
        record = super().update(resource, identifier, **options)
        self._note(resource, record, options, "updated")
        return record

    def delete(self, resource: str, identifier: str, **options: Any) -> dict[str, Any]:
        record = super().delete(resource, identifier, **options)
        self._note(resource, record, options, "deleted")
        return record

    def _keep(self, resource: str, identifier: str, options: dict[str, Any]) -> None:
        shop = options.get("shop", "default")
        of = self.ledgers[shop] if resource == "invoices" else self.collections[resource]
        found: Any = of.get(identifier)
        self._remember(resource, {**found.fields, "raw": found.raw}, shop)

    def _note(self, resource: str, record: dict[str, Any], options: dict[str, Any], what: str) -> None:
        self._remember(resource, record, options.get("shop", "default"))
        self.changes[what] += 1

    def _remember(self, resource: str, record: dict[str, Any], shop: str) -> None:
        self.past.setdefault((resource, shop, record["id"]), []).append(_version(resource, record))

    def snapshot(self, resource: str, shop: str = "default") -> Snapshot:
        """Return every record as it is now."""
        found = self.invoices(shop) if resource == "invoices" else self.records(resource)
        return {record["id"]: _version(resource, record) for record in found}

    def someone(self, resource: str, draw: Any, shop: str = "default") -> str | None:
        """Return the id of a record, None where there is none."""
        known = sorted(self.snapshot(resource, shop))
        return draw.choice(known) if known else None


def assert_true_to_source(
    fullbay: Living,
    sql: Sql,
    stream: Stream,
    result: Result | None,
    before: Snapshot,
    *,
    excused: Iterable[str] = (),
    is_drifting: bool = False,
) -> None:
    """Check what a run says of itself. There is never a difference that nobody tells.

    SUCCESS     every record that stood unchanged from `before` until now is stored as it is
    PARTIAL     the same, unless a window is incomplete and says so; what is not stored is an open reject
    FAILED      says why

    Always: what is stored is a version that the record had, the counts add up, and a reject has all that it needs.
    `excused` are records that the run cannot have known about. `is_drifting` says that unknown members may have come
    along.
    """
    assert result is not None
    assert result.status in ("SUCCESS", "PARTIAL", "FAILED"), result
    assert (result.message is None) == (result.status == "SUCCESS"), result
    now = fullbay.snapshot(stream.resource, stream.shop)
    stored = _stored(sql, stream, is_drifting)
    _assert_no_inventions(fullbay, stream, stored, now)
    _assert_counts(sql, stream, result, len(stored))
    unread = sql("SELECT note FROM ingestion_windows WHERE execution_id = %s AND state <> 'complete'", *_run(result))
    if result.status == "FAILED":
        return
    for (note,) in unread:
        assert result.status == "PARTIAL", result
        assert note, result
        assert note in str(result.message), result
    if unread:
        return
    payloads = _open_payloads(sql, stream)
    lost = [
        identifier
        for identifier, version in before.items()
        if now.get(identifier) == version and identifier not in excused and not _holds(stored, identifier, version)
    ]
    silent = [identifier for identifier in lost if not _is_rejected(stream, before[identifier].raw, payloads)]
    assert silent == [], f"{result.status} ({result.message}), and nothing is said of {len(silent)}: {silent[:5]}"


def assert_equal_to_source(
    fullbay: Living, sql: Sql, stream: Stream, missing: Iterable[str] = (), gone: Iterable[str] = ()
) -> None:
    """Check that a table is its source, but for records that are `missing`, or that are `gone` from the source."""
    stored = _stored(sql, stream, False)
    now = fullbay.snapshot(stream.resource, stream.shop)
    deleted = {identifier for resource, _, identifier in fullbay.past if resource == stream.resource} - now.keys()
    assert now.keys() - stored.keys() == set(missing)
    assert stored.keys() - now.keys() - deleted == set(gone)
    for identifier, version in now.items():
        assert identifier in missing or _holds(stored, identifier, version), (identifier, stored[identifier], version)


def open_rejects(sql: Sql) -> list[tuple[Any, ...]]:
    """Return the id, path, reason and payload of each reject that is not resolved."""
    return sql("SELECT record_id, path, reason, payload FROM ingestion_rejects WHERE resolution IS NULL ORDER BY id")


def _run(result: Result) -> tuple[str]:
    return (result.execution_id,)


def _version(resource: str, record: dict[str, Any]) -> Version:
    names = INVOICE_COLUMNS.values() if resource == "invoices" else COLUMNS[resource]
    return Version(tuple(record[name] for name in names), dumps(record["raw"]))


def _stored(sql: Sql, stream: Stream, is_drifting: bool) -> dict[str, Any]:
    """Return columns and JSON of each record, of an invoice its lines and differences, too."""
    if stream.resource == "invoices":
        return _stored_invoices(sql, stream, is_drifting)
    rows = sql(
        f"""
        SELECT fullbay_id, raw_data::text, {", ".join(COLUMNS[stream.resource])} FROM {TABLES[stream.resource]}
        WHERE shop = %s AND ingestion_source = %s
        """,
        stream.shop,
        stream.source,
    )
    return {identifier: (tuple(values), _raw(raw, is_drifting)) for identifier, raw, *values in rows}


def _stored_invoices(sql: Sql, stream: Stream, is_drifting: bool) -> dict[str, Any]:
    stored: dict[str, Any] = {}
    for identifier, raw, lines, differences, *values in sql(
        f"""
        SELECT fullbay_id, raw_data::text,
               ARRAY(
                   SELECT concat_ws(' ', line_type, total, hours) FROM fullbay_line_items WHERE invoice_id = i.id
               ),
               ARRAY(
                   SELECT concat_ws('|', path, total_name, d.difference)
                   FROM fullbay_invoice_differences AS d WHERE invoice_id = i.id
               ),
               {", ".join(INVOICE_COLUMNS)}
        FROM fullbay_invoices AS i
        WHERE shop = %s
        """,
        stream.shop,
    ):
        kinds = Counter(_line(line) for line in lines)
        told = [one.split("|") for one in differences]
        apart = {(path, name): Fraction(difference) for path, name, difference in told}
        stored[identifier] = (tuple(values), _raw(raw, is_drifting), kinds, apart)
    return stored


def _line(text: str) -> tuple[str, Fraction, Fraction | None]:
    kind = next(kind for kind in ("PART", "LABOR", "SHOP SUPPLIES", "MISC") if text.startswith(kind))
    total, *hours = text.removeprefix(kind).split()
    return kind, Fraction(total), Fraction(hours[0]) if hours else None


def _raw(text: str, is_drifting: bool) -> Any:
    value = as_json(text)
    if is_drifting:
        for name in ADDED:
            value.pop(name, None)
    return value


@lru_cache(20_000)
def _wanted_of(raw: str) -> tuple[Any, ...]:
    """Return what is to be stored of a record beside its columns."""
    value = as_json(raw)
    if "primaryKey" not in value:
        return (value,)
    lines = Counter((line.kind, line.total, line.hours) for line in invoices_model.lines_of(value))
    return value, lines, invoices_model.differences_of(value)


def _holds(stored: dict[str, Any], identifier: str, version: Version) -> bool:
    return bool(stored.get(identifier) == (version.columns, *_wanted_of(version.raw)))


def _assert_no_inventions(fullbay: Living, stream: Stream, stored: dict[str, Any], now: Snapshot) -> None:
    for identifier in stored:
        past = fullbay.past.get((stream.resource, stream.shop, identifier), [])
        versions = [now[identifier], *past] if identifier in now else past
        assert any(_holds(stored, identifier, version) for version in versions), (identifier, stored[identifier])


def _assert_counts(sql: Sql, stream: Stream, result: Result, rows: int) -> None:
    ((status, processed, counted, rejected),) = sql(
        """
        SELECT status, records_processed,
               records_inserted + records_updated + records_unchanged + records_stale + records_rejected,
               records_rejected
        FROM ingestion_metadata WHERE execution_id = %s
        """,
        result.execution_id,
    )
    assert (status, processed) == (result.status, counted)
    assert rejected == 0 or result.status != "SUCCESS"
    if result.status == "PARTIAL" and rejected:
        told = f"{rejected} records were rejected" if rejected > 1 else "1 record was rejected"
        assert told in str(result.message)
    ((inserted,),) = sql("SELECT sum(records_inserted) FROM ingestion_metadata WHERE resource = %s", stream.resource)
    assert inserted == rows
    silent = sql("SELECT id FROM ingestion_rejects WHERE payload = '' OR reason = '' OR execution_id IS NULL")
    assert silent == []
    doubled = sql(
        "SELECT count(*) FROM ingestion_rejects WHERE execution_id = %s HAVING count(*) > %s",
        result.execution_id,
        rejected,
    )
    assert doubled == []


def _open_payloads(sql: Sql, stream: Stream) -> set[str]:
    rows = sql("SELECT payload FROM ingestion_rejects WHERE resolution IS NULL AND resource = %s", stream.resource)
    return {payload for (payload,) in rows}


def _is_rejected(stream: Stream, raw: str, payloads: set[str]) -> bool:
    """Return whether a record is among the rejects, in one of the ways in which the stand-in spoils it."""
    if not payloads:
        return False
    names = Names("/services/" if stream.resource == "invoices" else f"/v1/{stream.resource}")
    spoilt = (drift(json.loads(raw), names) for drift in DRIFTS.values())
    return any((one.text if isinstance(one, Text) else dumps(one)) in payloads for one in spoilt)
