"""The lines of an invoice (docs/invoices.md has an example). Arithmetic is exact under `shares.EXACT` alone."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from service.ingestion.fullbay.fields import Fields
from service.ingestion.fullbay.shares import share, to_cents

PART, LABOR, SUPPLIES, MISC = "PART", "LABOR", "SHOP SUPPLIES", "MISC"

ZERO = Decimal()
# The charges that an invoice has one total each for. `mileageTotal` is none: it counts miles as `laborHoursTotal`
# counts hours, and the top of an invoice tells no costs of the shop (`partsCostTotal` is not there either).
_CHARGES = {
    "suppliesTotal": (SUPPLIES, "Shop supplies"),
    "serviceCallTotal": (MISC, "Service call"),
    "mileageCostTotal": (MISC, "Mileage"),
    "subletLaborTotal": (MISC, "Sublet labor"),
}


class Line(NamedTuple):
    """One line, named as the columns of `fullbay_line_items`."""

    line_type: str
    total: Decimal
    description: str | None = None
    complaint_id: str | None = None
    correction_id: str | None = None
    part_id: str | None = None
    technician: str | None = None
    technician_number: str | None = None
    portion: Decimal | None = None
    shop_part_number: str | None = None
    vendor_part_number: str | None = None
    part_category: str | None = None
    labor_rate: str | None = None
    quantity: Decimal | None = None
    hours: Decimal | None = None
    unit_price: Decimal | None = None
    unit_cost: Decimal | None = None
    taxable: bool | None = None


class Technician(NamedTuple):
    """Somebody with a portion of a complaint, in percent."""

    name: str | None
    number: str | None
    portion: Decimal


def technicians_of(complaint: Fields) -> list[Technician]:
    """Return those who did the work of a complaint and have a part in its money."""
    assigned = [
        Technician(one.name("technician"), one.name("technicianNumber"), one.amount("portion") or ZERO)
        for one in complaint.each("AssignedTechnicians")
    ]
    return [technician for technician in assigned if technician.portion > 0]


def lines_of_correction(complaint: Fields, correction: Fields, technicians: list[Technician]) -> list[Line]:
    """Return a line for each part and each technician, and for the labor of each technician."""
    complaint_id, correction_id = complaint.name("primaryKey"), correction.name("primaryKey")
    wholes = [_part(part) for part in correction.each("Parts")] + _labor(complaint, correction)
    return [
        line._replace(complaint_id=complaint_id, correction_id=correction_id)
        for whole in wholes
        for line in _shared(whole, technicians)
    ]


def _part(part: Fields) -> Line:
    quantity = (part.amount("quantity") or ZERO) - (part.amount("returnedQuantity") or ZERO)
    price = part.amount("sellingPrice")
    return Line(
        PART,
        to_cents((price or ZERO) * quantity),
        part.prose("description"),
        part_id=part.name("primaryKey"),
        shop_part_number=part.name("shopPartNumber"),
        vendor_part_number=part.name("vendorPartNumber"),
        part_category=part.name("partCategory"),
        quantity=quantity,
        unit_price=price,
        unit_cost=part.amount("cost"),
        taxable=part.flag("taxable"),
    )


def _labor(complaint: Fields, correction: Fields) -> list[Line]:
    total, hours = money(correction, "laborTotal"), correction.amount("laborHoursTotal")
    if not total and not hours:
        return []
    taxable = complaint.flag("laborTaxable")
    whole = Line(
        LABOR,
        total,
        correction.prose("title") or correction.prose("actualCorrection") or correction.prose("recommendedCorrection"),
        labor_rate=correction.name("laborRate") or complaint.name("laborRate"),
        hours=hours,
        taxable=correction.flag("taxable") if taxable is None else taxable,
    )
    return [whole]


def _shared(whole: Line, technicians: list[Technician]) -> list[Line]:
    """Return the line once for each technician, with that one's share of the money and the hours."""
    if not technicians:
        return [whole]
    totals = share(whole.total, [technician.portion for technician in technicians])
    return [
        whole._replace(
            total=total,
            hours=None if whole.hours is None else (whole.hours * technician.portion).scaleb(-2),
            technician=technician.name,
            technician_number=technician.number,
            portion=technician.portion,
        )
        for technician, total in zip(technicians, totals, strict=True)
    ]


def misc_charges(invoice: Fields) -> list[Line]:
    """Return the charges that the service order lists, or one line of their total where it lists none."""
    listed = [_misc_charge(charge) for charge in invoice.inner("ServiceOrder").each("MiscCharges")]
    total = money(invoice, "miscChargeTotal")
    return listed or ([Line(MISC, total, "Misc charges")] if total else [])


def _misc_charge(charge: Fields) -> Line:
    amount, quantity, rate = charge.amount("amount"), charge.amount("quantity"), charge.amount("rate")
    return Line(
        MISC,
        to_cents((quantity or ZERO) * (rate or ZERO) if amount is None else amount),
        charge.prose("description"),
        quantity=quantity,
        unit_price=rate,
        taxable=charge.flag("taxable"),
    )


def other_charges(invoice: Fields) -> list[Line]:
    """Return a line for each total that is not zero and belongs to no correction."""
    lines = [Line(kind, money(invoice, name), description) for name, (kind, description) in _CHARGES.items()]
    return [line for line in lines if line.total]


def money(fields: Fields, name: str) -> Decimal:
    """Return a total to the cent. One that is missing is nothing, so that its lines are a difference."""
    return to_cents(fields.amount(name) or ZERO)


def total_of(lines: list[Line], line_type: str | None = None) -> Decimal:
    """Return the sum of all lines, or of those of one type."""
    return sum((line.total for line in lines if line_type in (None, line.line_type)), ZERO)
