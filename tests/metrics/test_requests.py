"""Requests, errors, events and waits measured, on both ways out; and nothing that was sent is in any of it."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask

from service import config, lambda_handler, metrics
from service.app import create_app
from service.database.pool import Pool
from service.errors import ServiceUnavailable
from service.operations import PUBLIC, operation
from service.security.issuer import OwnIssuer
from tests.events.samples import an_entity, an_event
from tests.metrics.conftest import Samples, documents_of, samples_of, value_of
from tests.metrics.test_embedded import ALL, read
from tests.postgres import free_port
from tests.security.issuers import sign
from tests.transports import Gunicorn, HttpClient, LambdaClient, event_v2

MARKER = "marker-7c2e"
CLAIMS = {"sub": "partner", "scope": "events:read events:write platform:read"}
HOSTILE = [
    f"/nowhere/{MARKER}",
    f"/{MARKER}",
    f"/api/v1/events/{MARKER}",
    f"/api/v1/events/{MARKER}/{MARKER}",
    f"/api/v1/entities/{MARKER}/{MARKER}/history",
    f"/api/v1/events?type={MARKER}&cursor={MARKER}",
    f"/api/v1/events/ada%40{MARKER}.example.com",
    f"/%0a{MARKER}%22%7D%201",
    f"/docs/{MARKER}%00",
    f"/metrics/{MARKER}",
    f"/metrics?token={MARKER}",
    f"/health/..%2f{MARKER}",
    f"//{MARKER}",
    "/" + MARKER * 300,
    f"/{'ä'.encode().hex()}%c3%a4{MARKER}",
]
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "BREW", MARKER.upper()]


@pytest.fixture
def server(environment: dict[str, str], tmp_path: Any) -> Iterator[Gunicorn]:
    """A gunicorn of its own, with two workers, that nobody else asks."""
    running = Gunicorn(tmp_path / "log", **environment)
    yield running
    assert running.stop() == 0


@pytest.fixture
def function(
    environment: dict[str, str],
    handler: Any,
    fresh: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Callable[..., tuple[Any, list[dict[str, Any]]]]]:
    """The handler on Lambda. Returns its answer to an event, and what it has written for CloudWatch."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "headgate")
    monkeypatch.setenv("TOKEN_ISSUER", "https://issuer.example.com")
    monkeypatch.setenv("ENVIRONMENT", "test")

    def invoke(event: Any) -> tuple[Any, list[dict[str, Any]]]:
        capsys.readouterr()
        answer = handler(event)
        return answer, documents_of(capsys.readouterr().out)

    yield invoke
    metrics.configure(config.Config())


def scraped_from(client: HttpClient) -> Samples:
    answer = client.get("/metrics")
    assert answer.status == 200, answer.body
    return samples_of(answer.body)


def total(samples: Samples, name: str, **given: str) -> float:
    wanted = set(given.items())
    return sum(value for (found, labels), value in samples.items() if found == name and wanted <= labels)


def test_who_asks_needs_a_scope(server: Gunicorn, settings: config.Config, token: str) -> None:
    client = HttpClient(server.port)
    assert client.get("/metrics", token=None).status == 401
    assert client.get("/metrics", token=OwnIssuer(settings).issue("a", ["events:read", "user"], 60)).status == 403
    answer = client.get("/metrics", token=token)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")


def test_the_document_describes_the_answer() -> None:
    from service import published

    route = json.loads(published.OPENAPI.read_text())["paths"]["/metrics"]["get"]
    assert "text/plain" in route["responses"]["200"]["content"]
    assert "Lambda" in route["responses"]["404"]["description"]


def test_on_lambda_the_route_says_where_the_measurements_are(function: Any) -> None:
    answer, _ = function(event_v2("GET", "/metrics", claims=CLAIMS))
    assert answer["statusCode"] == 404
    assert "CloudWatch, namespace Headgate" in json.loads(answer["body"])["message"]


