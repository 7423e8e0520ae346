"""The way out on Lambda: lines that CloudWatch reads metrics from, within its limits, with nothing lost."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service import lambda_handler, logs, metrics
from service.config import Config, FunctionConfig
from service.metrics.embedded import MAX_METRICS, MAX_VALUES
from service.metrics.table import METRICS, TABLE
from tests.metrics.conftest import FUNCTION

Documents = list[dict[str, Any]]
Flushed = Callable[[], Documents]

UNITS = ["Seconds", "Count", "None"]
SCHEMA = {  # of a line, as CloudWatch's specification of the format has it
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["CloudWatchMetrics", "Timestamp"],
            "additionalProperties": False,
            "properties": {
                "Timestamp": {"type": "integer"},
                "CloudWatchMetrics": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["Namespace", "Dimensions", "Metrics"],
                        "additionalProperties": False,
                        "properties": {
                            "Namespace": {"const": "Headgate"},
                            "Dimensions": {
                                "type": "array",
                                "minItems": 1,
                                "items": {
                                    "type": "array",
                                    "minItems": 1,
                                    "maxItems": 30,
                                    "items": {"type": "string", "minLength": 1, "maxLength": 250},
                                },
                            },
                            "Metrics": {
                                "type": "array",
                                "minItems": 1,
                                "maxItems": 100,
                                "items": {
                                    "type": "object",
                                    "required": ["Name", "Unit"],
                                    "additionalProperties": False,
                                    "properties": {
                                        "Name": {"type": "string", "minLength": 1, "maxLength": 1024},
                                        "Unit": {"enum": UNITS},
                                    },
                                },
                            },
                        },
                    },
                },
            },
        }
    },
}


def read(documents: Documents) -> dict[tuple[str, tuple[tuple[str, str], ...]], list[float]]:
    """Read lines as CloudWatch does: the values of each metric, for each set of its dimensions."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], list[float]] = {}
    for document in documents:
        jsonschema.validate(document, SCHEMA)
        assert abs(document["_aws"]["Timestamp"] / 1000 - time.time()) < 60
        names = []
        for directive in document["_aws"]["CloudWatchMetrics"]:
            for metric in directive["Metrics"]:
                names.append(metric["Name"])
                values = document[metric["Name"]]
                values = values if isinstance(values, list) else [values]
                assert 1 <= len(values) <= MAX_VALUES
                assert all(isinstance(value, (int, float)) for value in values)
                for dimensions in directive["Dimensions"]:
                    labels = tuple((name, document[name]) for name in dimensions)
                    assert all(isinstance(label, str) and label for _, label in labels)
                    found.setdefault((metric["Name"], labels), []).extend(values)
        assert len(names) == len(set(names)) <= MAX_METRICS
    return found


ALL = ("Environment", "test")


def test_what_one_invocation_measures_is_one_line(flushed: Flushed) -> None:
    metrics.increment_counter("ColdStarts")
    metrics.increment_counter("Requests", Method="GET", Route="/health", Status="2xx")
    metrics.record_metric("Latency", 0.0123456789, Method="GET", Route="/health")
    metrics.record_metric("PoolWait", 0)
    metrics.record_metric("api_response_time", 1.5)
    documents = flushed()
    assert len(documents) == 1
    route = (ALL, ("Method", "GET"), ("Route", "/health"))
    assert read(documents) == {
        ("ColdStarts", (ALL,)): [1],
        ("Requests", (ALL,)): [1],
        ("Requests", (*route, ("Status", "2xx"))): [1],
        ("Latency", (ALL,)): [0.012346],
        ("Latency", route): [0.012346],
        ("PoolWait", (ALL,)): [0],
        ("api_response_time", (ALL,)): [1.5],
    }
    units = {
        metric["Name"]: metric["Unit"] for d in documents[0]["_aws"]["CloudWatchMetrics"] for metric in d["Metrics"]
    }
    assert (units["Latency"], units["Requests"], units["api_response_time"]) == ("Seconds", "Count", "None")


def test_nothing_measured_is_no_line(flushed: Flushed) -> None:
    assert flushed() == []
    metrics.increment_counter("ColdStarts")
    assert len(flushed()) == 1
    assert flushed() == []


def test_a_dimension_that_is_not_given_is_left_out(flushed: Flushed) -> None:
    metrics.increment_counter("RecordsProcessed", 7, Source="invoices")
    assert read(flushed()) == {
        ("RecordsProcessed", (ALL,)): [7],
        ("RecordsProcessed", (ALL, ("Source", "invoices"))): [7],
    }


def test_counters_add_up_values_are_kept_and_the_newest_gauge_counts(flushed: Flushed) -> None:
    for value in (1, 2, 3):
        metrics.increment_counter("EventsStored", value)
        metrics.record_metric("JobDuration", value, Job="a")
        metrics.record_metric("QueueAge", value)
    found = read(flushed())
    assert found["EventsStored", (ALL,)] == [6]
    assert found["JobDuration", (ALL, ("Job", "a"))] == [1, 2, 3]
    assert found["QueueAge", (ALL,)] == [3]


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "x", 1e300], ids=repr)
def test_what_is_no_value_is_left_out(flushed: Flushed, value: Any) -> None:
    metrics.increment_counter("EventsStored", 2)
    metrics.increment_counter("EventsStored", value)
    assert read(flushed())["EventsStored", (ALL,)] == [2]


