"""Invoices: what is read of one, and how a page of them is stored with their lines and differences."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from service.database import Cursor
from service.documents import Document
from service.ingestion.fullbay.fields import Fields
from service.ingestion.fullbay.reconciliation import reconcile
from service.ingestion.records import Outcome, Rejected, Stream

# Of how rows and lines are made of an invoice. With a new one, invoices that did not change are stored again.
VERSION = 1

_AMOUNTS = {
    "misc_charge_total": "miscChargeTotal",
    "service_call_total": "serviceCallTotal",
    "mileage_total": "mileageTotal",
    "mileage_cost_total": "mileageCostTotal",
    "parts_total": "partsTotal",
    "labor_hours_total": "laborHoursTotal",
    "labor_total": "laborTotal",
    "sublet_labor_total": "subletLaborTotal",
    "supplies_total": "suppliesTotal",
    "sub_total": "subTotal",
    "tax_total": "taxTotal",
    "total": "total",
    "balance": "balance",
}


class Invoice(NamedTuple):
    """An invoice to store: `row`, `lines` and `differences` are JSON, as the statements below read it."""

    id: str
    content_hash: bytes
    row: str
    lines: str
    differences: str


class Invoices:
    """The resource `invoices`. An invoice does not tell when it was changed: of two readings the later one counts."""

    name = "invoices"
    table = "fullbay_invoices"

    def key(self, record: Any) -> str | None:
        """Return the id of an invoice, None where it has none that can be used."""
        try:
            return Fields(record).identifier("primaryKey")
        except Rejected:
            return None

    def read(self, document: Document) -> Invoice:
        """Return an invoice with its lines. Raises `Rejected`."""
        if not isinstance(document.value, dict):
            raise Rejected("", "must be an object")
        invoice = Fields(document.value)
        invoice_id = invoice.identifier("primaryKey")
        found = reconcile(invoice)
        told = json.dumps([VERSION, document.value], sort_keys=True, default=str)
        content_hash = sha256(told.encode()).digest()
        row = {
            "fullbay_id": invoice_id,
            **_columns(invoice),
            "difference": found.difference,
            "content_hash": f"\\x{content_hash.hex()}",
        }
        return Invoice(
            invoice_id,
            content_hash,
            f'{_json(row)[:-1]},"raw_data":{document.text}}}',
            _json([{"position": place, **line._asdict()} for place, line in enumerate(found.lines, 1)]),
            _json([{"position": place, **one._asdict()} for place, one in enumerate(found.differences, 1)]),
        )

    def newer(self, one: Invoice, other: Invoice) -> Invoice:
        """Return the one of two rows of one invoice that was read later, which is `other`."""
        return other

    def store(self, cursor: Cursor, stream: Stream, rows: Sequence[Invoice]) -> Outcome:
        """Write the invoices of a page that are new or changed, with their lines; touch none that is stored so."""
        stored = _stored(cursor, stream.shop, [row.id for row in rows])
        changed = [row for row in rows if stored.get(row.id) != row.content_hash]
        if changed:
            ids = _put(cursor, stream, changed)
            _replace_lines(cursor, stream.shop, {ids[row.id]: row for row in changed})
        inserted = sum(row.id not in stored for row in changed)
        return Outcome(inserted=inserted, updated=len(changed) - inserted, unchanged=len(rows) - len(changed))


def _columns(invoice: Fields) -> dict[str, Any]:
    order, customer = invoice.inner("ServiceOrder"), invoice.inner("Customer")
    order.inner("Unit")  # is refused here where it is no object: the statement takes it from the invoice as it was sent
    return {
        "invoice_number": invoice.name("invoiceNumber"),
        "invoice_date": invoice.day("invoiceDate"),
        "due_date": invoice.day("dueDate"),
        "exported": invoice.flag("exported"),
        "customer_id": customer.name("customerId") or order.inner("Customer").name("customerId"),
        "customer_name": invoice.prose("customerTitle") or customer.prose("title"),
        "shop_title": invoice.prose("shopTitle"),
        "service_order_id": order.name("primaryKey"),
        "repair_order_number": order.name("repairOrderNumber"),
        **{column: invoice.amount(name) for column, name in _AMOUNTS.items()},
    }


def _json(value: Any) -> str:
    return json.dumps(value, default=str)  # of an amount all digits, as text


def _array(elements: Iterable[str]) -> str:
    return f"[{','.join(elements)}]"


def _stored(cursor: Cursor, shop: str, ids: list[str]) -> dict[str, bytes]:
    cursor.execute(
        """
        SELECT fullbay_id, content_hash
        FROM fullbay_invoices
        WHERE shop = %s AND fullbay_id = ANY (%s)
        """,
        (shop, ids),
    )
    return {invoice_id: bytes(content_hash) for invoice_id, content_hash in cursor.fetchall()}


def _put(cursor: Cursor, stream: Stream, invoices: list[Invoice]) -> dict[str, int]:
    """Insert or replace invoices; return the ids of their rows."""
    cursor.execute(
        """
        INSERT INTO fullbay_invoices (
            shop, fullbay_id, invoice_number, invoice_date, due_date, exported, customer_id, customer_name, shop_title,
            service_order_id, repair_order_number, vehicle_info, misc_charge_total, service_call_total, mileage_total,
            mileage_cost_total, parts_total, labor_hours_total, labor_total, sublet_labor_total, supplies_total,
            sub_total, tax_total, total, balance, difference, raw_data, content_hash, ingestion_source
        )
        SELECT %(shop)s, fullbay_id, invoice_number, invoice_date, due_date, exported, customer_id, customer_name,
               shop_title, service_order_id, repair_order_number,
               CASE jsonb_typeof(raw_data #> '{ServiceOrder,Unit}')
                   WHEN 'object' THEN raw_data #> '{ServiceOrder,Unit}'
               END,
               misc_charge_total, service_call_total, mileage_total, mileage_cost_total, parts_total, labor_hours_total,
               labor_total, sublet_labor_total, supplies_total, sub_total, tax_total, total, balance, difference,
               raw_data, content_hash, %(source)s
        FROM json_populate_recordset(NULL::fullbay_invoices, %(rows)s)
        ORDER BY fullbay_id COLLATE "C"
        ON CONFLICT (shop, fullbay_id) DO UPDATE
        SET invoice_number = excluded.invoice_number, invoice_date = excluded.invoice_date,
            due_date = excluded.due_date, exported = excluded.exported, customer_id = excluded.customer_id,
            customer_name = excluded.customer_name, shop_title = excluded.shop_title,
            service_order_id = excluded.service_order_id, repair_order_number = excluded.repair_order_number,
            vehicle_info = excluded.vehicle_info, misc_charge_total = excluded.misc_charge_total,
            service_call_total = excluded.service_call_total, mileage_total = excluded.mileage_total,
            mileage_cost_total = excluded.mileage_cost_total, parts_total = excluded.parts_total,
            labor_hours_total = excluded.labor_hours_total, labor_total = excluded.labor_total,
            sublet_labor_total = excluded.sublet_labor_total, supplies_total = excluded.supplies_total,
            sub_total = excluded.sub_total, tax_total = excluded.tax_total, total = excluded.total,
            balance = excluded.balance, difference = excluded.difference, raw_data = excluded.raw_data,
            content_hash = excluded.content_hash, ingestion_timestamp = now(),
            ingestion_source = excluded.ingestion_source
        RETURNING fullbay_id, id
        """,
        {"shop": stream.shop, "source": stream.source, "rows": _array(invoice.row for invoice in invoices)},
    )
    return dict(cursor.fetchall())


def _replace_lines(cursor: Cursor, shop: str, invoices: dict[int, Invoice]) -> None:
    """Replace the lines and differences of some rows, which are locked by now."""
    ids = list(invoices)
    cursor.execute("DELETE FROM fullbay_line_items WHERE invoice_id = ANY (%s)", (ids,))
    cursor.execute("DELETE FROM fullbay_invoice_differences WHERE invoice_id = ANY (%s)", (ids,))
    cursor.execute(
        """
        INSERT INTO fullbay_line_items (
            invoice_id, position, shop, line_type, complaint_id, correction_id, part_id, technician, technician_number,
            portion, description, shop_part_number, vendor_part_number, part_category, labor_rate, quantity, hours,
            unit_price, unit_cost, total, taxable
        )
        SELECT invoice.id, position, %s, line_type, complaint_id, correction_id, part_id, technician,
               technician_number, portion, description, shop_part_number, vendor_part_number, part_category,
               labor_rate, quantity, hours, unit_price, unit_cost, total, taxable
        FROM json_to_recordset(%s) AS invoice (id bigint, lines json)
        CROSS JOIN LATERAL json_populate_recordset(NULL::fullbay_line_items, lines)
        """,
        (shop, _array(f'{{"id":{row_id},"lines":{invoice.lines}}}' for row_id, invoice in invoices.items())),
    )
    cursor.execute(
        """
        INSERT INTO fullbay_invoice_differences (
            invoice_id, position, path, complaint_id, correction_id, total_name, expected, found, difference, portions
        )
        SELECT invoice.id, position, path, complaint_id, correction_id, total_name, expected, found, difference,
               portions
        FROM json_to_recordset(%s) AS invoice (id bigint, differences json)
        CROSS JOIN LATERAL json_populate_recordset(NULL::fullbay_invoice_differences, differences)
        """,
        (_array(f'{{"id":{row_id},"differences":{invoice.differences}}}' for row_id, invoice in invoices.items()),),
    )
