"""Money to the cent, and its division among technicians by their portions."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_UP, Context, Decimal, localcontext

# Holds every digit of what is made of numbers of 400 digits; the default one rounds to 28.
EXACT = Context(prec=10_000, rounding=ROUND_HALF_UP, Emax=MAX_EMAX, Emin=MIN_EMIN)

WHOLE = Decimal(100)
_CENT = Decimal("0.01")
_ROUNDING = Decimal("0.005")  # of a portion that is written with two decimal places


def to_cents(amount: Decimal) -> Decimal:
    """Return an amount to the cent; half a cent goes away from zero, so that a credit mirrors its charge."""
    return amount.quantize(_CENT, context=EXACT)


def base_of(portions: Sequence[Decimal]) -> Decimal:
    """Return what the portions are parts of: 100, or their sum where only their rounding keeps it from being 100.

    Three thirds, written as 33.33 each, are a whole; 50 and 40 are nine tenths of one.
    """
    with localcontext(EXACT):
        total = sum(portions, Decimal())
        return total if abs(total - WHOLE) <= _ROUNDING * len(portions) else WHOLE


def share(amount: Decimal, portions: Sequence[Decimal]) -> list[Decimal]:
    """Return the portions of an amount of whole cents, each to the cent; there is one at least, and all are above 0.

    They add up to what they are together, to the cent: to the amount where they are a whole. What rounding leaves goes
    to the largest.
    """
    base = base_of(portions)
    with localcontext(EXACT):
        shares = [_part(amount, portion, base) for portion in portions]
        rest = _part(amount, sum(portions, Decimal()), base) - sum(shares)
        shares[portions.index(max(portions))] += rest
    return shares


def _part(amount: Decimal, portion: Decimal, base: Decimal) -> Decimal:
    # In whole numbers, because a quotient has no end: half a cent up, the sign put back afterwards.
    cents = (abs(amount) * 200 * portion + base) // (2 * base)
    return (cents * _CENT).copy_sign(amount)
