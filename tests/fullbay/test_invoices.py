from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.fullbay.invoices import invoice

INVOICES = [invoice(1, "default", number, date(2026, 6, 1)) for number in range(400)]


def every(name: str, value: Any = INVOICES) -> Iterator[Any]:
    """Yield every value of a member, however deep."""
    if isinstance(value, dict):
        if name in value:
            yield value[name]
        value = list(value.values())
    if isinstance(value, list):
        for member in value:
            yield from every(name, member)


def members(name: str) -> list[Any]:
    """Return the members of every array of that name, of which some are null."""
    return [member for array in every(name) for member in array or []]


def kinds(name: str) -> set[str]:
    return {type(value).__name__ for value in every(name)}


def money(value: Any) -> Decimal:
    return Decimal(str(value or 0))


def sums_of_portions() -> set[Decimal]:
    every_technicians = [technicians for technicians in every("AssignedTechnicians") if technicians]
    return {sum((money(one["portion"]) for one in many), Decimal()) for many in every_technicians}


def reaches_its_total(correction: dict[str, Any]) -> bool:
    sold = (
        money(part["sellingPrice"]) * (money(part["quantity"]) - money(part["returnedQuantity"]))
        for part in correction["Parts"] or []
    )
    return money(correction["partsTotal"]) == sum(sold, Decimal()).quantize(Decimal("0.01"))


def has_null(*names: str) -> bool:
    return all(None in list(every(name)) for name in names)


def is_charged(name: str) -> bool:
    return any(money(one[name]) for one in INVOICES)


def most_of_an_order() -> int:
    orders = (one["ServiceOrder"] for one in INVOICES)
    return max(Counter(str(order["primaryKey"]) for order in orders if order).values())


ODDITIES: dict[str, Callable[[], object]] = {
    "money is a number and a text": lambda: kinds("partsTotal") == {"float", "str"},
    "an id is a number and a text": lambda: kinds("primaryKey") >= {"int", "str"},
    "a complaint's id is a number": lambda: {type(one["primaryKey"]) for one in members("Complaints")} == {int},
    "a correction's id is a text": lambda: {type(one["primaryKey"]) for one in members("Corrections")} == {str},
    "an array is null": lambda: has_null("Complaints", "Corrections", "Parts", "AssignedTechnicians"),
    "an array is empty": lambda: [] in list(every("Corrections")),
    "an object is null": lambda: has_null("Customer", "Unit", "ServiceOrder", "TaxInformation"),
    "a date is empty or null": lambda: {"", None} <= set(every("dueDate")),
    "a boolean is Yes, No or nothing": lambda: set(every("authorized")) == {"Yes", "No", ""},
    "hours have 16 digits": lambda: any(len(str(one)) > 12 for one in every("laborHoursTotal")),
    "a total is negative": lambda: any(money(one["total"]) < 0 for one in INVOICES),
    "a quantity is negative": lambda: any(money(one) < 0 for one in every("quantity")),
    "an order has several invoices": lambda: most_of_an_order() > 1,
    "a line has no price": lambda: any(money(one) == 0 for one in every("sellingPrice")),
    "a returned quantity is null": lambda: has_null("returnedQuantity"),
    "a part is returned": lambda: any(money(one) > 0 for one in every("returnedQuantity")),
    "a portion is text, a number or null": lambda: kinds("portion") >= {"str", "int", "NoneType"},
    "a portion is empty": lambda: "" in list(every("portion")),
    "portions do not sum to 100": lambda: sums_of_portions() > {Decimal(100), Decimal("99.99"), Decimal(120)},
    "lines do not reach a total": lambda: not all(map(reaches_its_total, members("Corrections"))),
    "lines mostly reach it": lambda: sum(map(reaches_its_total, members("Corrections"))) > 300,
    "labor without technicians": lambda: any(
        money(one["laborTotal"]) and not one["AssignedTechnicians"] for one in members("Complaints")
    ),
    "supplies and charges": lambda: all(map(is_charged, ["suppliesTotal", "miscChargeTotal", "serviceCallTotal"])),
}


@pytest.mark.parametrize("is_there", ODDITIES.values(), ids=list(ODDITIES))
def test_invoices_have_every_oddity_of_the_real_ones(is_there: Callable[[], object]) -> None:
    assert is_there()


def test_an_invoice_is_a_function_of_its_seed_shop_and_number() -> None:
    day = date(2026, 6, 1)
    assert invoice(1, "default", 7, day) == INVOICES[7]
    assert invoice(2, "default", 7, day) != INVOICES[7]
    assert invoice(1, "denver", 7, day)["total"] != INVOICES[7]["total"]
