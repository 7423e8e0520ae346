"""Money among technicians, to the cent."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.ingestion.fullbay.shares import share, to_cents
from tests.ingestion.invoices import model

amounts = st.integers(-(10**9), 10**9).map(lambda cents: Decimal(cents).scaleb(-2))
portions = st.one_of(
    st.lists(st.integers(1, 10**4).map(lambda n: Decimal(n).scaleb(-2)), min_size=1, max_size=7),
    st.lists(st.integers(1, 10**17).map(lambda n: Decimal(n).scaleb(-15)), min_size=1, max_size=4),
    st.integers(1, 7).map(lambda n: [round(Decimal(100) / n, 2)] * n),
    st.lists(st.integers(1, 10**4), min_size=2, max_size=5).map(
        lambda cuts: [round(Decimal(100 * cut) / sum(cuts), 2) for cut in cuts if 100 * cut * 100 > sum(cuts)]
    ).filter(bool),
)  # fmt: skip
many = settings(max_examples=400, deadline=None)


@given(amounts, portions)
@many
def test_shares_add_up_to_what_the_portions_are_of_the_amount(amount: Decimal, portions: list[Decimal]) -> None:
    due = sum(model.exact_shares(Fraction(amount), [Fraction(one) for one in portions]))
    assert Fraction(sum(share(amount, portions))) == model.cents(due)


@given(amounts, portions)
@many
def test_a_share_is_near_what_is_due_and_only_the_largest_takes_the_rest(
    amount: Decimal, portions: list[Decimal]
) -> None:
    due = model.exact_shares(Fraction(amount), [Fraction(one) for one in portions])
    shares = [Fraction(one) for one in share(amount, portions)]
    others = [at for at, (one, exact) in enumerate(zip(shares, due, strict=True)) if one != model.cents(exact)]
    assert others in ([], [portions.index(max(portions))])
    assert all(abs(one - exact) < len(portions) * model.CENT for one, exact in zip(shares, due, strict=True))


@given(amounts, portions)
@many
def test_a_credit_is_shared_as_its_charge(amount: Decimal, portions: list[Decimal]) -> None:
    assert share(-amount, portions) == [-one for one in share(amount, portions)]


@given(amounts, st.integers(1, 12))
@many
def test_equal_parts_of_a_whole_add_up_to_the_amount(amount: Decimal, number: int) -> None:
    portions = [round(Decimal(100) / number, 2)] * number
    assert sum(share(amount, portions)) == amount


@pytest.mark.parametrize(
    ("amount", "portions", "shares"),
    [
        ("100", "100", "100"),
        ("100", "50 50", "50 50"),
        ("0.01", "50 50", "0 0.01"),
        ("100", "33.33 33.33 33.33", "33.34 33.33 33.33"),
        ("100", "33.333333333333336 33.333333333333336 33.333333333333336", "33.34 33.33 33.33"),
        ("100", "16.67 16.67 16.67 16.67 16.67 16.67", "16.65 16.67 16.67 16.67 16.67 16.67"),
        ("100", "33 33 33", "33 33 33"),
        ("100", "90", "90"),
        ("100", "99.99", "99.99"),
        ("100", "99.995", "100"),
        ("100", "70 50", "70 50"),
        ("0.03", "25 25 50", "0.01 0.01 0.01"),
        ("-100", "33.33 33.33 33.33", "-33.34 -33.33 -33.33"),
        ("0", "60 40", "0 0"),
        (f"{10**60}.01", "50 50", f"{5 * 10**59}.00 {5 * 10**59}.01"),
        (f"{10**60}.01", "33.33 33.33 33.33", f"{10**60 // 3}.33 {10**60 // 3}.34 {10**60 // 3}.34"),
    ],
)
def test_examples(amount: str, portions: str, shares: str) -> None:
    assert share(Decimal(amount), [*map(Decimal, portions.split())]) == [*map(Decimal, shares.split())]


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**40), max_value=10**40))
@example(Decimal("0.005"))
@example(Decimal("-0.005"))
@example(Decimal("1" * 400 + "." + "5" * 400))
@many
def test_half_a_cent_goes_away_from_zero(amount: Any) -> None:
    assert Fraction(to_cents(amount)) == model.cents(Fraction(amount))
