"""What can be measured, under which names, and that measuring never fails and never tells a secret."""

from __future__ import annotations

import logging
import string
import threading
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import metrics
from service.metrics import labels
from service.metrics.labels import OTHER, Labels, is_safe
from service.metrics.table import METRICS, TABLE
from tests.metrics.conftest import Samples, value_of
from tests.security.issuers import sign

Scrape = Callable[[], Samples]


def test_the_examples_of_the_seed_work(scrape: Scrape) -> None:
    metrics.record_metric("api_response_time", 0.25)
    metrics.record_metric("api_response_time", 0.5)
    metrics.increment_counter("records_processed")
    samples = scrape()
    assert value_of(samples, "headgate_recorded_api_response_time_sum") == 0.75
    assert value_of(samples, "headgate_recorded_api_response_time_count") == 2
    assert value_of(samples, "headgate_records_processed_total", source="", resource="") == 1


def test_a_name_of_the_table_in_snake_case_is_the_same_metric(scrape: Scrape) -> None:
    metrics.increment_counter("RecordsProcessed", 100, Source="work-orders", Resource="work-orders")
    metrics.increment_counter("records_processed", 20, Source="work-orders", Resource="work-orders")
    metrics.record_metric("RecordsProcessed", 3, Resource="work-orders", Source="work-orders")
    name, given = "headgate_records_processed_total", {"source": "work-orders", "resource": "work-orders"}
    assert value_of(scrape(), name, **given) == 123


def test_what_is_counted_and_what_is_recorded_under_one_name_are_kept_apart(scrape: Scrape) -> None:
    metrics.increment_counter("something", 2)
    metrics.record_metric("something", 3)
    metrics.record_metric("something_total", 4)
    samples = scrape()
    assert value_of(samples, "headgate_counted_something_total") == 2
    assert value_of(samples, "headgate_recorded_something_sum") == 3
    assert value_of(samples, "headgate_recorded_something_total_sum") == 4


