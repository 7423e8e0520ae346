"""CloudWatch, as far as alarms need it: metrics read from lines of the embedded format, and alarms evaluated on them.

How missing data count: docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html. Of the ways
to treat them the two are known that leave no alarm in between.
"""

from __future__ import annotations

import ast
import json
import math
import operator
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Values = dict[str, Any]

MISSING = {"breaching": True, "notBreaching": False}
FURTHER_PERIODS = 2  # that CloudWatch looks back where data are missing: 5 for 3 in the tables of its guide
OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


class Key(NamedTuple):
    """What a metric is known by: another dimension, or one less, is another metric."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]


class Datum(NamedTuple):
    """One value that was put, at a time in seconds."""

    at: float
    value: float
    unit: str


class CloudWatch:
    """Metrics, and the states of alarms on them. `now` is the time in seconds, and moves when it is told to."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.data: defaultdict[Key, list[Datum]] = defaultdict(list)

    def put(self, namespace: str, name: str, value: float, unit: str, **dimensions: str) -> None:
        """Put a value, as a service of AWS does."""
        self.data[Key(namespace, name, frozenset(dimensions.items()))].append(Datum(self.now, value, unit))

    def read(self, output: str) -> None:
        """Read what a function printed: each directive of a line names metrics, once for each set of dimensions."""
        for line in output.splitlines():
            if '"_aws"' not in line:
                continue
            document = json.loads(line)
            for directive in document["_aws"]["CloudWatchMetrics"]:
                for names in directive["Dimensions"]:
                    self._read(document, directive, {name: document[name] for name in names})

    def _read(self, document: Values, directive: Values, dimensions: dict[str, str]) -> None:
        for metric in directive["Metrics"]:
            values = document[metric["Name"]]
            for value in values if isinstance(values, list) else [values]:
                self.put(directive["Namespace"], metric["Name"], value, metric.get("Unit", "None"), **dimensions)

    def state(self, alarm: Values) -> str:
        """Return ALARM or OK for an alarm with the values that Terraform gave it."""
        periods = alarm["evaluation_periods"]
        series = [self._point(alarm, back) for back in range(periods + FURTHER_PERIODS)]
        recent = series[:periods]
        if None in recent:
            known = [point for point in series if point is not None][:periods]
            recent = [*known, *[None] * (periods - len(known))]
        breaches = COMPARISONS[alarm["comparison_operator"]]
        is_missing_bad = MISSING[alarm["treat_missing_data"]]
        bad = sum(is_missing_bad if point is None else breaches(point, alarm["threshold"]) for point in recent)
        return "ALARM" if bad >= (alarm["datapoints_to_alarm"] or periods) else "OK"

    def _point(self, alarm: Values, back: int) -> float | None:
        """Return the value of a period, so many periods back; None where there is none."""
        if not alarm["metric_query"]:
            return self._statistic(alarm, alarm["statistic"] or alarm["extended_statistic"], back)
        metrics = {query["id"]: query["metric"][0] for query in alarm["metric_query"] if query["metric"]}
        (expression,) = [query["expression"] for query in alarm["metric_query"] if query["return_data"]]
        points = {name: self._statistic(metric, metric["stat"], back) for name, metric in metrics.items()}
        return _calculated(ast.parse(expression, mode="eval").body, points)

    def _statistic(self, metric: Values, statistic: str, back: int) -> float | None:
        key = Key(metric["namespace"], metric["metric_name"], frozenset((metric["dimensions"] or {}).items()))
        end = self.now - back * metric["period"]
        values = [
            datum.value
            for datum in self.data.get(key, [])
            if end - metric["period"] < datum.at <= end and metric["unit"] in (None, "", datum.unit)
        ]
        return _reduced(values, statistic) if values else None


def _reduced(values: list[float], statistic: str) -> float:
    if statistic.startswith("p"):
        ordered = sorted(values)
        return ordered[math.ceil(float(statistic[1:]) / 100 * len(ordered)) - 1]
    average = sum(values) / len(values)
    return {"Sum": sum(values), "Maximum": max(values), "Minimum": min(values), "Average": average}[statistic]


def _calculated(node: ast.expr, points: Mapping[str, float | None]) -> float | None:
    """Return what an expression of metric math comes to; None where something of it is missing, or is divided by 0."""
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.Name(id=name):
            return points[name]
        case ast.Call(func=ast.Name(id="FILL"), args=[of, instead]):
            found = _calculated(of, points)
            return _calculated(instead, points) if found is None else found
        case ast.BinOp(left=left, op=operation, right=right):
            first, second = _calculated(left, points), _calculated(right, points)
            if first is None or second is None or (isinstance(operation, ast.Div) and second == 0):
                return None
            return OPERATORS[type(operation)](first, second)
    raise ValueError(f"not known of metric math: {ast.unparse(node)}")
