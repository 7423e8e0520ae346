"""A thousand invoices of the Fullbay stand-in: every one is stored, and adds up with its differences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date
from fractions import Fraction
from typing import Any

from service.ingestion.fullbay.invoice_records import Invoices
from service.ingestion.records import Outcome
from tests.fullbay.invoices import invoice
from tests.ingestion.invoices import model
from tests.ingestion.invoices.conftest import STREAM
from tests.ingestion.invoices.samples import document_of


def test_a_thousand_invoices_add_up(begin: Callable[[], Any]) -> None:
    sent = [document_of(invoice(7, "north", number, date(2026, 3, 4))) for number in range(1000)]
    rows = [Invoices().read(document) for document in sent]
    with begin() as cursor:
        for at in range(0, 1000, 200):
            assert Invoices().store(cursor, STREAM, rows[at : at + 200]) == Outcome(inserted=200)
        for at in range(0, 1000, 250):
            assert Invoices().store(cursor, STREAM, rows[at : at + 250]) == Outcome(unchanged=250)
        cursor.execute(
            """
            SELECT fullbay_id, line_type, line.total, hours
            FROM fullbay_line_items AS line JOIN fullbay_invoices AS i ON i.id = invoice_id
            WHERE i.shop = 'north'
            """
        )
        lines = Counter(
            (invoice_id, kind, Fraction(total), hours and Fraction(hours)) for invoice_id, kind, total, hours in cursor
        )
        cursor.execute(
            """
            SELECT fullbay_id, path, total_name, d.difference
            FROM fullbay_invoice_differences AS d JOIN fullbay_invoices AS i ON i.id = invoice_id
            WHERE shop = 'north'
            """
        )
        differences = {row[:3]: Fraction(row[3]) for row in cursor}
    expected_lines: Counter[Any] = Counter()
    expected_differences = {}
    for document in sent:
        value = document.value
        for line in model.lines_of(value):
            expected_lines[value["primaryKey"], line.kind, line.total, line.hours] += 1
        expected_differences |= {
            (value["primaryKey"], *where): difference for where, difference in model.differences_of(value).items()
        }
    assert lines == expected_lines
    assert differences == expected_differences
