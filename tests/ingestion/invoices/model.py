"""Lines and differences once more, in fractions, from the definitions in docs/invoices.md."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import Any, NamedTuple

CENT = Fraction(1, 100)
CHARGES = ("serviceCallTotal", "mileageCostTotal", "subletLaborTotal")


class ModelLine(NamedTuple):
    """What of a line depends on arithmetic."""

    kind: str
    correction: int | None  # its place among all corrections
    technician: str | None
    total: Fraction
    quantity: Fraction | None
    hours: Fraction | None


def number(value: Any) -> Fraction:
    """Return what a value is worth; nothing is 0."""
    if isinstance(value, str):
        digits = value.replace("$", "").replace(",", "")
        if digits.startswith("("):
            digits = f"-{digits.strip('()')}"
        return Fraction(digits or 0)
    return Fraction(str(value)) if value is not None else Fraction()


def cents(value: Fraction) -> Fraction:
    """Return the nearest whole cents; of two the one farther from zero."""
    whole, rest = divmod(abs(value), CENT)
    size = (whole + (2 * rest >= CENT)) * CENT
    return size if value >= 0 else -size


def is_whole(portions: list[Fraction]) -> bool:
    """Return whether portions make up a hundred percent, each rounded to two places."""
    return abs(sum(portions) - 100) * 200 <= len(portions)


def exact_shares(amount: Fraction, portions: list[Fraction]) -> list[Fraction]:
    """Return what each is due, before any rounding."""
    return [amount * portion / (sum(portions) if is_whole(portions) else 100) for portion in portions]


def shares(amount: Fraction, portions: list[Fraction]) -> list[Fraction]:
    """Return the shares in cents."""
    due = exact_shares(amount, portions)
    given = [cents(one) for one in due]
    first_of_the_largest = next(at for at, portion in enumerate(portions) if portion == max(portions))
    given[first_of_the_largest] = cents(sum(due)) - sum(
        one for at, one in enumerate(given) if at != first_of_the_largest
    )
    return given


def lines_of(invoice: dict[str, Any]) -> list[ModelLine]:
    """Return the lines of an invoice, in no order."""
    crews = [
        [one for one in complaint["AssignedTechnicians"] or [] if number(one["portion"]) > 0]
        for complaint in complaints_of(invoice)
        for _ in complaint["Corrections"] or []
    ]
    lines = [
        line
        for place, ((_, correction), crew) in enumerate(zip(corrections_of(invoice), crews, strict=True))
        for kind, amount, count, hours in sold_by(correction)
        for line in divided(ModelLine(kind, place, None, amount, count, hours), crew)
    ]
    return lines + charges_of(invoice)


def sold_by(correction: dict[str, Any]) -> list[tuple[str, Fraction, Fraction | None, Fraction | None]]:
    """Return what a correction sells: its kind, the money, the quantity and the hours."""
    sold: list[Any] = []
    for part in correction.get("Parts") or []:
        count = number(part["quantity"]) - number(part.get("returnedQuantity"))
        sold.append(("PART", cents(count * number(part["sellingPrice"])), count, None))
    labor, hours = cents(number(correction["laborTotal"])), correction["laborHoursTotal"]
    if labor or number(hours):
        sold.append(("LABOR", labor, None, None if hours in (None, "") else number(hours)))
    return sold


def divided(whole: ModelLine, crew: list[dict[str, Any]]) -> list[ModelLine]:
    """Return a line for each technician."""
    if not crew:
        return [whole]
    portions = [number(one["portion"]) for one in crew]
    return [
        whole._replace(
            technician=None if one["technician"] in (None, "") else str(one["technician"]),
            total=given,
            hours=None if whole.hours is None else whole.hours * portion / 100,
        )
        for one, portion, given in zip(crew, portions, shares(whole.total, portions), strict=True)
    ]


def charges_of(invoice: dict[str, Any]) -> list[ModelLine]:
    """Return the lines that belong to no correction."""
    lines = []
    listed = (invoice.get("ServiceOrder") or {}).get("MiscCharges") or []
    for charge in listed:
        is_told = charge.get("amount") not in (None, "")
        amount = number(charge["amount"]) if is_told else number(charge.get("quantity")) * number(charge.get("rate"))
        count = None if charge.get("quantity") in (None, "") else number(charge["quantity"])
        lines.append(ModelLine("MISC", None, None, cents(amount), count, None))
    totals = [("SHOP SUPPLIES", "suppliesTotal"), *(("MISC", name) for name in CHARGES)]
    totals += [] if listed else [("MISC", "miscChargeTotal")]
    for kind, name in totals:
        if amount := cents(number(invoice.get(name))):
            lines.append(ModelLine(kind, None, None, amount, None, None))
    return lines


def complaints_of(invoice: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the complaints of the service order."""
    return (invoice.get("ServiceOrder") or {}).get("Complaints") or []


def corrections_of(invoice: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return each correction and where it stands."""
    return [
        (f"ServiceOrder.Complaints[{first}].Corrections[{second}]", correction)
        for first, complaint in enumerate(complaints_of(invoice))
        for second, correction in enumerate(complaint["Corrections"] or [])
    ]


def differences_of(invoice: dict[str, Any]) -> dict[tuple[str, str], Fraction]:
    """Return what each total lacks of its lines, by where it stands and its name; without those that lack nothing."""
    lines = lines_of(invoice)
    by_kind: Counter[str] = Counter()
    found: dict[tuple[str, str], Fraction] = {}
    for line in lines:
        by_kind[line.kind] += line.total  # type: ignore[assignment]
    for place, (path, correction) in enumerate(corrections_of(invoice)):
        for name, kind in (("partsTotal", "PART"), ("laborTotal", "LABOR")):
            mine = sum(line.total for line in lines if line.correction == place and line.kind == kind)
            found[path, name] = cents(number(correction[name])) - mine
    everything = sum(line.total for line in lines)
    others = sum(cents(number(invoice.get(name))) for name in CHARGES)
    for name, mine in (
        ("partsTotal", by_kind["PART"]),
        ("laborTotal", by_kind["LABOR"]),
        ("miscChargeTotal", by_kind["MISC"] - others),
        ("subTotal", everything),
        ("total", everything + cents(number(invoice.get("taxTotal")))),
    ):
        found["", name] = cents(number(invoice.get(name))) - mine
    return {where: difference for where, difference in found.items() if difference}
