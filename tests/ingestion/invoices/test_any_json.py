"""Invoices with anything anywhere: stored, or refused with the path and the rule."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from service.ingestion.fullbay.invoice_records import Invoices
from service.ingestion.records import Outcome, Rejected
from tests.ingestion.invoices.conftest import STREAM
from tests.ingestion.invoices.samples import a_part, an_invoice, complaint_of, correction_of, invoices, read

Begin = Callable[[], Any]
Path = tuple[str | int, ...]


def full_invoice() -> dict[str, Any]:
    """Return an invoice with a value in every field that is read."""
    invoice = an_invoice(portions=[50, 50])
    invoice["ServiceOrder"]["Customer"] = {"customerId": 1}
    invoice["ServiceOrder"]["MiscCharges"] = [
        {"description": "Fee", "quantity": 1, "rate": 2, "amount": 2, "taxable": "No"}
    ]
    complaint_of(invoice)["laborRate"] = "Standard"
    correction_of(invoice).update(title="", actualCorrection="", recommendedCorrection="Renew", taxable="No")
    correction_of(invoice)["Parts"] = [
        a_part(returnedQuantity=0, shopPartNumber="S", vendorPartNumber="V", partCategory="C", taxable="Yes")
    ]
    return invoice


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield where each value of an invoice stands, the invoice's own place first."""
    yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield from paths(member, (*path, name))


def put(invoice: Any, path: Path, value: Any) -> Any:
    """Return an invoice with another value at a place."""
    if not path:
        return value
    found = copy.deepcopy(invoice)
    inner = found
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return found


PATHS = list(paths(full_invoice()))

ODD: list[Any] = [
    Decimal("1e399"),
    Decimal("-1e-390"),
    10**399,
    "9" * 400,
    "1e5",
    "NaN",
    "-Infinity",
    "$",
    "(1)",
    "-0",
    "0000-00-00",
    "2026-02-30",
    "0001-01-01",
    "9999-12-31",
    "2026-03-04T00:00:00Z",
    "x" * 256,
    "ä" * 255,
    "x" * 20_000,
    "\ud800",
    "\u0000",
    "\\",
    "Yes",
    "maybe",
    -0.0,
]
digits = st.decimals(allow_nan=False, allow_infinity=False).filter(lambda one: len(f"{one:f}") < 390)
anything = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        digits,
        digits.map(str),
        st.text(max_size=20),
        st.text(alphabet="0123456789.,$-+() \u0000\ud800٣", max_size=12),
        st.sampled_from(ODD),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)
fuzz = settings(max_examples=700, deadline=None, suppress_health_check=list(HealthCheck))


def refusal_of(begin: Begin, invoice: Any) -> Rejected | None:
    """Store an invoice; return the refusal where it is refused. Any other error goes on."""
    try:
        row = read(invoice)
    except Rejected as refusal:
        return refusal
    with begin() as cursor:
        assert Invoices().store(cursor, STREAM, [row]) == Outcome(inserted=1)
        cursor.execute(
            """
            SELECT count(line), abs(coalesce(sub_total, 0) - difference - coalesce(sum(line.total), 0)) <= 0.005
            FROM fullbay_invoices AS invoice
            LEFT JOIN fullbay_line_items AS line ON invoice_id = id
            WHERE invoice.shop = %s
            GROUP BY invoice.id
            """,
            (STREAM.shop,),
        )
        assert cursor.fetchall() == [(len(json.loads(row.lines)), True)]
    return None


def is_fair(refusal: Rejected | None, invoice: Any) -> bool:
    """Return whether a refusal says where and why."""
    if refusal is None:
        return True
    is_of_all = not isinstance(invoice, dict) or refusal.reason.startswith("A key cannot hold")
    return bool(refusal.reason and (refusal.path or is_of_all))


@given(st.sampled_from(PATHS), anything)
@example(("ServiceOrder", "Complaints", 0, "AssignedTechnicians", 0, "portion"), Decimal("1e-390"))
@example(("ServiceOrder", "Complaints", 0, "AssignedTechnicians", 0, "portion"), Decimal("1e399"))
@example(("ServiceOrder", "Complaints", 0, "Corrections", 0, "Parts", 0, "quantity"), Decimal("1e399"))
@fuzz
def test_any_value_in_any_field_is_stored_or_refused(begin: Begin, path: Path, value: Any) -> None:
    invoice = put(full_invoice(), path, value)
    assert is_fair(refusal_of(begin, invoice), invoice)


