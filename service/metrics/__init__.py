"""What the service measures, and the two ways out of it.

    metrics.increment_counter("RecordsProcessed", 100, Source="work-orders")
    metrics.record_metric("SourceLatency", seconds, Source="work-orders")

Both are cheap, may be called from any thread, and never raise: what cannot be measured is left out, and the log says so
once. On Lambda the measurements of an invocation leave at its end, as lines of CloudWatch's embedded metric format
(`embedded`); elsewhere Prometheus asks for them at /metrics (`prometheus`). Every name stands in `table`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

from service.config import Config
from service.metrics.embedded import EmbeddedMetrics
from service.metrics.labels import Labels
from service.metrics.prometheus import Exposition
from service.metrics.table import COUNTER, METRICS, NONE, RESERVED, SUMMARY, Metric, snake

MAX_UNDECLARED = 100
MAX_KEPT = 2000  # series that are found without a search

Record = Callable[[float], None]

log = logging.getLogger(__name__)


class Unmeasurable(Exception):
    """Something that cannot be measured. The text is for the log and quotes nothing."""


_NAME = re.compile("[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)
_LARGEST = 2.0**360  # CloudWatch takes no larger

_way_out: EmbeddedMetrics | Exposition = Exposition()
_labels = Labels()
_undeclared: dict[str, Metric] = {}
_counters: dict[tuple[object, ...], Record] = {}
_values: dict[tuple[object, ...], Record] = {}
_complaints: set[str] = set()


def increment_counter(name: str, by: float = 1, **dimensions: Any) -> None:
    """Add to a counter. Never raises."""
    try:
        record = _counters.get((name, *dimensions.items())) or _find(_counters, name, True, dimensions)
        value = float(by)
        if not 0 <= value <= _LARGEST:
            raise Unmeasurable("a counter grows, by a finite number")
        record(value)
    except Exception as error:
        _complain(name, error)


def record_metric(name: str, value: float, **dimensions: Any) -> None:
    """Record a value: a duration in seconds, an age in seconds, a number. Never raises.

    A gauge of the table leaves at /metrics only where a function of `at_scrape` records it: nothing else can tell
    how something is at that moment.
    """
    try:
        record = _values.get((name, *dimensions.items())) or _find(_values, name, False, dimensions)
        value = float(value)
        if not -_LARGEST <= value <= _LARGEST:
            raise Unmeasurable("a value is a finite number")
        record(value)
    except Exception as error:
        _complain(name, error)


def at_scrape(function: Callable[[], None]) -> None:
    """Let a function record gauges whenever /metrics is asked for, in the application's context.

    One that fails is logged and left out.
    """
    if function not in scraped:
        scraped.append(function)


scraped: list[Callable[[], None]] = []


def configure(config: Config) -> None:
    """Choose the way out: on Lambda CloudWatch's format, elsewhere Prometheus's."""
    global _way_out
    if config.is_lambda:
        _way_out = EmbeddedMetrics(config.environment)
    elif isinstance(_way_out, EmbeddedMetrics):
        _way_out = Exposition()
    _counters.clear()
    _values.clear()


def flush() -> None:
    """Write out what was measured since the last time, on Lambda. An invocation ends with it."""
    if isinstance(_way_out, EmbeddedMetrics):
        _way_out.flush()


def exposition() -> Exposition | None:
    """Return what answers /metrics, None on Lambda."""
    return None if isinstance(_way_out, EmbeddedMetrics) else _way_out


def _find(kept: dict[tuple[object, ...], Record], name: str, is_counter: bool, dimensions: dict[str, Any]) -> Record:
    metric = _metric(name, is_counter)
    if strangers := dimensions.keys() - set(metric.dimensions):
        _complain(name, Unmeasurable(f"{len(strangers)} of its dimensions do not stand in the table"))
    record = _way_out.series(metric, _labels.of(metric, dimensions))
    if len(kept) < MAX_KEPT:
        kept[(name, *dimensions.items())] = record
    return record


def _metric(name: str, is_counter: bool) -> Metric:
    key = snake(name)
    metric = METRICS.get(key)
    if metric is None:
        kind = COUNTER if is_counter else SUMMARY
        metric = _undeclared.get(f"{kind} {key}") or _declare(name, kind)
    if is_counter and metric.kind != COUNTER:
        raise Unmeasurable("it is no counter")
    return metric


def _declare(name: str, kind: str) -> Metric:
    if not _NAME.fullmatch(name) or name in RESERVED or len(_undeclared) >= MAX_UNDECLARED:
        raise Unmeasurable("it does not stand in the table, and cannot be added")
    metric = Metric(name, kind, NONE, (), "Not in the table.")
    return _undeclared.setdefault(f"{kind} {snake(name)}", metric)


def _complain(name: object, error: Exception) -> None:
    """Say once that something cannot be measured, without what it was: only its name, where it is one."""
    told = name if isinstance(name, str) and _NAME.fullmatch(name) else "(no name)"
    reason = str(error) if isinstance(error, Unmeasurable) else type(error).__name__
    if told not in _complaints and len(_complaints) < MAX_UNDECLARED:
        _complaints.add(told)
        log.warning("something could not be measured", extra={"metric": told, "reason": reason})
