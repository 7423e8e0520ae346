"""The way out for Prometheus: text at /metrics, by the library of its authors.

Under gunicorn each worker counts in files of its own, in a directory of all, and whoever is asked adds them up
(`processes`); a single process counts in memory. The library is imported with the first measurement, not before: on
Lambda never.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from service.metrics import processes
from service.metrics.table import COUNTER, GAUGE, HISTOGRAM, METRICS, SECONDS, SUMMARY, TABLE, Metric

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "headgate"

log = logging.getLogger(__name__)

_local = threading.local()


class Exposition:
    """Keeps the measurements of this process, and tells those of all processes of the service."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._families: dict[str, Any] = {}
        self._registry: Any = None

    def series(self, metric: Metric, labels: tuple[str, ...]) -> Callable[[float], None]:
        """Return what takes the values of a metric with these labels."""
        if metric.kind == GAUGE:
            return lambda value: _tell(metric, labels, value)
        family = self._family(metric)
        child = family.labels(*labels) if labels else family
        record: Callable[[float], None] = child.inc if metric.kind == COUNTER else child.observe
        return record

    def text(self, functions: Iterable[Callable[[], None]] = ()) -> bytes:
        """Return the measurements of all processes, and the gauges that these functions record now."""
        from prometheus_client import generate_latest

        for metric in TABLE:
            if metric.kind != GAUGE and not metric.dimensions:
                self._family(metric)  # at 0, if nothing has happened yet
        return generate_latest(_Scrape([*self._counted(), *_gauges(functions)]))

    def _counted(self) -> Iterable[Any]:
        from prometheus_client.multiprocess import MultiProcessCollector

        directory = processes.shared_directory()
        if directory is None:
            return self._registry.collect()  # type: ignore[no-any-return]
        # A process that is just beginning, or was killed while it was, leaves a file of no length.
        files = [str(path) for path in sorted(directory.glob("*.db")) if path.stat().st_size > 0]
        return MultiProcessCollector.merge(files)  # type: ignore[no-any-return]

    def _family(self, metric: Metric) -> Any:
        key = f"{metric.kind} {metric.key}"
        family = self._families.get(key)
        if family is None:
            with self._lock:
                family = self._families.get(key) or self._made(metric)
                self._families[key] = family
        return family

    def _made(self, metric: Metric) -> Any:
        import prometheus_client
        from prometheus_client import Counter, Histogram, Summary

        if self._registry is None:
            prometheus_client.disable_created_metrics()  # a second series of each, which nobody asks for
            self._registry = prometheus_client.CollectorRegistry()
        names = [dimension.lower() for dimension in metric.dimensions]
        if metric.kind == HISTOGRAM:
            return Histogram(
                family_name(metric), metric.meaning, names, registry=self._registry, buckets=metric.buckets
            )
        kind = Counter if metric.kind == COUNTER else Summary
        return kind(family_name(metric), metric.meaning, names, registry=self._registry)


class _Scrape(NamedTuple):
    """What the library writes down: it asks who collects."""

    families: list[Any]

    def collect(self) -> list[Any]:
        return self.families


def _gauges(functions: Iterable[Callable[[], None]]) -> Iterable[Any]:
    """Return what functions record at this moment. One that fails tells nothing, and keeps no other from it."""
    from prometheus_client.core import GaugeMetricFamily

    told: dict[tuple[Metric, tuple[str, ...]], float] = {}
    for function in functions:
        _local.told = {}
        try:
            function()
            told |= _local.told
        except Exception as error:
            name = getattr(function, "__qualname__", type(function).__name__)
            reason = getattr(error, "reason", type(error).__name__)
            log.exception("a gauge could not be recorded", extra={"function": name, "reason": reason})
        finally:
            _local.told = None
    families: dict[Metric, Any] = {}
    for (metric, labels), value in told.items():
        if metric not in families:
            names = [dimension.lower() for dimension in metric.dimensions]
            families[metric] = GaugeMetricFamily(family_name(metric), metric.meaning, labels=names)
        families[metric].add_metric(labels, value)
    return families.values()


def _tell(metric: Metric, labels: tuple[str, ...], value: float) -> None:
    told: dict[tuple[Metric, tuple[str, ...]], float] | None = getattr(_local, "told", None)
    if told is not None:
        told[(metric, labels)] = value


def family_name(metric: Metric) -> str:
    """Return what Prometheus calls a metric. What does not stand in the table is kept apart from what does."""
    if METRICS.get(metric.key) is metric:
        unit = "_seconds" if metric.unit == SECONDS else ""
        total = "_total" if metric.kind == COUNTER else ""
        return f"{PREFIX}_{metric.key}{unit}{total}"
    return f"{PREFIX}_{'recorded' if metric.kind == SUMMARY else 'counted'}_{metric.key}"
