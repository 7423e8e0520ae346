"""Invoices to store in tests: one by hand, and any that Fullbay could send."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from service.documents import Document, parse
from service.ingestion.fullbay.invoice_records import Invoice, Invoices
from service.ingestion.records import Rejected


def dumps(value: Any) -> str:
    """Return JSON in which a Decimal is a number with all its digits."""
    if isinstance(value, dict):
        return f"{{{','.join(f'{json.dumps(key)}:{dumps(member)}' for key, member in value.items())}}}"
    if isinstance(value, list):
        return f"[{','.join(map(dumps, value))}]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value)


def document_of(invoice: Any) -> Document:
    """Return an invoice as the engine gives it to the resource."""
    return parse(dumps(invoice))


def read(invoice: Any) -> Invoice:
    """Return the row of an invoice. Raises `Rejected`, as the engine does, where JSON holds what cannot be stored."""
    document = document_of(invoice)
    for violation in document.violations:
        raise Rejected(violation["path"], violation["message"])
    return Invoices().read(document)


def a_part(**changes: Any) -> dict[str, Any]:
    """Return a part."""
    return {"primaryKey": "900", "description": "Pad", "quantity": 1, "sellingPrice": 10, "cost": 6} | changes


def an_invoice(invoice_id: Any = "1", *, portions: list[Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return an invoice that adds up: two parts, labor, supplies and a charge; for technicians with these portions."""
    names = ("Ada Quill", "Bo Tran", "Cy Marlow", "Dee Okafor", "Eli Sand", "Flo Reyes", "Gus Oak")
    technicians = [
        {"primaryKey": str(at), "technician": names[at], "technicianNumber": at, "portion": portion}
        for at, portion in enumerate([100] if portions is None else portions)
    ]
    correction = {
        "primaryKey": "31",
        "title": "Brakes",
        "laborRate": "Standard",
        "laborHoursTotal": 2.5,
        "laborTotal": "300.00",
        "partsTotal": 45,
        "taxable": "Yes",
        "Parts": [a_part(quantity=2), a_part(primaryKey=901, quantity="3", returnedQuantity=1, sellingPrice="12.50")],
    }
    invoice = {
        "primaryKey": invoice_id,
        "exported": "1",
        "invoiceDate": "2026-03-04",
        "dueDate": "",
        "invoiceNumber": 2389,
        "customerTitle": "Example Haulage",
        "Customer": {"customerId": 77, "title": "Example"},
        "shopTitle": "Shop North",
        "miscChargeTotal": 4.73,
        "serviceCallTotal": 0,
        "mileageTotal": 12,
        "mileageCostTotal": "24.00",
        "partsTotal": "$45.00",
        "laborHoursTotal": 2.5,
        "laborTotal": 300,
        "subletLaborTotal": None,
        "suppliesTotal": 7.5,
        "subTotal": 381.23,
        "taxTotal": "3.81",
        "total": 385.04,
        "balance": "",
        "ServiceOrder": {
            "primaryKey": "500",
            "repairOrderNumber": 3583,
            "Unit": {"customerUnitId": "7", "year": "2019", "mileage": Decimal("1.2622222222222221")},
            "MiscCharges": None,
            "Complaints": [
                {
                    "primaryKey": 21,
                    "laborTaxable": "",
                    "AssignedTechnicians": technicians or None,
                    "Corrections": [correction],
                }
            ],
        },
    }
    return invoice | changes


def complaint_of(invoice: dict[str, Any]) -> dict[str, Any]:
    """Return the first complaint, to change it."""
    found: dict[str, Any] = invoice["ServiceOrder"]["Complaints"][0]
    return found


def correction_of(invoice: dict[str, Any]) -> dict[str, Any]:
    """Return the first correction, to change it."""
    found: dict[str, Any] = complaint_of(invoice)["Corrections"][0]
    return found


