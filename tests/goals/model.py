"""Progress as docs/decisions/2026-11-21-progress.md defines it: day by day, in fractions, without the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo


class Activity(NamedTuple):
    """What was done."""

    id: UUID
    value: Decimal
    kind: str
    moment: datetime
    created: datetime


class Goal(NamedTuple):
    """What progress depends on."""

    id: UUID
    pattern: str
    value: Decimal
    period: str | None
    start_value: Decimal | None
    direction: str | None
    target_type: str | None
    min_value: Decimal | None
    max_value: Decimal | None
    weekdays: tuple[int, ...] | None
    created: datetime


PERIODS: dict[str, Callable[[date], Any]] = {
    "day": lambda day: day,
    "week": lambda day: day.isocalendar()[:2],
    "month": lambda day: (day.year, day.month),
    "quarter": lambda day: (day.year, (day.month - 1) // 3),
    "year": lambda day: day.year,
}


def progress(goal: Goal, activities: Iterable[Activity], zone: str, now: datetime) -> dict[str, Any]:
    """Return the answer of the service."""
    so_far = [activity for activity in activities if activity.moment <= now]
    counted = sorted(
        (activity for activity in so_far if activity.kind != "skipped"),
        key=lambda activity: (activity.moment, activity.created, activity.id),
    )
    values = [Fraction(activity.value) for activity in counted]
    done: dict[date, Fraction] = defaultdict(Fraction)
    for activity in counted:
        done[local_day(activity.moment, zone)] += Fraction(activity.value)
    days = calendar(
        [local_day(goal.created, zone), local_day(now, zone), *done], local_day(now, zone), list(done), zone
    )
    current_run, longest_run = runs([day in done for day in days])
    met, periods, running = (
        by_period(goal, done, days) if goal.pattern in ("recurring", "limit") else (0, 0, Fraction())
    )
    newest = values[-1] if values else (None if goal.start_value is None else Fraction(goal.start_value))
    share, current = {
        "recurring": lambda: (Fraction(met, periods), running),
        "limit": lambda: (Fraction(met, periods), running),
        "milestone": lambda: (sum(values) / Fraction(goal.value), Fraction(sum(values))),
        "streak": lambda: (current_run / Fraction(goal.value), Fraction(current_run)),
        "target": lambda: (way(goal, newest or Fraction()), newest),
    }[goal.pattern]()
    expected = [day for day in days if goal.weekdays is None or day.isoweekday() in goal.weekdays]
    lowest = goal.direction == "decrease" or goal.pattern == "limit"
    return {
        "goalId": str(goal.id),
        "goalPattern": goal.pattern,
        "asOf": now.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "timezone": zone,
        "progress": rounded(100 * min(max(share, Fraction()), Fraction(1)), 2),
        "current": exact(current),
        "target": goal.value,
        "unit": "km",
        "total": exact(Fraction(sum(values))),
        "average": rounded(Fraction(sum(values), len(values)), 6) if values else None,
        "best": exact((min if lowest else max)(values)) if values else None,
        "activities": len(so_far),
        "skipped": len(so_far) - len(counted),
        "consistency": rounded(Fraction(sum(day in done for day in expected), len(expected)), 4) if expected else None,
        "trend": trend(values[-5:]),
        "periods": {"met": met, "total": periods} if periods else None,
        "streak": {"current": current_run, "longest": longest_run},
    }


def local_day(moment: datetime, zone: str) -> date:
    """Return the day on a calendar at that place."""
    return moment.astimezone(ZoneInfo(zone)).date()


@cache
def is_on_calendar(day: date, zone: str) -> bool:
    """Return whether a place has had this day: some hour of it must have come."""
    noon = datetime.combine(day, time(12), UTC)
    return any(local_day(noon + timedelta(hours=hour), zone) == day for hour in range(-30, 31))


def calendar(began: list[date], today: date, active: list[date], zone: str) -> list[date]:
    """Return the days of a goal up to today."""
    first, last = min(began), max([today, *active])
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return [day for day in days if is_on_calendar(day, zone)]


def runs(is_active: list[bool]) -> tuple[int, int]:
    """Return the days in a row up to today, or up to yesterday where today is still to come; and the most ever."""
    lengths = [0]
    for active in is_active:
        lengths.append(lengths[-1] + 1 if active else 0)
    return lengths[-1] or (lengths[-2] if len(lengths) > 1 else 0), max(lengths)


def by_period(goal: Goal, done: dict[date, Fraction], days: list[date]) -> tuple[int, int, Fraction]:
    """Return how many periods met the target, how many there are, and what was done in the running one."""
    period_of = PERIODS[str(goal.period)]
    sums = {period_of(day): Fraction() for day in days}
    for day, value in done.items():
        sums[period_of(day)] += value
    return sum(is_met(goal, total) for total in sums.values()), len(sums), sums[period_of(days[-1])]


def is_met(goal: Goal, total: Fraction) -> bool:
    """Return whether the sum of a period is what the goal asks for."""
    kind = "maximum" if goal.pattern == "limit" else goal.target_type or "minimum"
    if kind == "range":
        return Fraction(goal.min_value or 0) <= total <= Fraction(goal.max_value or 0)
    return {"minimum": total >= goal.value, "maximum": total <= goal.value, "exact": total == goal.value}[kind]


def way(goal: Goal, current: Fraction) -> Fraction:
    """Return the share of the way from the start to the target that lies behind."""
    start, end = Fraction(goal.start_value or 0), Fraction(goal.value)
    if start == end:
        return Fraction(current == start)
    return (current - start) / (end - start)


def trend(values: list[Fraction]) -> str:
    """Return where the line of least squares through the values goes."""
    if len(values) < 2:
        return "stable"
    mean = sum(values) / len(values)
    middle = Fraction(len(values) - 1, 2)
    slope = sum((x - middle) * (y - mean) for x, y in enumerate(values)) / sum(
        (x - middle) ** 2 for x in range(len(values))
    )
    if abs(slope) <= abs(mean) / 100:
        return "stable"
    return "up" if slope > 0 else "down"


def rounded(value: Fraction, places: int) -> Decimal:
    """Return the nearest decimal with so many places, halves away from zero."""
    scaled = abs(value) * 10**places
    whole = scaled.numerator // scaled.denominator
    whole += scaled - whole >= Fraction(1, 2)
    return Decimal(whole if value >= 0 else -whole).scaleb(-places)


def exact(value: Fraction | None) -> Decimal | None:
    """Return a fraction that is a decimal of at most six places."""
    if value is None:
        return None
    scaled = value * 10**6
    assert scaled.denominator == 1
    return Decimal(scaled.numerator).scaleb(-6)
