"""Work orders, customers and parts that nobody ever had: what each holds, and how the source spells it.

A record is first made in its normal form (ids as text, times in UTC, money as Decimal or None), which is the truth that
tests compare with, and then spelled as the source sends it. Both are functions of the seed and the record's number.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from tests.fullbay.draws import Draw
from tests.fullbay.spellings import cents, midnight, spell_amount, spell_id, spell_start, spell_time

Fields = dict[str, Any]

PLACES = ["Prairie", "Summit", "Copper Creek", "Harbor", "Juniper", "Red Mesa", "Lakeside", "Iron Ridge", "Nordfjörð"]
TRADES = ["Freight", "Haulage", "Cold Storage", "Gravel & Sand", "School Buses", "Dairy", "O'Leary Movers", "Timber"]
FORMS = ["LLC", "Inc.", "Co.", "& Söhne", "株式会社"]
MAKES = ["Ridgeline", "Oxbow", "Halberd", "Tamarack", "Corvane"]
MODELS = ["T-480", "Long Hauler", "M2 106", "Vocational", "9900ix"]
STATUSES = ["open", "in progress", "waiting for parts", "completed", "invoiced"]
THINGS = ["Brake pad", "Air filter", "Alternator", "U-joint", 'Coolant hose 3/4"', "Wheel seal", "Mudflap", "DEF pump"]
PARTS_OF_TOTAL = ("labor_amount", "parts_amount", "tax_amount")
WORK_ORDER_AMOUNTS = ("total_amount", *PARTS_OF_TOTAL)
CUSTOMER_AMOUNTS = ("balance", "credit_limit")
PART_AMOUNTS = ("cost", "price", "quantity_on_hand")
LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"
NEVER_IN_A_VIN = str.maketrans("OIQ=", "8196")


class Kind(NamedTuple):
    """A kind of record: its path, the first of its ids, how it is made and how it is spelled."""

    name: str
    first_id: int
    make: Callable[[int, Draw, datetime], Fields]
    spell: Callable[[Fields, Draw], Fields]
    amounts: tuple[str, ...]  # the first is what an update changes and a fault spoils


@lru_cache(1000)
def company(number: int) -> str:
    """Return the name of a company."""
    draw = Draw("company", number)
    return f"{draw.choice(PLACES)} {draw.choice(TRADES)} {draw.choice(FORMS)}"


def vin(number: int) -> str:
    """Return a vehicle's number: 17 letters and digits."""
    return "1" + b32encode(number.to_bytes(10, "big")).decode().translate(NEVER_IN_A_VIN)


def _created(updated_at: datetime, draw: Draw) -> datetime:
    created = updated_at - timedelta(seconds=draw.below(30 * 86_400))
    return midnight(created) if draw.below(5) == 0 else created


def _work_order(number: int, draw: Draw, updated_at: datetime) -> Fields:
    sign = -1 if draw.below(50) == 0 else 1
    labor, parts = cents(draw, 300_000), cents(draw, 500_000)
    tax = (parts * 8 / 100).quantize(Decimal("0.01"))
    all_of_it = zip(PARTS_OF_TOTAL, (labor, parts, tax), strict=True)
    amounts = {name: None if draw.below(12) == 0 else sign * amount for name, amount in all_of_it}
    total = sum((amount or Decimal() for amount in amounts.values()), Decimal("0.00"))
    customer = draw.below(500)
    return {
        "work_order_number": f"RO-{number % 100_000:05d}",
        "customer_id": str(2_000_000 + customer),
        "customer_name": company(customer),
        "vehicle_info": None if draw.below(20) == 0 else _vehicle(draw),
        "status": draw.choice(STATUSES),
        "created_at": _created(updated_at, draw),
        "total_amount": None if draw.below(40) == 0 else total,
        **amounts,
    }


def _vehicle(draw: Draw) -> Fields:
    year = draw.between(1994, 2027)
    return {
        "make": draw.choice(MAKES),
        "model": draw.choice(MODELS),
        "year": str(year) if draw.below(4) == 0 else year,
        "vin": vin(draw.below(2**80)),
        "license_plate": "" if draw.below(8) == 0 else f"{draw.choice(LETTERS)}{draw.between(1000, 99_999)}",
    }


def _spell_work_order(fields: Fields, draw: Draw) -> Fields:
    raw = _spell(fields, draw, WORK_ORDER_AMOUNTS)
    vehicle = raw.pop("vehicle_info")
    if vehicle is not None:
        where = draw.choice(["vehicle", "vehicle_info", "asset", None])
        raw |= vehicle if where is None else {where: vehicle}
    return raw


def _customer(number: int, draw: Draw, updated_at: datetime) -> Fields:
    name = company(number)
    return {
        "name": name,
        "email": "" if draw.below(6) == 0 else f"office-{number}@example.com",
        "phone": f"555-01{draw.below(100):02d}",
        "address": f"{draw.between(1, 9999)} Example Road\n{draw.choice(PLACES)}",
        "status": draw.choice(["active", "active", "active", "inactive"]),
        "balance": None if draw.below(10) == 0 else cents(draw, 2_000_000) - 5000,
        "credit_limit": None if draw.below(3) == 0 else Decimal(draw.below(50) * 1000),
        "created_at": _created(updated_at, draw),
    }


def _part(number: int, draw: Draw, updated_at: datetime) -> Fields:
    cost = cents(draw, 90_000)
    return {
        "part_number": f"{draw.choice(LETTERS)}{draw.choice(LETTERS)}-{number:06d}",
        "description": draw.choice(THINGS),
        "category": draw.choice(["brakes", "engine", "electrical", "body", None]),
        "manufacturer": draw.choice(MAKES),
        "quantity_on_hand": Decimal(draw.between(-2, 40)),
        "cost": cost,
        "price": None if draw.below(15) == 0 else cost + cents(draw, 40_000),
        "created_at": _created(updated_at, draw),
    }


def _spell_customer(fields: Fields, draw: Draw) -> Fields:
    return _spell(fields, draw, CUSTOMER_AMOUNTS)


def _spell_part(fields: Fields, draw: Draw) -> Fields:
    return _spell(fields, draw, PART_AMOUNTS)


def _spell(fields: Fields, draw: Draw, amounts: tuple[str, ...]) -> Fields:
    raw: Fields = {}
    for name, value in fields.items():
        if name in amounts:
            if value is not None or draw.below(6):  # none may also be left out
                raw[name] = spell_amount(value, draw)
        elif name in ("id", "customer_id"):
            raw[name] = spell_id(value, draw)
        elif name == "created_at":
            raw[name] = spell_start(value, draw)
        else:
            raw[name] = spell_time(value, draw) if name == "updated_at" else value
    return raw


KINDS = {
    kind.name: kind
    for kind in (
        Kind("work-orders", 1_000_000, _work_order, _spell_work_order, WORK_ORDER_AMOUNTS),
        Kind("customers", 2_000_000, _customer, _spell_customer, CUSTOMER_AMOUNTS),
        Kind("parts", 3_000_000, _part, _spell_part, PART_AMOUNTS),
    )
}