@pytest.mark.parametrize("name", [metric.name for metric in TABLE])
def test_each_name_of_the_table_can_be_measured_as_its_kind(
    scrape: Scrape, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    metric = METRICS[name if name in METRICS else "_".join(_words(name))]
    given = dict.fromkeys(metric.dimensions, "one") | ({"Status": "2xx"} if "Status" in metric.dimensions else {})
    given |= {"Route": "/one"} if "Route" in metric.dimensions else {}
    if metric.kind == "gauge":
        metrics.at_scrape(lambda: metrics.record_metric(name, 2, **given))
    elif metric.kind == "counter":
        metrics.increment_counter(name, 2, **given)
    else:
        metrics.record_metric(name, 2, **given)
    assert caplog.records == []
    found = [
        value
        for (sample, _), value in scrape().items()
        if sample.startswith(f"headgate_{metric.key}") and not sample.endswith(("_bucket", "_count"))
    ]
    assert found == [2]


def _words(name: str) -> list[str]:
    return "".join(f" {sign.lower()}" if sign.isupper() else sign for sign in name).split()


NO_VALUES = [None, "x", float("nan"), float("inf"), -float("inf"), [], {}, object(), 10**400, 1e300, 1j]


@pytest.mark.parametrize("value", NO_VALUES, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("measure", [metrics.record_metric, metrics.increment_counter])
def test_what_is_no_value_is_left_out(scrape: Scrape, measure: Any, value: Any) -> None:
    measure("EventsStored", 1)
    measure("EventsStored", value)
    assert value_of(scrape(), "headgate_events_stored_total") == 1


def test_a_counter_does_not_go_back(scrape: Scrape, caplog: pytest.LogCaptureFixture) -> None:
    metrics.increment_counter("EventsStored", 2)
    metrics.increment_counter("EventsStored", -1)
    metrics.record_metric("EventsStored", -1)
    assert value_of(scrape(), "headgate_events_stored_total") == 2
    assert [record.metric for record in caplog.records] == ["EventsStored"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("value", [3, Decimal(3), True + 2, "3", 3.0], ids=repr)
def test_any_kind_of_number_is_one(scrape: Scrape, value: Any) -> None:
    metrics.increment_counter("EventsStored", value)
    assert value_of(scrape(), "headgate_events_stored_total") == 3


NO_NAMES = [None, 7, "", "a b", "a-b", "ä", "x" * 65, "1a", "a\n", "Source", "Environment", "requestId", "_aws", ["a"]]


@pytest.mark.parametrize("name", NO_NAMES, ids=repr)
@pytest.mark.parametrize("measure", [metrics.record_metric, metrics.increment_counter])
def test_what_is_no_name_is_left_out(scrape: Scrape, measure: Any, name: Any) -> None:
    before = scrape()
    measure(name, 1)
    measure(name, 1, Source="a")
    assert scrape() == before


def test_a_histogram_is_no_counter(scrape: Scrape, caplog: pytest.LogCaptureFixture) -> None:
    metrics.increment_counter("PoolWait")
    assert value_of(scrape(), "headgate_pool_wait_seconds_count") == 0
    (record,) = caplog.records
    assert (record.metric, record.reason) == ("PoolWait", "it is no counter")  # type: ignore[attr-defined]


ANYTHING = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.lists(st.none()))


@given(name=ANYTHING, value=ANYTHING, dimensions=st.dictionaries(st.text(max_size=10), ANYTHING, max_size=3))
def test_measuring_never_raises(name: Any, value: Any, dimensions: dict[str, Any]) -> None:
    given = {key: item for key, item in dimensions.items() if key not in ("name", "value", "by")}
    metrics.record_metric(name, value, **given)
    metrics.increment_counter(name, value, **given)


@given(name=st.sampled_from([metric.name for metric in TABLE]), value=ANYTHING, label=ANYTHING)
def test_measuring_what_stands_in_the_table_never_raises(name: str, value: Any, label: Any) -> None:
    given = dict.fromkeys(METRICS["_".join(_words(name))].dimensions, label)
    metrics.record_metric(name, value, **given)
    metrics.increment_counter(name, value, **given)


def test_what_cannot_be_measured_is_said_once_and_without_what_it_was(
    fresh: None, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        metrics.record_metric("JobDuration", "marker-5", Job="a")  # type: ignore[arg-type]
        metrics.record_metric("marker-5 ", 1)
        metrics.increment_counter("JobRuns", Tenant="marker-5")
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 3
    assert {record.metric for record in caplog.records} == {"JobDuration", "(no name)", "JobRuns"}  # type: ignore[attr-defined]
    assert "marker-5" not in str([vars(record) for record in caplog.records])


def test_there_are_only_so_many_names_that_do_not_stand_in_the_table(scrape: Scrape) -> None:
    for number in range(metrics.MAX_UNDECLARED + 50):
        metrics.increment_counter(f"invented_{number}")
    metrics.increment_counter("EventsStored")
    samples = scrape()
    assert sum("invented" in name for name, _ in samples) == metrics.MAX_UNDECLARED
    assert value_of(samples, "headgate_events_stored_total") == 1


def test_there_are_only_so_many_values_of_a_dimension(scrape: Scrape) -> None:
    names = [f"job-{first}{second}" for first in string.ascii_lowercase for second in string.ascii_lowercase]
    for name in names:
        metrics.increment_counter("JobsDead", Job=name)
    samples = {given: value for (name, given), value in scrape().items() if name == "headgate_jobs_dead_total"}
    assert len(samples) == labels.MAX_VALUES + 1
    assert samples[frozenset({("job", OTHER)})] == len(names) - labels.MAX_VALUES


def test_what_is_kept_ready_is_bounded(fresh: None) -> None:
    for number in range(metrics.MAX_KEPT + 100):
        metrics.increment_counter("JobsDead", Job=f"{uuid.uuid4()}{number}")
    assert len(metrics._counters) == metrics.MAX_KEPT


def test_threads_lose_nothing(scrape: Scrape, restless: None) -> None:
    def count() -> None:
        for _ in range(1000):
            metrics.increment_counter("JobRuns", Job="a", Outcome="succeeded")
            metrics.record_metric("JobDuration", 1, Job="a")

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    samples = scrape()
    assert value_of(samples, "headgate_job_runs_total", job="a", outcome="succeeded") == 8000
    assert value_of(samples, "headgate_job_duration_seconds_count", job="a") == 8000


WORDS = [
    "work-orders",
    "work_orders",
    "SUCCESS",
    "NOT_FOUND",
    "Failed",
    "export",
    "fullbay:invoices",
    "v2",
    "a b",
    "2xx",
]


@pytest.mark.parametrize("word", WORDS)
def test_words_are_labels(word: str) -> None:
    assert is_safe("Job", word)


SECRETS = {
    "a token": sign({"iss": "a", "sub": "b"}),
    "a part of a token": sign({"iss": "a"}).split(".")[1],
    "a refresh token": "hgr_Zm9vYmFyYmF6cXV4cXV1eGNvcmdlZ3JhdWx0Z2FycGx5",
    "an address": "ada@example.com",
    "a uuid": "3f2a9c1e-7b1d-4c59-9f0e-1a2b3c4d5e6f",
    "a key": "4e5d0a8f7c6b5a493827160f5e4d3c2b",
    "a path": "/api/v1/events/42",
    "a query": "a?key=b",
    "a password": "Zebra-crossing-7",
    "an AWS key": "AKIAIOSFODNN7EXAMPLE",
    "a url": "https://user:pass@example.com",
    "a line break": "a\nb",
    "a quotation mark": 'a"} 1\nb',
    "a long word": "a" * 25,
    "a long text": "ab " * 40,
    "an umlaut": "ä",
    "nothing": "",
    "a number": "2125551234",
}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_what_is_no_word_is_told_as_other(scrape: Scrape, secret: str) -> None:
    metrics.increment_counter("JobRuns", Job=secret, Outcome=secret)
    metrics.increment_counter("Requests", Method=secret, Route=f"{secret}?", Status=secret)
    samples = scrape()
    assert value_of(samples, "headgate_job_runs_total", job=OTHER, outcome=OTHER) == 1
    assert value_of(samples, "headgate_requests_total", method=OTHER, route=OTHER, status=OTHER) == 1


@given(st.binary(min_size=16, max_size=48))
def test_no_random_key_is_a_word(key: bytes) -> None:
    from base64 import b64encode, urlsafe_b64encode

    written = {key.hex(), urlsafe_b64encode(key).decode(), b64encode(key).decode().rstrip("=")}
    safe = {text for text in written if is_safe("Source", text)}
    assert not safe or len(set(key)) <= 4  # the same few signs again and again are no key


@given(st.text(max_size=200))
def test_a_label_is_short_and_of_few_characters(value: str) -> None:
    for metric in TABLE:
        made = Labels().of(metric, dict.fromkeys(metric.dimensions, value))
        for label in made:
            assert len(label) <= 128
            assert set(label) <= set(string.ascii_letters + string.digits + "-_./: <>")


@pytest.mark.parametrize("route", ["/a" * 65, "/" + "a" * 41, "/A", "/a?b", "/a b", "//", "a", "/<a", "/%20", "/ä", ""])
def test_what_is_no_template_is_no_route(route: str) -> None:
    assert not is_safe("Route", route)


def test_every_route_of_the_application_is_told_as_it_is() -> None:
    from service.app import create_app
    from service.config import Config

    for rule in create_app(Config()).url_map.iter_rules():
        assert is_safe("Route", rule.rule), rule.rule
