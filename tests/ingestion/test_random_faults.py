"""Whatever goes wrong, and however much of it at once: what the tables hold is the source, or the run says what is not.

`FAULT_SEEDS=2000` lives more lives than the suite does (`make soak`), `FAULT_SEED=17` the one that failed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from service import config
from service.app import create_app
from tests.ingestion.conftest import Installation
from tests.ingestion.mishaps import QUICK, Life

SEEDS = int(os.environ.get("FAULT_SEEDS", "150"))
ONE = os.environ.get("FAULT_SEED")
CHUNKS = int(os.environ.get("FAULT_CHUNKS", "10"))


@pytest.fixture(scope="module")
def installation(install: Callable[..., Installation]) -> Installation:
    made: Installation = install()
    return made


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
def test_no_difference_is_silent(installation: Installation, settings: config.Config, app: Any, chunk: range) -> None:
    ends: Counter[str] = Counter()
    for seed in chunk:
        installation.empty()
        try:
            ends.update(Life(seed, app, settings, installation.sql).live())
        except BaseException as error:
            error.add_note(f"again: FAULT_SEED={seed} python -m pytest {__file__}")
            raise
    print(ends)
