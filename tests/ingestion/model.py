"""What the tables hold after a run, compared with what the stand-in holds: every column of every record."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Container
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tests.fullbay import Fullbay
from tests.fullbay.messages import dumps
from tests.ingestion.invoices import model as invoices_model

Sql = Callable[..., list[tuple[Any, ...]]]

TABLES = {"work-orders": "fullbay_work_orders", "customers": "fullbay_customers", "parts": "fullbay_parts"}
COLUMNS = {
    "work-orders": (
        *("work_order_number", "customer_id", "customer_name", "vehicle_info", "status"),
        *("total_amount", "labor_amount", "parts_amount", "tax_amount", "created_at", "updated_at"),
    ),
    "customers": ("name", "email", "phone", "created_at", "updated_at"),
    "parts": ("part_number", "description", "cost", "price", "created_at", "updated_at"),
}


def assert_table_equals(
    fullbay: Fullbay, sql: Sql, resource: str = "work-orders", shop: str = "default", gone: Container[str] = ()
) -> None:
    """Compare a table with its source. Records that are `gone` from the source may still be there."""
    names = COLUMNS[resource]
    stored = {
        identifier: (dict(zip(names, values, strict=True)), owner, source, as_json(raw))
        for identifier, owner, source, raw, *values in sql(
            f"SELECT fullbay_id, shop, ingestion_source, raw_data::text, {', '.join(names)} FROM {TABLES[resource]}"
        )
        if identifier not in gone
    }
    expected = {
        record["id"]: ({name: record[name] for name in names}, shop, "work-orders", as_json(dumps(record["raw"])))
        for record in fullbay.records(resource)
    }
    assert_same(stored, expected)


def assert_invoices_equal(fullbay: Fullbay, sql: Sql, shop: str = "default", gone: Container[str] = ()) -> None:
    """Compare the invoices of a shop with their source, and their lines and differences with the model's."""
    sent = {invoice["id"]: invoice for invoice in fullbay.invoices(shop)}
    names = ("invoice_number", "invoice_date", "total", "sub_total", "tax_total")
    stored = {
        identifier: (*values, as_json(raw))
        for identifier, raw, *values in sql(
            f"SELECT fullbay_id, raw_data::text, {', '.join(names)} FROM fullbay_invoices WHERE shop = %s", shop
        )
        if identifier not in gone
    }
    expected = {
        identifier: (
            *(invoice[name] for name in ("invoice_number", "invoice_date", "total", "subtotal", "tax_total")),
            as_json(dumps(invoice["raw"])),
        )
        for identifier, invoice in sent.items()
    }
    assert_same(stored, expected)
    lines: dict[str, Counter[Any]] = {}
    for identifier, kind, total, hours in sql(
        """
        SELECT fullbay_id, line_type, line.total, hours
        FROM fullbay_line_items AS line JOIN fullbay_invoices AS i ON i.id = invoice_id
        WHERE i.shop = %s
        """,
        shop,
    ):
        lines.setdefault(identifier, Counter())[kind, Fraction(total), hours and Fraction(hours)] += 1
    differences: dict[str, dict[Any, Fraction]] = {}
    for identifier, path, name, difference in sql(
        """
        SELECT fullbay_id, path, total_name, d.difference
        FROM fullbay_invoice_differences AS d JOIN fullbay_invoices AS i ON i.id = invoice_id
        WHERE shop = %s
        """,
        shop,
    ):
        differences.setdefault(identifier, {})[path, name] = Fraction(difference)
    for identifier, invoice in sent.items():
        value = as_json(dumps(invoice["raw"]))
        wanted = Counter((line.kind, line.total, line.hours) for line in invoices_model.lines_of(value))
        assert lines.get(identifier, Counter()) == wanted, identifier
        assert differences.get(identifier, {}) == invoices_model.differences_of(value), identifier


def assert_books_are_true(sql: Sql, table: str = "fullbay_work_orders") -> None:
    """Check what the runs of one table say of themselves: all are over, their counts add up to the rows, nothing is
    left open, and what was read of each stream has no gap.
    """
    assert sql("SELECT status FROM ingestion_metadata WHERE status IN ('RUNNING', 'CONTINUES')") == []
    assert sql("SELECT id FROM ingestion_windows WHERE state = 'open'") == []
    for said, wanted in (
        ("records_inserted", f"(SELECT count(*) FROM {table})"),
        ("pages", "(SELECT sum(pages) FROM ingestion_windows)"),
        ("records_processed", "(SELECT sum(records) FROM ingestion_windows)"),
        (
            "records_processed",
            "sum(records_inserted + records_updated + records_unchanged + records_stale + records_rejected)",
        ),
    ):
        ((one, other),) = sql(f"SELECT sum({said}), {wanted} FROM ingestion_metadata")
        assert one == other, (said, wanted)
    silent = sql("SELECT execution_id FROM ingestion_metadata WHERE (error_message IS NULL) <> (status = 'SUCCESS')")
    assert silent == []
    gaps = sql(
        """
        SELECT shop, count(*)
        FROM (SELECT DISTINCT source, resource, shop FROM ingestion_windows) AS streams,
             unnest(ingestion_coverage(source, resource, shop, '0')) AS covered
        GROUP BY source, resource, shop
        HAVING count(*) <> 1
        """
    )
    assert gaps == []


def assert_same(stored: dict[str, Any], expected: dict[str, Any]) -> None:
    """Compare records by their ids; say briefly what differs."""
    missing, strange = sorted(expected.keys() - stored.keys()), sorted(stored.keys() - expected.keys())
    assert (len(missing), missing[:3], len(strange), strange[:3]) == (0, [], 0, [])
    for identifier, record in expected.items():
        assert stored[identifier] == record, identifier


def as_json(text: str) -> Any:
    """Read JSON without losing digits."""
    return json.loads(text, parse_float=Decimal)