def test_series_of_one_name_stand_in_several_lines_and_their_total_is_right(flushed: Flushed) -> None:
    for job in ("a", "b", "c"):
        metrics.increment_counter("JobRuns", 2, Job=job, Outcome="succeeded")
        metrics.record_metric("JobDuration", 1, Job=job)
    documents = flushed()
    assert len(documents) == 3
    found = read(documents)
    assert found["JobRuns", (ALL,)] == [2, 2, 2]
    assert found["JobRuns", (ALL, ("Job", "b"), ("Outcome", "succeeded"))] == [2]


def test_a_metric_with_and_without_its_dimensions_is_not_mixed_up(flushed: Flushed) -> None:
    metrics.increment_counter("RecordsProcessed", 100, Source="invoices")
    metrics.increment_counter("RecordsProcessed", 1)
    found = read(flushed())
    assert found["RecordsProcessed", (ALL,)] == [100, 1]
    assert found["RecordsProcessed", (ALL, ("Source", "invoices"))] == [100]


def test_two_metrics_with_other_labels_do_not_share_a_line(flushed: Flushed) -> None:
    metrics.increment_counter("JobsDead", Job="a")
    metrics.record_metric("JobDuration", 1, Job="b")
    found = read(flushed())
    assert found["JobsDead", (ALL, ("Job", "a"))] == [1]
    assert found["JobDuration", (ALL, ("Job", "b"))] == [1]


def test_a_line_has_no_more_metrics_than_cloudwatch_reads(flushed: Flushed) -> None:
    for number in range(metrics.MAX_UNDECLARED):
        metrics.increment_counter(f"invented_{number}")
    for metric in TABLE:
        metrics.record_metric(metric.name, 1)
    documents = flushed()
    assert len(read(documents)) == metrics.MAX_UNDECLARED + len(TABLE)
    assert len(documents) == 2


NAMES = [metric.name for metric in TABLE] + [f"invented_{number}" for number in range(150)]
MEASURED = st.lists(
    st.tuples(st.sampled_from(NAMES), st.integers(0, 1000), st.sampled_from(["a", "b"])), min_size=1, max_size=600
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(measured=MEASURED)
def test_nothing_is_lost_and_nothing_told_twice(flushed: Flushed, measured: list[tuple[str, int, str]]) -> None:
    flushed()
    expected: Counter[str] = Counter()
    newest: dict[tuple[str, tuple[tuple[str, str], ...]], list[int]] = {}
    for name, value, label in measured:
        metric = METRICS.get("".join(f"_{s.lower()}" if s.isupper() else s for s in name).strip("_"))
        given = dict.fromkeys(metric.dimensions, label) if metric else {}
        if metric and metric.kind == "gauge":
            newest[name, (ALL, *given.items())] = [value]
        elif metric or len(metrics._undeclared) < metrics.MAX_UNDECLARED or f"summary {name}" in metrics._undeclared:
            expected[name] += value
        metrics.record_metric(name, value, **given)
    found = read(flushed())
    told = {name: sum(values) for (name, labels), values in found.items() if labels == (ALL,)}
    assert {key: found[key] for key in newest} == newest
    gauges = {name for name, _ in newest}
    assert {name: value for name, value in told.items() if name not in gauges} == dict(expected)


def test_a_metric_with_many_values_leaves_in_time(flushed: Flushed, capsys: pytest.CaptureFixture[str]) -> None:
    values = [random.random() for _ in range(1050)]
    for value in values:
        metrics.record_metric("SourceLatency", value, Source="invoices")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10  # ten times a hundred have left on the way
    assert max(map(len, lines)) < 256 * 1024
    found = read([json.loads(line) for line in lines] + flushed())
    assert found["SourceLatency", (ALL,)] == [round(value, 6) for value in values]


def test_threads_lose_nothing(flushed: Flushed, restless: None) -> None:
    def count() -> None:
        for _ in range(500):
            metrics.increment_counter("EventsStored")
            metrics.increment_counter("JobRuns", Job="a", Outcome="succeeded")

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read(flushed())["EventsStored", (ALL,)] == [4000]


@pytest.mark.parametrize(
    ("environment", "told"), [("prod", "prod"), ("my test!", "other"), ("a@b.example", "other"), ("unnamed", "unnamed")]
)
def test_the_environment_is_a_word(flushed: Flushed, environment: str, told: str) -> None:
    metrics.configure(Config(function=FUNCTION, environment=environment))
    metrics.increment_counter("ColdStarts")
    (document,) = flushed()
    assert document["Environment"] == told


def test_elsewhere_nothing_is_written(fresh: None, capsys: pytest.CaptureFixture[str]) -> None:
    metrics.configure(Config())
    metrics.increment_counter("ColdStarts")
    metrics.flush()
    assert capsys.readouterr().out == ""


def test_the_way_out_follows_the_configuration(fresh: None) -> None:
    metrics.configure(Config(function=FunctionConfig("f", None, 0, None)))
    assert metrics.exposition() is None
    metrics.configure(Config())
    assert metrics.exposition() is not None


def test_a_line_names_the_request(flushed: Flushed) -> None:
    logs.set_request_id("request-7")
    logs.set_request_id(None)
    metrics.increment_counter("ColdStarts")
    assert [document["requestId"] for document in flushed()] == ["request-7"]


def test_a_cold_start_is_counted_once(flushed: Flushed) -> None:
    lambda_handler._count_cold_start.cache_clear()
    lambda_handler._count_cold_start()
    lambda_handler._count_cold_start()
    assert read(flushed()) == {("ColdStarts", (ALL,)): [1]}
