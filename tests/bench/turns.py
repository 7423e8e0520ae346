"""Contenders that take turns, so that what disturbs the machine disturbs all of them alike."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.bench.report import Spread

WARM_UP_SHARE = 0.1


class Contender(NamedTuple):
    """Somebody who does the work: `prepare` makes what `run` gets; only `run` is timed."""

    name: str
    prepare: Callable[[], Any]
    run: Callable[[Any], Any]


def take_turns(contenders: list[Contender], rounds: int, scale: float = 1000) -> dict[str, Spread]:
    """Return the time of each contender by name: in ms, or in what `scale` makes of a second.

    The first tenth of the rounds warms up caches, plans and connections and is not counted.
    """
    samples: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for turn in range(rounds):
        first = turn % len(contenders)
        for name, prepare, run in contenders[first:] + contenders[:first]:
            prepared = prepare()
            started = time.perf_counter()
            run(prepared)
            samples[name].append((time.perf_counter() - started) * scale)
    warm_up = max(1, int(rounds * WARM_UP_SHARE))
    return {name: Spread.of(times[warm_up:]) for name, times in samples.items()}


def say(text: str) -> None:
    """Tell on standard error how far the run is."""
    print(f"bench: {text}", file=sys.stderr, flush=True)
