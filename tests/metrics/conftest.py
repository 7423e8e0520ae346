"""Both ways out, each fresh, and what came out of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from service import metrics
from service.config import Config, FunctionConfig
from service.metrics import labels, prometheus

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
FUNCTION = FunctionConfig("headgate", None, 1024, None)


def samples_of(text: bytes | str) -> Samples:
    """Read an exposition as Prometheus does: the value of each name with its labels."""
    lines = text.decode() if isinstance(text, bytes) else text
    found: Samples = {}
    for family in text_string_to_metric_families(lines):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, f"{key} twice"
            found[key] = sample.value
    return found


def value_of(samples: Samples, name: str, **given: str) -> float | None:
    return samples.get((name, frozenset(given.items())))


def documents_of(output: str) -> list[dict[str, Any]]:
    """Read the lines of an output that are in the embedded metric format."""
    return [json.loads(line) for line in output.splitlines() if '"_aws"' in line]


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing measured, declared or complained about yet; afterwards all as before."""
    for name, value in {
        "_way_out": prometheus.Exposition(),
        "_labels": labels.Labels(),
        "_undeclared": {},
        "_complaints": set(),
        "_counters": {},
        "_values": {},
        "scraped": [],
    }.items():
        monkeypatch.setattr(metrics, name, value)


@pytest.fixture
def scrape(fresh: None) -> Callable[[], Samples]:
    """Returns what Prometheus would read now."""

    def read() -> Samples:
        way_out = metrics.exposition()
        assert way_out is not None
        return samples_of(way_out.text(metrics.scraped))

    return read


@pytest.fixture
def flushed(fresh: None, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Returns what has left for CloudWatch since the last time."""
    metrics.configure(Config(function=FUNCTION, environment="test"))

    def read() -> list[dict[str, Any]]:
        metrics.flush()
        return documents_of(capsys.readouterr().out)

    yield read
    metrics.configure(Config())


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads that interrupt each other all the time."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)