def test_requests_to_several_workers_add_up_exactly(server: Gunicorn, token: str) -> None:
    """Each request is counted once, whichever worker answers it and whichever is asked."""
    client = HttpClient(server.port, token)
    before = scraped_from(client)
    threads, each = 6, 40

    def ask(number: int) -> None:
        for turn in range(each):
            assert client.post("/api/v1/events", json=an_event()).status == 200
            assert client.get(f"/api/v1/events/none-{number}-{turn}").status == 404
            assert client.get(f"/nowhere-{number}-{turn}").status == 404

    running = [threading.Thread(target=ask, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    count = threads * each
    for _ in range(8):  # either worker says the same
        after = scraped_from(client)

        def grown(name: str, after: Samples = after, **given: str) -> float:
            return total(after, f"headgate_{name}", **given) - total(before, f"headgate_{name}", **given)

        assert grown("requests_total", method="POST", route="/api/v1/events", status="2xx") == count
        assert grown("requests_total", route="/api/v1/events/<path:event_id>", status="4xx") == count
        assert grown("requests_total", route="unmatched", status="4xx") == count
        assert grown("latency_seconds_count", method="POST", route="/api/v1/events") == count
        assert grown("latency_seconds_bucket", route="unmatched", le="+Inf") == count
        assert 0 < grown("latency_seconds_sum", method="POST") < count
        assert grown("events_stored_total") == count
        assert grown("pool_wait_seconds_count") > 0
        assert total(after, "headgate_errors_total") == 0


def test_no_label_holds_what_somebody_has_sent(server: Gunicorn, token: str, settings: config.Config) -> None:
    foreign = sign({"iss": MARKER, "sub": MARKER})
    client = HttpClient(server.port, token)
    headers = {"X-Request-Id": MARKER, "Cookie": MARKER, "User-Agent": MARKER, "Host": MARKER}
    for target in HOSTILE:
        for method in METHODS:
            client.request(method, target, headers=headers)
        client.get(target, token=foreign)
    client.post("/api/v1/events", json={MARKER: MARKER})
    client.post("/api/v1/events", json=an_event(an_entity(MARKER, kind=MARKER), eventName=MARKER))
    client.post("/login", json={"email": f"{MARKER}@example.com", "password": MARKER})
    text = client.get("/metrics").body.decode()
    assert MARKER not in text.lower()
    assert foreign not in text
    assert "@" not in text
    rules = {rule.rule for rule in create_app(settings).url_map.iter_rules()}
    samples = samples_of(text)
    labels = {label for _, given in samples for label in given}
    assert {value for name, value in labels if name == "route"} <= rules | {"unmatched"}
    assert {value for name, value in labels if name == "method"} <= set(METHODS[:7]) | {"OTHER"}
    assert {value for name, value in labels if name == "status"} <= {"2xx", "3xx", "4xx", "5xx"}
    assert total(samples, "headgate_requests_total", method="OTHER") > 0


def test_no_line_holds_what_somebody_has_sent(function: Any) -> None:
    for target in HOSTILE:
        for method in METHODS:
            event = event_v2(method, target, headers={"User-Agent": MARKER}, claims=CLAIMS)
            _, documents = function(event)
            read(documents)
            assert MARKER not in json.dumps(documents).lower()
            assert any("Requests" in document for document in documents)


def test_an_invocation_is_one_line_with_the_id_of_its_request(function: Any) -> None:
    event = event_v2("GET", "/api/v1/events", claims=CLAIMS)
    answer, (document,) = function(event)
    assert answer["statusCode"] == 200
    assert document["requestId"] == event["requestContext"]["requestId"]
    found = read([document])
    route = (ALL, ("Method", "GET"), ("Route", "/api/v1/events"))
    assert found["Requests", (*route, ("Status", "2xx"))] == [1]
    assert 0 < found["Latency", route][0] < 10
    assert found["PoolWait", (ALL,)] == [0]
    assert ("Errors", (ALL,)) not in found


def test_an_invocation_that_fails_tells_what_it_has_measured(function: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from service import jobs

    monkeypatch.setattr(jobs, "_jobs", {})

    @jobs.job("breaks")
    def breaks(arguments: dict[str, Any]) -> None:
        metrics.increment_counter("records_processed", 3)
        raise RuntimeError("out of order")

    written: list[str] = []
    monkeypatch.setattr("sys.stdout", SimpleNamespace(write=written.append, flush=lambda: None))
    with pytest.raises(RuntimeError):
        function({"job": "breaks"})
    monkeypatch.undo()
    (document,) = [document for document in documents_of("".join(written)) if "RecordsProcessed" in document]
    assert (document["RecordsProcessed"], document["requestId"]) == (3, "invocation")


def test_measurements_of_one_invocation_are_not_in_the_next(function: Any) -> None:
    event = event_v2("GET", "/health")
    for _ in range(3):
        _, documents = function(event)
        assert read(documents)["Requests", (ALL,)] == [1]


def test_the_first_invocation_counts_a_cold_start(function: Any) -> None:
    lambda_handler._count_cold_start.cache_clear()
    counted = [("ColdStarts", (ALL,)) in read(function(event_v2("GET", "/health"))[1]) for _ in range(3)]
    assert counted == [True, False, False]


def fails() -> str:
    """Fail."""
    raise RuntimeError(MARKER)


def test_an_error_is_counted_by_its_route(fresh: None, settings: config.Config) -> None:
    app = create_app(settings)
    app.add_url_rule("/fails", "fails", operation(PUBLIC)(fails))
    assert app.test_client().get("/fails").status_code == 500
    assert app.test_client().get("/health").status_code == 200
    samples = scraped_in(app)
    assert value_of(samples, "headgate_errors_total", method="GET", route="/fails") == 1
    assert value_of(samples, "headgate_requests_total", method="GET", route="/fails", status="5xx") == 1
    assert total(samples, "headgate_errors_total") == 1
    assert MARKER not in str(samples)


def scraped_in(app: Flask) -> Samples:
    way_out = metrics.exposition()
    assert way_out is not None
    with app.app_context():
        return samples_of(way_out.text(metrics.scraped))


@pytest.fixture
def counted(fresh: None, settings: config.Config, token: str) -> Iterator[Callable[..., dict[str, float]]]:
    """Sends requests to an application of its own; returns what became of events since then."""
    app = create_app(settings)
    client = app.test_client()

    def send(*bodies: Any, target: str = "/api/v1/events") -> dict[str, float]:
        for body in bodies:
            client.post(target, json=body, headers={"Authorization": f"Bearer {token}"})
        found = scraped_in(app)
        refused = {
            dict(given)["reason"]: value
            for (name, given), value in found.items()
            if name == "headgate_events_refused_total"
        }
        stored = {"stored": total(found, "headgate_events_stored_total")}
        return stored | {"stale": total(found, "headgate_events_stale_total")} | refused

    yield send
    app.extensions["database"].close()


def test_events_are_counted_by_what_became_of_them(counted: Any) -> None:
    event = an_event()
    entity = f"Car-{uuid.uuid4()}"
    new = an_event(an_entity(entity, updated="2026-01-01T00:00:00Z"))
    old = an_event(an_entity(entity, updated="2025-01-01T00:00:00Z"))
    assert counted(event, event, {"no": "event"}, new, old) == {"stored": 3, "stale": 1, "duplicate": 1, "invalid": 1}


def test_events_of_a_batch_are_counted_each(counted: Any) -> None:
    one, two = an_event(), an_event()
    batch = [one, two, one, {"no": "event"}]
    found = counted(batch, target="/api/v1/events/bulk")
    assert found == {"stored": 2, "stale": 0, "duplicate": 1, "invalid": 1}


def test_events_of_a_batch_that_is_stored_whole_or_not_at_all_are_counted(counted: Any) -> None:
    one, two = an_event(), an_event()
    target = "/api/v1/events/bulk?atomic=true"
    assert counted([one, two], target=target) == {"stored": 2, "stale": 0}
    assert counted([an_event(), one], target=target) == {"stored": 2, "stale": 0, "duplicate": 1, "batch": 1}


class Connection:
    """As much of a connection as the pool asks for."""

    closed = 0
    expires_at = 0.0

    def is_silent(self) -> bool:
        return True

    def get_transaction_status(self) -> int:
        return 0


def test_who_waits_for_a_connection_is_measured(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from service import deadline

    pool = Pool(Connection, 1)  # type: ignore[arg-type]
    held = pool.acquire()
    threading.Timer(0.3, pool.release, [held]).start()
    held = pool.acquire()
    deadline.start(0.05)
    with pytest.raises(ServiceUnavailable):
        pool.acquire()
    deadline.clear()
    pool.release(held)
    way_out = metrics.exposition()
    assert way_out is not None
    samples = samples_of(way_out.text())
    assert value_of(samples, "headgate_pool_wait_seconds_count") == 3
    assert value_of(samples, "headgate_pool_wait_seconds_bucket", le="0.001") == 1
    assert 0.3 <= (value_of(samples, "headgate_pool_wait_seconds_sum") or 0) < 2
    assert value_of(samples, "headgate_pool_timeouts_total") == 1


def test_gauges_are_recorded_when_they_are_asked_for(fresh: None, settings: config.Config, token: str) -> None:
    ages = iter([5, 7])
    app = create_app(settings)
    metrics.at_scrape(lambda: metrics.record_metric("Freshness", next(ages), Source="invoices"))
    metrics.record_metric("Freshness", 99, Source="invoices")
    client = app.test_client()
    for age in (5, 7):
        text = client.get("/metrics", headers={"Authorization": f"Bearer {token}"}).text
        samples = samples_of(text)
        assert value_of(samples, "headgate_freshness_seconds", source="invoices", resource="") == age


def test_a_gauge_that_cannot_be_recorded_is_left_out_and_the_rest_is_told(
    fresh: None, token: str, settings: config.Config, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks() -> None:
        metrics.record_metric("QueueAge", 5)
        raise RuntimeError(MARKER)

    app = create_app(settings)
    metrics.at_scrape(breaks)
    metrics.at_scrape(breaks)
    metrics.at_scrape(lambda: metrics.record_metric("Freshness", 9, Source="invoices"))
    answer = app.test_client().get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    samples = samples_of(answer.text)
    assert value_of(samples, "headgate_freshness_seconds", source="invoices", resource="") == 9
    assert value_of(samples, "headgate_events_stored_total") == 0
    assert MARKER not in answer.text
    assert caplog.messages.count("a gauge could not be recorded") == 1  # it is registered once, and said once
    if "headgate_queue_age_seconds" in answer.text:
        assert value_of(samples, "headgate_queue_age_seconds") != 5  # of the queue itself


def test_an_outage_of_the_database_leaves_the_rest(
    fresh: None, settings: config.Config, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"postgresql://me:{MARKER}@127.0.0.1:{free_port()}/app"
    down = config.load({"DATABASE_URL": url, "DATA_DIR": str(settings.data_dir)})
    app = create_app(down)
    began = time.monotonic()
    answer = app.test_client().get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, time.monotonic() - began < 5) == (200, True)
    assert "headgate_events_stored_total 0.0" in answer.text
    assert "headgate_queue_age_seconds" not in answer.text
    assert "a gauge could not be recorded" in caplog.messages
    assert MARKER not in caplog.text


def test_no_gauge_is_told_that_another_thread_records(fresh: None, settings: config.Config) -> None:
    """What a job records while somebody asks is not taken for what is asked."""
    app = create_app(settings)

    def meanwhile() -> None:
        thread = threading.Thread(target=metrics.record_metric, args=("Freshness", 5), kwargs={"Source": "invoices"})
        thread.start()
        thread.join()

    metrics.at_scrape(meanwhile)
    assert not [name for name, _ in scraped_in(app) if "freshness" in name]


def test_a_lambda_client_of_the_usual_tests_measures_too(handler: Any, token: str) -> None:
    """Where the handler runs in a process that is no function, all is as in gunicorn."""
    answer = LambdaClient(handler, token).get("/metrics")
    assert answer.status == 200
    assert value_of(samples_of(answer.body), "headgate_pool_timeouts_total") is not None