@given(invoices, st.lists(st.tuples(st.integers(0, 10**6), anything), min_size=1, max_size=4))
@settings(fuzz, max_examples=300)
def test_several_values_in_any_invoice_are_stored_or_refused(
    begin: Begin, invoice: Any, changes: list[tuple[int, Any]]
) -> None:
    for place, value in changes:
        found = list(paths(invoice))
        invoice = put(invoice, found[place % len(found)], value)
    assert is_fair(refusal_of(begin, invoice), invoice)


@given(anything)
@settings(fuzz, max_examples=300)
def test_the_key_of_anything_is_a_text_or_none(value: Any) -> None:
    for record in (value, {"primaryKey": value}):
        key = Invoices().key(record)
        assert key is None or 0 < len(key) <= 255


PART = "ServiceOrder.Complaints[0].Corrections[0].Parts[0]"


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("primaryKey", None, "must be an id"),
        ("primaryKey", 1.5, "must be an id"),
        ("total", True, "must be a number or an amount"),
        ("balance", "ten", "must be a number or an amount"),
        ("invoiceDate", "04/03/2026", "must be a day"),
        ("exported", "maybe", "must be true or false"),
        ("exported", 2, "must be true or false"),
        ("Customer", "Example", "must be an object"),
        ("Customer.customerId", {"id": 1}, "must be a text"),
        ("invoiceNumber", "9" * 256, "must have at most 255 characters"),
        ("ServiceOrder", [1], "must be an object"),
        ("ServiceOrder.Unit", 7, "must be an object"),
        ("ServiceOrder.Complaints", {"0": {}}, "must be a list"),
        ("ServiceOrder.Complaints[0]", "Brakes", "must be an object"),
        ("ServiceOrder.Complaints[0].Corrections", 1, "must be a list"),
        ("ServiceOrder.Complaints[0].AssignedTechnicians[1].portion", "half", "must be a number or an amount"),
        ("ServiceOrder.Complaints[0].Corrections[0].laborHoursTotal", [], "must be a number or an amount"),
        ("ServiceOrder.MiscCharges[0].amount", "5 USD", "must be a number or an amount"),
        (PART, 900, "must be an object"),
        (f"{PART}.sellingPrice", "1.2.3", "must be a number or an amount"),
        (f"{PART}.returnedQuantity", {}, "must be a number or an amount"),
        (f"{PART}.taxable", "perhaps", "must be true or false"),
        (f"{PART}.shopPartNumber", "x" * 256, "must have at most 255 characters"),
        ("customerTitle", "a\u0000b", "cannot hold the character NUL"),
        ("unread", "\ud800", "cannot hold half of a surrogate pair"),
    ],
    ids=lambda value: str(value)[:40].encode("ascii", "backslashreplace").decode(),
)
def test_a_wrong_value_is_refused_with_its_path_and_the_rule(path: str, value: Any, rule: str) -> None:
    steps = [int(step) if step.isdecimal() else step for step in path.replace("[", ".").replace("]", "").split(".")]
    with pytest.raises(Rejected) as refusal:
        read(put(full_invoice(), tuple(steps), value))
    assert refusal.value.path == path
    assert rule in refusal.value.reason


@pytest.mark.parametrize("nothing", [None, "", [], {}], ids=repr)
@pytest.mark.parametrize(
    "path",
    [
        ("Customer",),
        ("ServiceOrder",),
        ("ServiceOrder", "Unit"),
        ("ServiceOrder", "MiscCharges"),
        ("ServiceOrder", "Complaints"),
        ("ServiceOrder", "Complaints", 0, "AssignedTechnicians"),
        ("ServiceOrder", "Complaints", 0, "Corrections"),
        ("ServiceOrder", "Complaints", 0, "Corrections", 0, "Parts"),
    ],
    ids=lambda path: str(path[-1]),
)
def test_nothing_in_the_place_of_an_object_or_a_list_is_an_empty_one(begin: Begin, path: Path, nothing: Any) -> None:
    assert refusal_of(begin, put(full_invoice(), path, nothing)) is None
