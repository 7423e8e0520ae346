"""When a schedule is due, in the words of EventBridge: `rate(6 hours)`, `cron(0 9 ? * MON-FRI *)`. Times are UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

DEFAULT = "rate(1 day)"
LAST_YEAR = 2199  # that EventBridge knows

_RATE = re.compile(r"rate\(\s*([1-9][0-9]{0,8})\s+(minute|hour|day)(s?)\s*\)")
_CRON = re.compile(r"cron\((.*)\)")


class WrongExpression(ValueError):
    """The text is no schedule expression; the message says why."""


def check(expression: str) -> None:
    """Raise `WrongExpression` for a text that EventBridge would refuse, or that is never due."""
    next_after(expression, datetime.now(UTC))


def next_after(expression: str, moment: datetime, previous: datetime | None = None) -> datetime:
    """Return when a schedule is due first after `moment`. Raises `WrongExpression`.

    A rate counts from `previous`, the time that it was due before; where there is none it is due at `moment`.
    """
    if rate := _RATE.fullmatch(expression):
        number, unit, plural = int(rate[1]), rate[2], rate[3]
        if (number > 1) != bool(plural):
            raise WrongExpression(f"{expression} must be rate({number} {unit}{'s' if number > 1 else ''})")
        if previous is None:
            return moment
        try:
            interval = timedelta(**{f"{unit}s": number})
            return previous + interval * max(1, -((previous - moment) // interval))
        except OverflowError:
            raise WrongExpression(f"{expression} is never due") from None
    if cron := _CRON.fullmatch(expression):
        return _next_of_cron(expression, " ".join(cron[1].split()), moment)
    raise WrongExpression(f"{expression} is neither like rate(6 hours) nor like cron(0 9 ? * MON-FRI *)")


def _next_of_cron(expression: str, fields: str, moment: datetime) -> datetime:
    schedule = _cron(expression, fields)
    while moment.year <= LAST_YEAR:
        found: datetime | None = schedule.occurrence(moment).next()
        if found:
            return found
        # It gives up after ten steps, which for the 29th of February is too early: on with the next month.
        month = (moment + timedelta(minutes=1)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        moment = (month + timedelta(days=32)).replace(day=1) - timedelta(minutes=1)
    raise WrongExpression(f"{expression} is never due")


@lru_cache(maxsize=8)
def _cron(expression: str, fields: str) -> Any:
    from aws_croniter import AwsCroniter

    try:
        return AwsCroniter(fields)
    except Exception as error:
        raise WrongExpression(f"{expression} is no cron expression of EventBridge: {error}") from error
