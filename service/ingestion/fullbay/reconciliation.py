"""What of an invoice's totals its lines do not explain.

A difference is what remains of a total when its lines are taken away. It is recorded and never put into a line: a line
says what the invoice says, and no more.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import NamedTuple

from service.ingestion.fullbay.fields import Fields
from service.ingestion.fullbay.lines import (
    LABOR,
    PART,
    ZERO,
    Line,
    Technician,
    lines_of_correction,
    misc_charges,
    money,
    other_charges,
    technicians_of,
    total_of,
)
from service.ingestion.fullbay.shares import EXACT


class Difference(NamedTuple):
    """A total that its lines do not add up to, named as the columns of `fullbay_invoice_differences`."""

    path: str
    complaint_id: str | None
    correction_id: str | None
    total_name: str
    expected: Decimal
    found: Decimal
    difference: Decimal
    portions: Decimal | None


class Reconciled(NamedTuple):
    """An invoice as lines, and the totals that are not theirs. `difference` is `subTotal` minus all lines."""

    lines: list[Line]
    differences: list[Difference]
    difference: Decimal


def reconcile(invoice: Fields) -> Reconciled:
    """Make the lines of an invoice, and compare them with its totals. Raises `Rejected`."""
    lines: list[Line] = []
    differences: list[Difference] = []
    with localcontext(EXACT):
        for complaint in invoice.inner("ServiceOrder").each("Complaints"):
            technicians = technicians_of(complaint)
            for correction in complaint.each("Corrections"):
                made = lines_of_correction(complaint, correction, technicians)
                differences += _of_correction(complaint, correction, technicians, made)
                lines += made
        misc = misc_charges(invoice)
        lines += [*misc, *other_charges(invoice)]
        sub_total = _difference(invoice, "subTotal", total_of(lines))
        differences += [
            _difference(invoice, "partsTotal", total_of(lines, PART)),
            _difference(invoice, "laborTotal", total_of(lines, LABOR)),
            _difference(invoice, "miscChargeTotal", total_of(misc)),
            sub_total,
            _difference(invoice, "total", total_of(lines) + money(invoice, "taxTotal")),
        ]
    return Reconciled(lines, [one for one in differences if one.difference], sub_total.difference)


def _of_correction(
    complaint: Fields, correction: Fields, technicians: list[Technician], lines: list[Line]
) -> list[Difference]:
    portions = sum((technician.portion for technician in technicians), ZERO) if technicians else None
    return [
        _difference(correction, name, total_of(lines, line_type))._replace(
            complaint_id=complaint.name("primaryKey"), correction_id=correction.name("primaryKey"), portions=portions
        )
        for name, line_type in (("partsTotal", PART), ("laborTotal", LABOR))
    ]


def _difference(fields: Fields, name: str, found: Decimal) -> Difference:
    expected = money(fields, name)
    return Difference(fields.path, None, None, name, expected, found, expected - found, None)
