"""Whatever goes wrong, and however much of it at once: every selected row is taken once or listed with its reason.

`FAULT_SEEDS=2000` lives more lives than the suite does (`make soak`), `FAULT_SEED=17` the one that failed.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from service import config
from service.app import create_app
from tests.exports.conftest import Cloud, Installation
from tests.exports.lives import QUICK, Life
from tests.exports.rows import Refusing, rows
from tests.forks import Forks
from tests.partner import Faults, Partner
from tests.partner.records import MIXED
from tests.partner.spellings import BATCH

SEEDS = int(os.environ.get("FAULT_SEEDS", "150"))
ONE = os.environ.get("FAULT_SEED")
CHUNKS = int(os.environ.get("FAULT_CHUNKS", "10"))


@pytest.fixture(scope="module")
def installation(install: Callable[..., Installation]) -> Installation:
    return install()


@pytest.fixture(scope="module")
def settings(installation: Installation) -> config.Config:
    return config.load(installation.environ)


@pytest.fixture(scope="module")
def app(settings: config.Config) -> Iterator[Any]:
    app = create_app(settings)
    yield app
    app.extensions["database"].close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, value in QUICK:
        monkeypatch.setattr(module, name, value)


def seeds() -> list[range]:
    if ONE:
        return [range(int(ONE), int(ONE) + 1)]
    size = max(1, SEEDS // CHUNKS)
    return [range(first, min(first + size, SEEDS)) for first in range(0, SEEDS, size)]


@pytest.mark.slow
@pytest.mark.timeout(SEEDS * 6 + 60)
@pytest.mark.parametrize("chunk", seeds(), ids=lambda chunk: f"{chunk[0]} to {chunk[-1]}")
def test_no_row_is_lost_or_doubled(
    installation: Installation, settings: config.Config, app: Any, cloud: Cloud, chunk: range
) -> None:
    ends: Counter[str] = Counter()
    for seed in chunk:
        installation.empty()
        try:
            ends.update(Life(seed, app, settings, installation.sql, installation.recorded, cloud).live())
        except BaseException as error:
            error.add_note(f"again: FAULT_SEED={seed} python -m pytest {__file__}")
            raise
    print(ends)


@pytest.mark.slow
@pytest.mark.timeout(SEEDS * 6 + 60)
def test_nor_where_processes_are_killed_besides(install: Callable[..., Installation], forks: Forks) -> None:
    installation = install()
    constants = {f"{module.__name__}.{name}": value for module, name, value in QUICK}
    for seed in [int(ONE)] if ONE else range(SEEDS // 12):
        draw = random.Random(f"kills {seed}")
        installation.wait_until_left()
        installation.empty()
        records = rows(draw.choice([30, 60, 120]))
        installation.recorded.put(records)
        refusing = Refusing(*draw.sample(range(1, len(records) + 1), draw.choice([0, 3, 6])))
        spelling = draw.choice([BATCH, MIXED])
        with Partner(seed, refuses=refusing, refusing=spelling, faults=Faults.random(seed, most=4)) as partner:
            installation.send_to(partner)
            run_id = installation.begin(mode=draw.choice(["full", "changed"]))
            try:
                for _ in range(draw.randint(2, 6)):
                    kind = draw.choice(["statement", "sent", "answered", "transaction", "request", "response"])
                    at = kind, draw.randint(1, 25 if kind in ("sent", "statement", "answered") else 12)
                    environ = installation.environ | {"EXPORT_CONCURRENCY": str(draw.choice([1, 2, 6]))}
                    forks.run(environ=environ, lake=installation.lake, run=run_id, at=at, constants=constants)
                    installation.wait_until_left()
                    installation.assert_true(partner, run_id, records)
                partner.faults = []
                if installation.assert_true(partner, run_id, records).status not in ("SUCCEEDED", "PARTIAL"):
                    assert installation.finish(run_id) in ("SUCCEEDED", "PARTIAL")
                installation.assert_true(partner, run_id, records)
            except BaseException as error:
                error.add_note(f"kills of seed {seed}")
                raise
