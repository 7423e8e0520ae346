"""Everything goes wrong at random, and still each row is taken once, or refused with a reason."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from service.exports.delivery.failures import BatchRefused, Unavailable
from tests.exports.delivery.conftest import batch
from tests.fullbay.draws import Draw
from tests.partner import Faults

Open = Callable[..., Any]
ROWS = 60


def refuses(row: Mapping[str, Any]) -> str | None:
    return f"no {row['customer_id']}" if Draw("bad", row["customer_id"]).chance(0.1) else None


def deliver(sender: Any, rows: list[int], key: str) -> dict[int, str]:
    """Send rows, in halves where they are refused; return what was not taken, and why."""

    def locate(told: Mapping[str, Any]) -> int | None:
        return rows.index(int(told["customer_id"])) if "customer_id" in told else None

    try:
        delivered = sender.send(batch(*rows), key, len(rows), locate)
    except BatchRefused as refusal:
        if len(rows) == 1:
            return {rows[0]: refusal.reason}
        half = len(rows) // 2
        return deliver(sender, rows[:half], f"{key}.0") | deliver(sender, rows[half:], f"{key}.1")
    except Unavailable:  # the next leg of a run sends it as it was
        return deliver(sender, rows, key)
    assert all(one.index is not None for one in delivered.failures)
    return {rows[one.index]: one.reason for one in delivered.failures}


@pytest.mark.parametrize("seed", range(40))
def test_each_row_is_taken_once_or_refused(start: Open, open_sender: Open, seed: int) -> None:
    stand_in = start(
        seed=seed,
        refuses=refuses,
        refusing="mixed",
        max_rows=7 if seed % 3 == 0 else None,
        token_uses=20 if seed % 4 == 0 else None,
        faults=Faults.random(seed, seconds=0.01),
    )
    sender = open_sender(stand_in, max_retries=200, timeout_seconds=2)
    parts = [list(range(at, at + 10)) for at in range(0, ROWS, 10)]
    with ThreadPoolExecutor(4) as threads:
        found = threads.map(lambda part: deliver(sender, part, f"run-{part[0]}"), parts)
        rejects = dict(itertools.chain.from_iterable(one.items() for one in found))
    taken = Counter(int(one.row["customer_id"]) for one in stand_in.rows)
    bad = {row for row in range(ROWS) if refuses({"customer_id": str(row)})}
    assert rejects == {row: f"no {row}" for row in bad}
    assert taken == Counter(set(range(ROWS)) - bad)
    assert stand_in.violations == []
    assert stand_in.leaks == []
