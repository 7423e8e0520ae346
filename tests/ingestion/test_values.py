"""Values as partners write them: read exactly, or refused with their path and the rule."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.ingestion import values
from service.ingestion.records import Rejected

AMOUNTS: dict[str, tuple[Any, Decimal | None]] = {
    "a number": (Decimal("1234.50"), Decimal("1234.50")),
    "a whole number": (7, Decimal(7)),
    "a long number": (Decimal("0.1234567890123456789012345678901234567890"),) * 2,
    "text": ("1234.56", Decimal("1234.56")),
    "dollars": ("$1,234.56", Decimal("1234.56")),
    "millions": ("$1,234,567.89", Decimal("1234567.89")),
    "minus before dollars": ("-$5.00", Decimal("-5.00")),
    "minus behind dollars": ("$-5.00", Decimal("-5.00")),
    "plus": ("+5", Decimal(5)),
    "parentheses": ("(5.00)", Decimal("-5.00")),
    "parentheses and dollars": ("($1,005.10)", Decimal("-1005.10")),
    "no whole part": (".50", Decimal("0.50")),
    "no fraction": ("12.", Decimal(12)),
    "spaces around": (" 12.5 ", Decimal("12.5")),
    "an empty text": ("", None),
    "a blank text": ("  ", None),
    "null": (None, None),
}
NO_AMOUNTS = {
    "a word": "abc",
    "two points": "1.2.3",
    "commas in the wrong place": "1,23.4",
    "a comma for the fraction": "12,5",
    "a sign alone": "-",
    "dollars alone": "$",
    "a point alone": ".",
    "two signs": "--5",
    "a sign in parentheses": "(-5)",
    "an open parenthesis": "(5",
    "a closed parenthesis": "5)",
    "another currency": "€5",
    "an exponent in text": "1e5",
    "infinity": "Infinity",
    "no number": "NaN",
    "digits of another script": "١٢",
    "endless digits": "9" * 401,
    "a boolean": True,
    "an object": {"amount": 1},
    "a list": [1],
}


@pytest.mark.parametrize(("value", "expected"), AMOUNTS.values(), ids=AMOUNTS)
def test_an_amount_is_read_exactly(value: Any, expected: Decimal | None) -> None:
    found = values.amount(value, "total")
    assert (found, str(found)) == (expected, str(expected))


@pytest.mark.parametrize("value", NO_AMOUNTS.values(), ids=NO_AMOUNTS)
def test_what_is_no_amount_is_refused_with_its_path(value: Any) -> None:
    with pytest.raises(Rejected) as refusal:
        values.amount(value, "total_amount")
    assert refusal.value.path == "total_amount"
    assert refusal.value.reason.startswith("must be a number or an amount")


@given(st.decimals(-(10**12), 10**12, places=2), st.sampled_from(["{:.2f}", "{:,.2f}", "${:,.2f}", " ${:.2f}"]))
def test_money_survives_every_spelling(amount: Decimal, spelling: str) -> None:
    assert values.amount(spelling.format(amount), "total") == amount


@given(st.text())
def test_any_text_is_an_amount_or_is_refused(text: str) -> None:
    try:
        found = values.amount(text, "total")
    except Rejected:
        return
    assert found is None or found.is_finite()


MOMENTS = {
    "with Z": ("2026-01-15T10:30:00Z", datetime(2026, 1, 15, 10, 30, tzinfo=UTC)),
    "with a fraction": ("2026-01-15T10:30:00.250Z", datetime(2026, 1, 15, 10, 30, 0, 250_000, tzinfo=UTC)),
    "with an offset": ("2026-01-15T10:30:00-05:00", datetime(2026, 1, 15, 15, 30, tzinfo=UTC)),
    "without an offset": ("2026-01-15T10:30:00", datetime(2026, 1, 15, 10, 30, tzinfo=UTC)),
    "with a blank": ("2026-01-15 10:30:00", datetime(2026, 1, 15, 10, 30, tzinfo=UTC)),
    "a day": ("2026-01-15", datetime(2026, 1, 15, tzinfo=UTC)),
    "an empty text": ("", None),
    "null": (None, None),
}
NO_MOMENTS = {
    "a word": "yesterday",
    "a day that does not exist": "2026-02-30",
    "American": "01/15/2026",
    "a number": 1768471200,
    "a boolean": False,
    "before all time in UTC": "0001-01-01T00:00:00+14:00",
    "after all time in UTC": "9999-12-31T23:59:59-14:00",
}


@pytest.mark.parametrize(("value", "expected"), MOMENTS.values(), ids=MOMENTS)
def test_a_moment_is_read_as_utc(value: Any, expected: datetime | None) -> None:
    assert values.moment(value, "updated_at") == expected


@pytest.mark.parametrize("value", NO_MOMENTS.values(), ids=NO_MOMENTS)
def test_what_is_no_moment_is_refused(value: Any) -> None:
    with pytest.raises(Rejected, match=r"^updated_at: must be a time"):
        values.moment(value, "updated_at")


@pytest.mark.parametrize(
    ("value", "expected"), [("2026-01-15", date(2026, 1, 15)), (" 2026-01-15 ", date(2026, 1, 15)), ("", None)]
)
def test_a_day_is_read(value: Any, expected: date | None) -> None:
    assert values.day(value, "invoiceDate") == expected


@pytest.mark.parametrize("value", ["2026-13-01", "today", 20260115, True, {}], ids=str)
def test_what_is_no_day_is_refused(value: Any) -> None:
    with pytest.raises(Rejected, match=r"^invoiceDate: must be a day"):
        values.day(value, "invoiceDate")


@pytest.mark.parametrize(("value", "expected"), [("WO-1", "WO-1"), (17, "17"), (" 17 ", "17"), ("x" * 255, "x" * 255)])
def test_an_id_is_a_text_or_a_whole_number(value: Any, expected: str) -> None:
    assert values.identifier(value, "id") == expected


@pytest.mark.parametrize("value", ["", "  ", None, True, Decimal("1.5"), {}, [], "x" * 256], ids=repr)
def test_what_is_no_id_is_refused(value: Any) -> None:
    with pytest.raises(Rejected, match=r"^id: must be an id"):
        values.identifier(value, "id")


@pytest.mark.parametrize(("value", "expected"), [("open", "open"), ("", ""), (7, "7"), (Decimal("1.50"), "1.50")])
def test_a_text_may_be_a_number(value: Any, expected: str) -> None:
    assert values.text(value, "status") == expected


@pytest.mark.parametrize("value", [True, {}, [], "x" * 10_001], ids=lambda value: repr(value)[:20])
def test_what_is_no_text_is_refused(value: Any) -> None:
    with pytest.raises(Rejected, match=r"^status: must"):
        values.text(value, "status")