def _spelled(number: Decimal) -> st.SearchStrategy[Any]:
    signed = f"{'-' if number < 0 else ''}${abs(number):,f}"
    spellings: list[Any] = [number, number, str(number) if "E" not in str(number) else number, signed]
    if number < 0:
        spellings.append(f"({abs(number):f})")
    if not number:
        spellings += [None, "", 0]
    return st.sampled_from(spellings)


def numbers(low: int, high: int, places: int) -> st.SearchStrategy[Any]:
    """Return amounts in every spelling."""
    return st.integers(low * 10**places, high * 10**places).flatmap(lambda n: _spelled(Decimal(n).scaleb(-places)))


money = st.one_of(numbers(-3000, 3000, 2), st.sampled_from([None, "", 0, "0.00"]))
odd_money = st.one_of(money, numbers(-100, 100, 4))
hours = st.one_of(st.sampled_from([None, "", 0, 2.5, Decimal("1.2622222222222221")]), numbers(-9, 9, 16))
quantities = st.one_of(st.integers(-3, 12), numbers(-20, 20, 3), st.sampled_from([None, ""]))
flags = st.sampled_from(["Yes", "No", "", None, True, False, "1", 0])
ids = st.one_of(st.integers(1, 9), st.integers(1, 9).map(str), st.none())
names = st.sampled_from(["Ada", "Bo", "", None, 12])

_portion_lists = st.one_of(
    st.sampled_from(
        [[], [100], ["100"], [50, 50], [33.33, "33.33", 33.33], [33, 33, 33], [16.67] * 6, [100, 100], [0, 100],
         [None], ["", "-5"], [70, 50], [Decimal("33.333333333333336")] * 3, [90], [0.01], [99.995], [99.99]]
    ),
    st.lists(st.one_of(st.integers(-10, 120), numbers(0, 100, 2), numbers(-1, 50, 14)), max_size=5),
)  # fmt: skip
technicians = st.one_of(
    st.sampled_from([None, "", []]),
    _portion_lists.flatmap(
        lambda portions: st.tuples(
            *(st.fixed_dictionaries({"technician": names, "portion": st.just(one)}) for one in portions)
        ).map(list)
    ),
)


def _some(of: st.SearchStrategy[Any], size: int) -> st.SearchStrategy[Any]:
    return st.one_of(st.sampled_from([None, []]), st.lists(of, max_size=size), st.lists(of, min_size=1, max_size=size))


parts = st.fixed_dictionaries(
    {"primaryKey": ids, "quantity": quantities, "sellingPrice": odd_money},
    optional={"returnedQuantity": quantities, "cost": money, "taxable": flags, "description": names},
)
corrections = st.fixed_dictionaries(
    {"primaryKey": ids, "laborTotal": odd_money, "partsTotal": odd_money, "laborHoursTotal": hours},
    optional={"Parts": _some(parts, 4), "title": names, "taxable": flags, "laborRate": names},
)
complaints = st.fixed_dictionaries(
    {"primaryKey": ids, "AssignedTechnicians": technicians, "Corrections": _some(corrections, 3)},
    optional={"laborTaxable": flags},
)
charges = st.fixed_dictionaries({}, optional={"amount": odd_money, "quantity": quantities, "rate": money})
orders = st.fixed_dictionaries(
    {"Complaints": _some(complaints, 3)}, optional={"MiscCharges": _some(charges, 2), "primaryKey": ids}
)
TOTALS = (
    "miscChargeTotal", "serviceCallTotal", "mileageTotal", "mileageCostTotal", "partsTotal", "laborTotal",
    "subletLaborTotal", "suppliesTotal", "subTotal", "taxTotal", "total", "balance",
)  # fmt: skip
invoices = st.fixed_dictionaries(
    {"primaryKey": st.one_of(st.integers(1, 10**9), st.integers(1, 10**9).map(str))},
    optional={
        **dict.fromkeys(TOTALS, odd_money),
        "laborHoursTotal": hours,
        "ServiceOrder": st.one_of(st.none(), orders, orders, orders),
        "invoiceDate": st.sampled_from(["", None, "2026-02-28"]),
        "exported": flags,
    },
)
