"""`EVENT_VALIDATION=strict`: the rules of each entity type."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from service.documents import parse
from service.errors import Invalid
from service.events.documents import read_event
from service.events.entity_rules import ENTITY_RULES
from tests.events.samples import MOMENT, an_entity, an_event

FIXTURES = Path(__file__).parents[3] / "shared" / "fixtures" / "events"

PART = {"id": "P-1", "serviceId": "S-1", "partNumber": "N", "partName": "Filter", "quantity": 1, "cost": 9.99}
GOOD: dict[str, dict[str, Any]] = {
    "Car": {
        "vin": "5TDJKRFH4LS123456",
        "make": "Tesla",
        "model": "S",
        "year": 2025,
        "color": "red",
        "mileage": 0,
        "lastServiceDate": MOMENT,
        "totalBalance": 0.0,
        "lastLoanPaymentDate": MOMENT,
        "owner": "John",
    },
    "Loan": {
        "carId": "C",
        "financialInstitution": {"name": "Bank"},
        "balance": 45000.00,
        "lastPaidDate": MOMENT,
        "loanAmount": 50000,
        "interestRate": 0.045,
        "termMonths": 60,
        "startDate": MOMENT,
        "status": "active",
        "monthlyPayment": 932.16,
    },
    "LoanPayment": {"loanId": "L", "amount": 932.16, "paymentDate": MOMENT},
    "ServiceRecord": {
        "carId": "C",
        "serviceDate": MOMENT,
        "amountPaid": 350.00,
        "dealerId": "D",
        "dealerName": "Dealer",
        "mileageAtService": 5000,
        "description": "",
    },
    "ServiceDetails": {
        "serviceId": "S",
        "carId": "C",
        "dealerId": "D",
        "dealerName": "Dealer",
        "technicianId": "T",
        "technicianName": "Tina",
        "serviceNotes": "",
        "warrantyWork": True,
        "partsUsed": [PART],
    },
    "PartUsed": {key: value for key, value in PART.items() if key != "id"},
}


def violations(event: dict[str, Any]) -> dict[str, str]:
    """Return the paths and messages with which a strict reader refuses the event."""
    try:
        read_event(parse(json.dumps(event)), is_strict=True)
    except Invalid as error:
        return {violation["path"]: violation["message"] for violation in error.violations}
    return {}


def broken(kind: str, **changes: Any) -> dict[str, str]:
    data = {key: value for key, value in (GOOD[kind] | changes).items() if value is not ...}
    return violations(an_event(an_entity(kind=kind) | data))


@pytest.mark.parametrize("kind", GOOD)
def test_a_right_entity_is_accepted(kind: str) -> None:
    assert broken(kind) == {}


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.json")), ids=lambda path: path.stem)
def test_a_partner_s_sample_event_is_accepted(path: Path) -> None:
    assert violations(json.loads(path.read_text())) == {}


@pytest.mark.parametrize(("kind", "key"), [(kind, key) for kind in GOOD for key in GOOD[kind]])
@pytest.mark.parametrize("value", [..., None], ids=["missing", "null"])
def test_every_key_is_required(kind: str, key: str, value: Any) -> None:
    assert list(broken(kind, **{key: value})) == [f"entities[0].{key}"]


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("Car", "vin", "5TDJKRFH4LS12345"),
        ("Car", "vin", "5TDJKRFH4LS12345I"),
        ("Car", "vin", "5TDJKRFH4LS123456\n"),
        ("Car", "vin", "5tdjkrfh4ls123456"),
        ("Car", "vin", 5),
        ("Car", "year", 1899),
        ("Car", "year", 2031),
        ("Car", "year", 2000.5),
        ("Car", "year", "2000"),
        ("Car", "year", True),
        ("Car", "mileage", -1),
        ("Car", "mileage", 1_000_000),
        ("Car", "totalBalance", -0.01),
        ("Car", "owner", 5),
        ("Car", "owner", []),
        ("Car", "lastServiceDate", "soon"),
        ("Loan", "balance", -1),
        ("Loan", "balance", 0.001),
        ("Loan", "interestRate", 1.0001),
        ("Loan", "interestRate", -0.1),
        ("Loan", "termMonths", 0),
        ("Loan", "termMonths", 481),
        ("Loan", "status", "Active"),
        ("Loan", "financialInstitution", 1),
        ("LoanPayment", "amount", "932.16"),
        ("ServiceRecord", "mileageAtService", -1),
        ("ServiceDetails", "warrantyWork", 1),
        ("ServiceDetails", "partsUsed", {}),
        ("PartUsed", "quantity", -1),
        ("PartUsed", "cost", -0.5),
    ],
)
def test_a_value_outside_its_rule_is_refused_and_named(kind: str, key: str, value: Any) -> None:
    assert list(broken(kind, **{key: value})) == [f"entities[0].{key}"]


@pytest.mark.parametrize(
    ("kind", "key", "values"),
    [
        ("Car", "year", [1900, 2030, 2025.0]),
        ("Car", "mileage", [0, 999_999]),
        ("Loan", "interestRate", [0, 1]),
        ("Loan", "termMonths", [1, 480]),
        ("Loan", "status", ["active", "paid_off", "defaulted", "cancelled"]),
        ("Loan", "balance", [0, 0.01, 10**30]),
    ],
)
def test_a_value_on_the_edge_of_its_rule_is_accepted(kind: str, key: str, values: list[Any]) -> None:
    assert [broken(kind, **{key: value}) for value in values] == [{}] * len(values)


def test_a_part_inside_service_details_keeps_the_rules_of_parts() -> None:
    bad = {key: value for key, value in PART.items() if key != "cost"} | {"quantity": -1}
    assert sorted(broken("ServiceDetails", partsUsed=[PART, bad])) == [
        "entities[0].partsUsed[1].cost",
        "entities[0].partsUsed[1].quantity",
    ]


def test_the_header_is_strict_too_and_every_violation_is_listed() -> None:
    event = an_event(an_entity() | GOOD["Car"], an_entity(kind="Loan"), event_id="no-uuid", eventType="CarStolen")
    assert sorted(violations(event)) == ["eventHeader.eventType", "eventHeader.uuid"]
    event = an_event(an_entity() | GOOD["Car"] | {"year": 1}, an_entity(kind="Loan"))
    assert sorted(violations(event)) == sorted(["entities[0].year", *(f"entities[1].{key}" for key in GOOD["Loan"])])


def test_an_unknown_type_has_no_rules() -> None:
    assert violations(an_event(an_entity(kind="Spaceship"))) == {}


def test_the_types_with_rules_are_the_types_with_a_table(rows: Any) -> None:
    tables = rows("SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relispartition AND relkind = 'r'")
    assert {table[0].split("'")[1] for table in tables} == set(ENTITY_RULES)


def test_the_service_is_strict_where_the_environment_says_so(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, token: str
) -> None:
    from tests.transports import LambdaClient

    handler = request.getfixturevalue("handler")
    client = LambdaClient(handler, token)
    assert client.post("/api/v1/events", json=an_event()).status == 200
    monkeypatch.setenv("EVENT_VALIDATION", "strict")
    from service import lambda_handler

    lambda_handler._settings.cache_clear()
    lambda_handler._app.cache_clear()
    assert client.post("/api/v1/events", json=an_event()).status == 422
