"""The lines of an invoice and what they leave over."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings

from service.ingestion.fullbay.fields import Fields
from service.ingestion.fullbay.lines import Line
from service.ingestion.fullbay.reconciliation import Difference, Reconciled, reconcile
from tests.ingestion.invoices import model
from tests.ingestion.invoices.samples import (
    a_part,
    an_invoice,
    complaint_of,
    correction_of,
    document_of,
    invoices,
    read,
)

many = settings(max_examples=300, deadline=None)


def reconciled(invoice: dict[str, Any]) -> Reconciled:
    return reconcile(Fields(document_of(invoice).value))


def lines(invoice: dict[str, Any], line_type: str) -> list[Line]:
    return [line for line in reconciled(invoice).lines if line.line_type == line_type]


def totals(found: list[Line]) -> list[Decimal]:
    return [line.total for line in found]


def differences(invoice: dict[str, Any]) -> dict[tuple[str, str], Decimal]:
    return {(one.path, one.total_name): one.difference for one in reconciled(invoice).differences}


def exact(value: Decimal | None) -> Fraction | None:
    return None if value is None else Fraction(value)


@given(invoices)
@many
def test_the_lines_are_those_of_the_model(invoice: dict[str, Any]) -> None:
    places = {path: at for at, (path, _) in enumerate(model.corrections_of(invoice))}
    marked = [correction | {"primaryKey": f"{places[path]}"} for path, correction in model.corrections_of(invoice)]
    renamed = iter(marked)
    for complaint in (invoice.get("ServiceOrder") or {}).get("Complaints") or []:
        complaint["Corrections"] = [next(renamed) for _ in complaint["Corrections"] or []]
    found = [
        model.ModelLine(
            line.line_type,
            None if line.correction_id is None else int(line.correction_id),
            line.technician,
            Fraction(line.total),
            exact(line.quantity) if line.line_type != "LABOR" else None,
            exact(line.hours),
        )
        for line in reconciled(invoice).lines
    ]
    assert Counter(found) == Counter(model.lines_of(invoice))


@given(invoices)
@many
def test_the_differences_are_those_of_the_model(invoice: dict[str, Any]) -> None:
    found = {where: Fraction(difference) for where, difference in differences(invoice).items()}
    assert found == model.differences_of(invoice)


@given(invoices)
@many
def test_lines_and_differences_are_the_totals_of_each_correction_and_of_the_invoice(invoice: dict[str, Any]) -> None:
    """The promise itself, on what is written to the tables."""
    corrections = model.corrections_of(invoice)
    for at, (_, correction) in enumerate(corrections):
        correction["primaryKey"] = f"at {at}"  # ids may stand twice
    row = read(invoice)
    written = json.loads(row.lines), json.loads(row.differences)
    for path, correction in corrections:
        mine = [Fraction(line["total"]) for line in written[0] if line["correction_id"] == correction["primaryKey"]]
        left = [Fraction(one["difference"]) for one in written[1] if one["path"] == path]
        expected = sum(model.cents(model.number(correction[name])) for name in ("partsTotal", "laborTotal"))
        assert sum(mine) + sum(left) == expected
    everything = sum(Fraction(line["total"]) for line in written[0])
    (left_over,) = [Fraction(one["difference"]) for one in written[1] if one["total_name"] == "subTotal"] or [0]
    assert everything + left_over == model.cents(model.number(invoice.get("subTotal")))
    assert Fraction(json.loads(row.row)["difference"]) == left_over
    assert all(Fraction(line["total"]) % model.CENT == 0 for line in written[0])


def test_an_invoice_that_adds_up_has_no_difference() -> None:
    found = reconciled(an_invoice())
    assert found.differences == []
    assert found.difference == 0
    assert [(line.line_type, line.total, line.description) for line in found.lines] == [
        ("PART", Decimal("20.00"), "Pad"),
        ("PART", Decimal("25.00"), "Pad"),
        ("LABOR", Decimal("300.00"), "Brakes"),
        ("MISC", Decimal("4.73"), "Misc charges"),
        ("SHOP SUPPLIES", Decimal("7.50"), "Shop supplies"),
        ("MISC", Decimal("24.00"), "Mileage"),
    ]


def test_a_line_has_all_that_is_told_of_it() -> None:
    invoice = an_invoice(portions=["60.0"])
    complaint_of(invoice)["laborTaxable"] = "No"
    part = {"shopPartNumber": 5, "vendorPartNumber": "V", "partCategory": "Brakes", "taxable": "Yes"}
    correction_of(invoice)["Parts"] = [a_part(quantity="4", returnedQuantity=1.5, **part)]
    found = {line.line_type: line for line in reconciled(invoice).lines}
    origin = {"complaint_id": "21", "correction_id": "31", "technician": "Ada Quill", "technician_number": "0"}
    assert found["PART"]._asdict() == {
        **dict.fromkeys(Line._fields),
        **origin,
        "line_type": "PART",
        "total": Decimal("15.00"),
        "description": "Pad",
        "part_id": "900",
        "portion": Decimal(60),
        "shop_part_number": "5",
        "vendor_part_number": "V",
        "part_category": "Brakes",
        "quantity": Decimal("2.5"),
        "unit_price": 10,
        "unit_cost": 6,
        "taxable": True,
    }
    assert found["LABOR"]._asdict() == {
        **dict.fromkeys(Line._fields),
        **origin,
        "line_type": "LABOR",
        "total": Decimal("180.00"),
        "description": "Brakes",
        "portion": Decimal(60),
        "labor_rate": "Standard",
        "hours": Decimal("1.5"),
        "taxable": False,
    }


@pytest.mark.parametrize(
    ("portions", "shares", "left"),
    [
        ([100], ["300.00"], "0"),
        ([50, "50"], ["150.00", "150.00"], "0"),
        ([33.33, 33.33, 33.33], ["100.00", "100.00", "100.00"], "0"),
        (["60.00", "25"], ["180.00", "75.00"], "45.00"),
        ([70, 50], ["210.00", "150.00"], "-60.00"),
        ([0, 100, None, ""], ["300.00"], "0"),
        ([], ["300.00"], "0"),
        ([0, "-5"], ["300.00"], "0"),
    ],
    ids=str,
)
def test_portions_are_of_a_hundred_and_what_they_leave_is_a_difference(
    portions: list[Any], shares: list[str], left: str
) -> None:
    invoice = an_invoice(portions=portions)
    correction_of(invoice)["Parts"] = []
    correction_of(invoice)["partsTotal"] = 0
    assert totals(lines(invoice, "LABOR")) == [Decimal(share) for share in shares]
    found = [one for one in reconciled(invoice).differences if one.path]
    assert sum(one.difference for one in found) == Decimal(left)
    assert [one.portions for one in found] == ([sum(Decimal(str(one)) for one in portions)] if found else [])


def test_the_rest_of_a_division_goes_to_the_largest_portion() -> None:
    invoice = an_invoice(portions=[20, 40, 40])
    correction_of(invoice)["laborTotal"] = "0.01"
    assert totals(lines(invoice, "LABOR")) == [Decimal("0.00"), Decimal("0.01"), Decimal("0.00")]


@pytest.mark.parametrize(
    ("hours", "labor", "number"),
    [(2, 0, 1), (0, "99.00", 1), (None, "99.00", 1), (0, 0, 0), ("", None, 0), (-1, "-80", 1)],
    ids=["no charge", "flat rate", "flat rate without hours", "none", "nothing", "credit"],
)
@pytest.mark.parametrize("portions", [[], [100]], ids=["without technician", "with technician"])
def test_there_is_labor_where_there_are_hours_or_money(hours: Any, labor: Any, number: int, portions: Any) -> None:
    invoice = an_invoice(portions=portions)
    correction_of(invoice).update(laborHoursTotal=hours, laborTotal=labor)
    assert len(lines(invoice, "LABOR")) == number


def test_hours_keep_every_digit() -> None:
    invoice = an_invoice(portions=[50, "12.5"])
    correction_of(invoice)["laborHoursTotal"] = Decimal("1.2622222222222221")
    assert [line.hours for line in lines(invoice, "LABOR")] == [
        Decimal("0.63111111111111105"),
        Decimal("0.1577777777777777625"),
    ]


@pytest.mark.parametrize(
    ("part", "quantity", "total"),
    [
        ({"quantity": 3, "returnedQuantity": None}, "3", "30.00"),
        ({"quantity": 3, "returnedQuantity": 3}, "0", "0.00"),
        ({"quantity": "-2", "returnedQuantity": ""}, "-2", "-20.00"),
        ({"quantity": 1, "returnedQuantity": 2}, "-1", "-10.00"),
        ({"quantity": 2, "sellingPrice": 0}, "2", "0.00"),
        ({"quantity": 2, "sellingPrice": ""}, "2", "0.00"),
        ({"quantity": "0.5", "sellingPrice": "0.01"}, "0.5", "0.01"),
        ({"quantity": "-0.5", "sellingPrice": "0.01"}, "-0.5", "-0.01"),
        ({"quantity": None, "sellingPrice": 5}, "0", "0.00"),
    ],
    ids=str,
)
def test_a_part_is_its_price_times_what_was_not_returned(part: dict[str, Any], quantity: str, total: str) -> None:
    invoice = an_invoice(portions=[])
    correction_of(invoice)["Parts"] = [a_part(**part)]
    (line,) = lines(invoice, "PART")
    assert (line.quantity, line.total, line.portion) == (Decimal(quantity), Decimal(total), None)


def test_charges_are_listed_one_by_one_where_the_service_order_lists_them() -> None:
    invoice = an_invoice(miscChargeTotal=10, subTotal=386.23, total=390.04)
    invoice["ServiceOrder"]["MiscCharges"] = [
        {"description": "Surcharge", "quantity": 1, "rate": 4.73, "amount": "4.73", "taxable": "No"},
        {"description": "Freight", "quantity": 2, "rate": "2.50", "amount": None},
        {"description": "Waived", "quantity": 1, "rate": 5, "amount": "0.00"},
    ]
    found = reconciled(invoice)
    misc = [(line.description, line.total, line.taxable) for line in found.lines if line.line_type == "MISC"]
    assert misc == [
        ("Surcharge", Decimal("4.73"), False),
        ("Freight", Decimal("5.00"), None),
        ("Waived", Decimal("0.00"), None),
        ("Mileage", Decimal("24.00"), None),
    ]
    assert found.differences == [
        Difference("", None, None, "miscChargeTotal", Decimal(10), Decimal("9.73"), Decimal("0.27"), None)
    ]


@pytest.mark.parametrize(
    ("name", "line_type", "description"),
    [
        ("suppliesTotal", "SHOP SUPPLIES", "Shop supplies"),
        ("miscChargeTotal", "MISC", "Misc charges"),
        ("serviceCallTotal", "MISC", "Service call"),
        ("mileageCostTotal", "MISC", "Mileage"),
        ("subletLaborTotal", "MISC", "Sublet labor"),
    ],
)
@pytest.mark.parametrize("value", ["-12.50", 0, None])
def test_each_charge_that_is_not_zero_is_a_line(name: str, line_type: str, description: str, value: Any) -> None:
    found = reconciled({"primaryKey": "1", name: value, "subTotal": value, "total": value})
    assert [(line.line_type, line.description, line.total) for line in found.lines] == (
        [(line_type, description, Decimal("-12.50"))] if value else []
    )
    assert found.differences == []


def test_a_total_that_is_missing_makes_its_lines_a_difference() -> None:
    invoice = an_invoice()
    for name in ("partsTotal", "laborTotal"):
        del correction_of(invoice)[name]
    where = "ServiceOrder.Complaints[0].Corrections[0]"
    assert differences(invoice) == {
        (where, "partsTotal"): Decimal("-45.00"),
        ("", "laborTotal"): Decimal("300.00"),
        ("", "subTotal"): Decimal("300.00"),
        ("", "total"): Decimal("300.00"),
    }


def test_the_noise_of_binary_fractions_is_no_difference() -> None:
    invoice = an_invoice()
    correction_of(invoice)["partsTotal"] = 45.00000000000001
    invoice["subTotal"] = 381.22999999999996
    assert differences(invoice) == {}
