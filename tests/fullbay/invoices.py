"""Invoices that nobody ever got, with every oddity of the real ones (see `invoice`)."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from tests.fullbay.resources import MAKES, MODELS, THINGS, Fields, company, vin

FIRST_ID = 7_000_000
TECHNICIANS = ["Ada Quill", "Bo Tran", "Cy Marlow", "Dee Okafor", "Eli Sørensen", ""]
JOBS = ["Replace brake pads", "Oil service", "Annual inspection", "Diagnose no-start", "Weld bracket"]
PORTIONS: list[list[Any]] = [
    [],
    [100],
    ["100"],
    [50, 50],
    ["50", "50"],
    [33.33, 33.33, 33.33],
    ["60.00", "25"],
    [70, 50],
    [0, 100],
    ["", 100],
    [None, "100"],
]


def invoice(seed: int, shop: str, number: int, day: date) -> Fields:
    """Return an invoice as the source sends it.

    Odd on purpose: credits (all amounts negative) and returned parts, null for arrays and objects, "" for dates, ids
    and money now as numbers and now as text, hours with 16 digits, portions that do not add up to 100 or are text, ""
    or null, lines without a price, totals of a correction that its lines do not reach, three invoices for one order.
    """
    draw = random.Random(f"{seed} {shop} {number}")
    sign = -1 if draw.random() < 0.06 else 1
    order = number // 3 if number % 7 == 0 else number
    complaints = [_complaint(draw, number * 10 + at, sign) for at in range(draw.choice([1, 1, 1, 2, 3]))]
    totals = {name: _sum(complaints, name) for name in ("laborTotal", "partsTotal", "partsCostTotal")}
    misc = {name: _seldom(draw, sign) for name in ("miscChargeTotal", "serviceCallTotal", "mileageTotal")}
    misc |= {name: _seldom(draw, sign) for name in ("mileageCostTotal", "subletLaborTotal", "suppliesTotal")}
    charges = sum((amount for name, amount in misc.items() if name != "mileageTotal"), Decimal())  # those are miles
    subtotal = totals["laborTotal"] + totals["partsTotal"] + charges
    tax = (subtotal * 8 / 100).quantize(Decimal("0.01"))
    customer = draw.randrange(200)
    name = company(customer)
    person = {"customerId": _id(draw, 2_000_000 + customer), "title": name, "externalId": draw.choice(["", None, "X1"])}
    raw: Fields = {
        "primaryKey": str(FIRST_ID + number),
        "exported": draw.choice(["0", "1"]),
        "invoiceDate": day.isoformat(),
        "dueDate": draw.choice(["", None, (day + timedelta(days=30)).isoformat()]),
        "invoiceNumber": f"{shop[:3].upper()}{number:06d}" if draw.random() < 0.9 else number,
        "customerTitle": name,
        "customerBillingEmployee": draw.choice(["", "Accounts"]),
        "customerBillingEmail": f"billing-{customer}@example.com",
        "customerBillingAddress": None if draw.random() < 0.1 else f"{customer} Example Road",
        "Customer": None if draw.random() < 0.05 else person | {"mainPhone": "555-0100", "secondaryPhone": ""},
        "shopTitle": f"Shop {shop}",
        "shopEmail": f"{shop}@example.com",
        "shopPhysicalAddress": "1 Example Way",
        "laborHoursTotal": _hours(draw, sum(one["laborHoursTotal"] or 0 for one in complaints)),
        "subTotal": subtotal,
        "taxTotal": tax,
        "total": subtotal + tax,
        "balance": Decimal() if draw.random() < 0.5 else subtotal + tax,
        "TaxInformation": draw.choice([None, {"taxTitle": "State", "taxRate": "8", "TaxLineInformation": None}]),
        "taxRate": draw.choice(["8.0000", 8]),
        "quickBooksId": draw.choice(["", None, "1B2-3"]),
        "promise": "",
        "ServiceOrder": _service_order(draw, order, complaints, person, name) if draw.random() > 0.02 else None,
    }
    spelled: Fields = _spelled(raw | totals | misc, draw)
    return spelled


def _service_order(draw: random.Random, order: int, complaints: list[Fields], person: Fields, name: str) -> Fields:
    year = draw.randrange(1994, 2028)
    unit = {
        "customerUnitId": _id(draw, 4_000_000 + order),
        "number": draw.choice(["T12", 7, ""]),
        "nickname": "",
        "type": "Truck",
        "subType": None,
        "year": draw.choice([year, str(year)]),
        "make": draw.choice(MAKES),
        "model": draw.choice(MODELS),
        "vin": vin(draw.getrandbits(80)),
        "licensePlate": draw.choice(["", f"A{order}"]),
    }
    return {
        "primaryKey": _id(draw, 5_000_000 + order),
        "repairOrderNumber": draw.choice([str(order), order]),
        "technician": draw.choice(TECHNICIANS),
        "technicianNumber": draw.choice(["", "12", 12]),
        "partsManager": draw.choice(["", None, "Flo Reyes"]),
        "customerAuthorizedOnHoursOnly": draw.choice(["Yes", "No", ""]),
        "Customer": person | {"title": name},
        "Unit": None if draw.random() < 0.03 else unit,
        "description": draw.choice(["", "Comes in on a hook", "Drücken; 点検"]),
        "poNumber": draw.choice(["", None, "PO 9"]),
        "authorizationNumber": "",
        "laborHoursTotal": _hours(draw, 1),
        "actualHoursTotal": "",
        "laborTotal": _sum(complaints, "laborTotal"),
        "partsTotal": _sum(complaints, "partsTotal"),
        "Complaints": None if draw.random() < 0.03 else complaints,
    }


def _complaint(draw: random.Random, number: int, sign: int) -> Fields:
    corrections = [_correction(draw, number * 10 + at, sign) for at in range(draw.choice([0, 1, 1, 1, 2]))]
    technicians = [
        {
            "primaryKey": number * 10 + at,
            "technician": TECHNICIANS[at] if draw.random() < 0.95 else None,
            "technicianNumber": draw.choice(["", at, str(at)]),
            "actualHours": _hours(draw, 1),
            "portion": portion,
        }
        for at, portion in enumerate(draw.choice(PORTIONS))
    ]
    hours = sum(one["laborHoursTotal"] or 0 for one in corrections)
    return {
        "primaryKey": number,  # a number here, text in the correction
        "type": draw.choice(["Repair", "PM", ""]),
        "subType": None,
        "authorized": draw.choice(["Yes", "No", ""]),
        "severity": draw.choice(["", "High"]),
        "note": draw.choice(JOBS),
        "cause": "",
        "causeType": None,
        "laborHoursTotal": _hours(draw, hours),
        "actualHoursTotal": draw.choice(["", None, hours]),
        "laborTotal": _sum(corrections, "laborTotal"),
        "partsCostTotal": _sum(corrections, "partsCostTotal"),
        "partsTotal": _sum(corrections, "partsTotal"),
        "laborTaxable": draw.choice(["Yes", "No", ""]),
        "sublet": draw.choice(["No", ""]),
        "AssignedTechnicians": technicians or _nothing(draw),
        "Corrections": corrections or _nothing(draw),
    }


def _correction(draw: random.Random, number: int, sign: int) -> Fields:
    parts = [_part(draw, number * 10 + at, sign) for at in range(draw.choice([0, 1, 2, 3, 6]))]
    sold = [part["sellingPrice"] * (part["quantity"] - (part["returnedQuantity"] or 0)) for part in parts]
    total = sum(sold, Decimal()).quantize(Decimal("0.01"))
    adrift = draw.choice([1, -3, 250]) if draw.random() < 0.08 else 0  # cents that the lines do not reach
    labor = sign * Decimal(draw.randrange(0, 90_000)).scaleb(-2) if draw.random() < 0.8 else Decimal()
    return {
        "primaryKey": str(number),
        "globalComponent": draw.choice(["Brakes", "Engine", ""]),
        "globalSystem": "",
        "globalService": None,
        "unitService": "",
        "laborRate": draw.choice(["Standard", "Flat Rate", None]),
        "title": draw.choice(JOBS),
        "recommendedCorrection": "",
        "actualCorrection": draw.choice(["Done", "", None]),
        "correctionPerformed": draw.choice(["Yes", "No", ""]),
        "preAuthorized": "",
        "prePaid": draw.choice(["No", ""]),
        "laborHoursTotal": _hours(draw, round(draw.random() * 6, 2)) if labor else draw.choice([0, None]),
        "laborTotal": labor,
        "taxable": draw.choice(["Yes", "No"]),
        "partsCostTotal": sum((part["cost"] * part["quantity"] for part in parts), Decimal()).quantize(Decimal("0.01")),
        "partsTotal": total + Decimal(adrift).scaleb(-2),
        "created": draw.choice(["", "2026-01-15 10:30:00"]),
        "Parts": parts or _nothing(draw),
    }


def _part(draw: random.Random, number: int, sign: int) -> Fields:
    cost = Decimal(draw.randrange(0, 40_000)).scaleb(-2)
    quantity = Decimal(draw.choice(["1", "2", "12", "0.5", "7.25"])) * sign
    returned = draw.choice([None, Decimal(), quantity, Decimal(1)]) if draw.random() < 0.3 else Decimal()
    return {
        "primaryKey": _id(draw, number),
        "description": draw.choice(THINGS),
        "shopPartNumber": f"P-{draw.randrange(9999)}",
        "vendorPartNumber": draw.choice(["", None, "V/7"]),
        "partCategory": draw.choice(["", "Brakes"]),
        "quantity": quantity,
        "toBeReturnedQuantity": draw.choice(["", 0, None]),
        "returnedQuantity": returned,
        "cost": cost,
        "sellingPrice": Decimal() if draw.random() < 0.08 else (cost * 14 / 10).quantize(Decimal("0.01")),
        "sellingPriceOverridden": draw.choice(["Yes", "No", ""]),
        "taxable": draw.choice(["Yes", "No", ""]),
        "inventory": draw.choice(["Yes", ""]),
        "coreType": draw.choice(["", None, "Core"]),
        "sublet": "No",
        "quickBooksAccount": "",
    }


def _nothing(draw: random.Random) -> list[Any] | None:
    return None if draw.random() < 0.5 else []


def _id(draw: random.Random, number: int) -> Any:
    return number if draw.random() < 0.3 else str(number)


def _hours(draw: random.Random, hours: float) -> Any:
    return hours + 0.1 + 0.2 - 0.3 if draw.random() < 0.2 else hours  # 5.55e-17 more: 16 digits


def _seldom(draw: random.Random, sign: int) -> Decimal:
    return sign * Decimal(draw.randrange(0, 9000)).scaleb(-2) if draw.random() < 0.25 else Decimal()


def _sum(ones: list[Fields], name: str) -> Decimal:
    return sum((one[name] for one in ones), Decimal())


def _spelled(value: Any, draw: random.Random) -> Any:
    """Write each amount as a number or as text."""
    if isinstance(value, dict):
        return {name: _spelled(member, draw) for name, member in value.items()}
    if isinstance(value, list):
        return [_spelled(member, draw) for member in value]
    if isinstance(value, Decimal):
        return str(value) if draw.random() < 0.5 else float(value)
    return value
