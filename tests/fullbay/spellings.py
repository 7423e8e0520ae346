"""The ways in which a partner writes one value: times in five spellings, money as number or text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from tests.fullbay.draws import Draw

OFFSETS = [timezone(timedelta(hours=hours)) for hours in (-7, -5, 0, 2)]


def spell_time(moment: datetime, draw: Draw) -> str:
    """Return a time as ISO 8601 in one of five spellings; none loses a microsecond."""
    naive = moment.replace(tzinfo=None)
    kind = draw.below(5)
    if kind == 0:
        return naive.isoformat() + "Z"
    if kind == 1:
        return naive.isoformat(timespec="microseconds") + "Z"
    if kind == 2:
        return naive.isoformat()
    if kind == 3:
        return naive.isoformat(" ")
    return moment.astimezone(draw.choice(OFFSETS)).isoformat()


def spell_start(moment: datetime, draw: Draw) -> str:
    """Return a time as `spell_time` does, and midnight as a plain date now and then."""
    if moment == midnight(moment) and draw.below(2):
        return moment.date().isoformat()
    return spell_time(moment, draw)


def midnight(moment: datetime) -> datetime:
    """Return the beginning of a time's day in UTC."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def spell_amount(amount: Decimal | None, draw: Draw) -> Any:
    """Return an amount as a number, `"1234.56"` or `"$1,234.56"`, and none as null or `""`."""
    kind = draw.below(4)
    if amount is None:
        return "" if kind == 0 else None
    if kind == 0:
        return f"{'-' if amount < 0 else ''}${abs(amount):,}"
    if kind == 1:
        return str(amount)
    return int(amount) if kind == 2 and amount == int(amount) else float(amount)


def spell_id(identifier: str, draw: Draw) -> Any:
    """Return an id as text, and as a number now and then."""
    return int(identifier) if identifier.isdecimal() and draw.below(16) == 0 else identifier


def cents(draw: Draw, most: int) -> Decimal:
    """Return an amount up to `most` cents, exact."""
    return Decimal(draw.below(most + 1)).scaleb(-2)
