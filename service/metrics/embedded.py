"""The way out on Lambda: lines of CloudWatch's embedded metric format on standard output.

What an invocation measures is gathered and leaves in as few lines as can be: in one, unless two series of the same
name are in it. CloudWatch reads from each line the metrics that its directives name; the other members are for people.

Each metric is told for the whole installation (dimension `Environment`, so that one alarm covers all routes, jobs and
sources), and once more apart by its own dimensions.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from service import logs
from service.metrics.labels import OTHER, is_safe
from service.metrics.table import COUNTER, GAUGE, Metric

NAMESPACE = "Headgate"
MAX_METRICS = 100  # of a line; CloudWatch reads no more
MAX_VALUES = 100  # of a metric in a line

Document = dict[str, Any]


@dataclass
class _Series:
    metric: Metric
    labels: dict[str, str]
    values: list[float] = field(default_factory=list)


class EmbeddedMetrics:
    """Gathers measurements, and writes them to standard output when told."""

    def __init__(self, environment: str) -> None:
        self._environment = environment if is_safe("Environment", environment) else OTHER
        self._lock = threading.Lock()
        self._gathered: dict[tuple[str, ...], _Series] = {}

    def series(self, metric: Metric, labels: tuple[str, ...]) -> Callable[[float], None]:
        """Return what takes the values of a metric with these labels."""
        key = (metric.kind, metric.key, *labels)
        given = {name: label for name, label in zip(metric.dimensions, labels, strict=True) if label}

        def record(value: float) -> None:
            with self._lock:
                series = self._gathered.get(key)
                if series is None:
                    series = self._gathered[key] = _Series(metric, given)
                if metric.kind == COUNTER:
                    series.values[:] = [sum(series.values) + value]
                elif metric.kind == GAUGE:
                    series.values[:] = [value]
                else:
                    series.values.append(value)
                is_full = len(series.values) >= MAX_VALUES
            if is_full:
                self.flush()

        return record

    def flush(self) -> None:
        """Write what was gathered, as one line or a few; nothing where nothing was."""
        with self._lock:
            gathered, self._gathered = list(self._gathered.values()), {}
        if gathered:
            lines = [json.dumps(document, separators=(",", ":")) for document in self._documents(gathered)]
            sys.stdout.write("\n".join(lines) + "\n")
            sys.stdout.flush()

    def _documents(self, gathered: list[_Series]) -> list[Document]:
        documents: list[Document] = []
        for series in gathered:
            members = series.labels | {series.metric.name: _value(series)}
            for document in documents:
                if _has_room(document, members):
                    break
            else:
                document = self._document()
                documents.append(document)
            document.update(members)
            _direct(document, series)
        return documents

    def _document(self) -> Document:
        about = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": []}
        return {"_aws": about, "Environment": self._environment, "requestId": logs.last_request_id()}


def _value(series: _Series) -> float | list[float]:
    values = [round(value, 6) for value in series.values]
    return values if len(values) > 1 else values[0]


def _has_room(document: Document, members: Document) -> bool:
    """Tell whether members fit into a line: none of them says something else there, and a metric is there only once."""
    *labels, name = members
    directives = document["_aws"]["CloudWatchMetrics"]
    return (
        sum(len(directive["Metrics"]) for directive in directives) < MAX_METRICS
        and name not in document
        and all(document.get(label, members[label]) == members[label] for label in labels)
    )


def _direct(document: Document, series: _Series) -> None:
    """Name a metric in the directive of its dimensions."""
    totals = ["Environment"]
    dimensions = [totals, [*totals, *series.labels]] if series.labels else [totals]
    definition = {"Name": series.metric.name, "Unit": series.metric.unit}
    directives = document["_aws"]["CloudWatchMetrics"]
    for directive in directives:
        if directive["Dimensions"] == dimensions:
            directive["Metrics"].append(definition)
            return
    directives.append({"Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": [definition]})
