"""The job `export`: what it makes of schedules, of files and of runs that wait, and of each of them twice."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from service import jobs, metrics
from service.database import holding
from service.errors import Invalid
from service.exports import runs
from service.exports.service import BUSY_SECONDS
from service.jobs import RunFailed
from service.metrics import labels, prometheus
from tests.exports.house import CUSTOMERS, ODD, ORDERS, House, opened
from tests.jobs.conftest import wait_for
from tests.partner import Fault
from tests.postgres import Postgres
from tests.transports import Gunicorn, HttpClient

LAYER = "silver"


@pytest.fixture(scope="module")
def _house(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with opened(postgres, tmp_path_factory.getbasetemp(), EXPORT_CONCURRENCY="2") as house:
        yield house


@pytest.fixture
def house(_house: House) -> Iterator[House]:
    _house.empty()
    _house.renew()
    yield _house
    _house.close()


def run(house: House, arguments: dict[str, Any], event: str | None = None, **environ: str) -> Any:
    """Run the job once, in an application of its own."""
    with house.app(**environ):
        return jobs.run("export", arguments, event)


def found(house: House) -> list[tuple[Any, ...]]:
    return house.sql("SELECT table_name, trigger_kind, mode, status, legs FROM export_runs ORDER BY table_name")


def objects(*names: str, mark: str = "") -> dict[str, Any]:
    """Return the arguments about files, such as customers/1 or odd/1."""
    return {"objects": [{"bucket": "lake", "key": f"{LAYER}/{name}.parquet", "mark": mark} for name in names]}


@contextmanager
def held_elsewhere(house: House, run_id: str) -> Iterator[None]:
    """Let another process be at work on a run."""
    with house.app() as app, holding.lock(app.extensions["database"], runs.lock_name(run_id), lambda: 0.0):
        yield


# Schedules


def test_a_schedule_exports_its_rows(house: House) -> None:
    asked = {"table": CUSTOMERS, "date_filter": "yesterday", "where_clause": "region = 'US'"}
    answer = run(house, asked, "event-1")
    ((run_id, request),) = house.sql("SELECT id::text, request FROM export_runs")
    assert answer == {"status": "SUCCEEDED", "run": run_id, "message": None}
    assert request == {**asked, "mode": "full"}
    assert found(house) == [(CUSTOMERS, "schedule", "full", "SUCCEEDED", 1)]
    assert {one.row["region"] for one in house.partner.rows} <= {"US"}
    house.assert_all_is_accounted_for()


def test_the_same_schedule_twice_is_one_run(house: House) -> None:
    first = run(house, {"table": ODD}, "event-1")
    assert run(house, {"table": ODD}, "event-1") == {"status": "ENDED", "run": first["run"]}
    assert found(house) == [(ODD, "schedule", "full", "SUCCEEDED", 1)]
    assert len(house.partner.rows) == 4
    assert run(house, {"table": ODD}, "event-2")["run"] != first["run"]
    assert run(house, {"table": ODD})["run"] not in ("", first["run"])
    house.assert_all_is_accounted_for()


def test_what_a_schedule_asks_for_in_vain_is_hopeless(house: House) -> None:
    with pytest.raises(Invalid, match="did you mean") as refusal:
        run(house, {"table": "local_customer_silver"}, "event-1")
    assert jobs.is_hopeless(refusal.value)
    with pytest.raises(Invalid, match="Unknown key"):
        run(house, {"table": CUSTOMERS, "where": "1=1"}, "event-1")
    assert found(house) == []


def test_a_run_that_fails_raises_and_the_retry_goes_on_with_it(house: House) -> None:
    house.partner.faults = [Fault("status", status=404, requests=range(5, 100))]
    with pytest.raises(RunFailed, match="404") as failure:
        run(house, {"table": CUSTOMERS}, "event-1", EXPORT_CONCURRENCY="1")
    assert not jobs.is_hopeless(failure.value)
    assert jobs.reason_of(failure.value) == str(failure.value)
    assert found(house) == [(CUSTOMERS, "schedule", "full", "FAILED", 1)]
    taken = len(house.partner.rows)
    assert 0 < taken < 1000
    house.partner.faults = []
    assert run(house, {"table": CUSTOMERS}, "event-1")["status"] == "SUCCEEDED"
    assert found(house) == [(CUSTOMERS, "schedule", "full", "SUCCEEDED", 2)]
    house.assert_all_is_accounted_for()


# Files


def test_a_file_exports_what_has_changed_in_its_table(house: House) -> None:
    assert run(house, objects("customers/1"), "event-1")["status"] == "SUCCEEDED"
    assert found(house) == [(CUSTOMERS, "object", "changed", "SUCCEEDED", 1)]
    assert len(house.partner.rows) == 1000
    assert run(house, objects("customers/2"), "event-2")["status"] == "SUCCEEDED"
    assert len(house.partner.rows) == 1000
    assert house.sql("SELECT rows_unchanged FROM export_runs ORDER BY created_at") == [(0,), (1000,)]


def test_a_table_without_a_key_is_exported_as_a_whole(house: House) -> None:
    for number in range(2):
        run(house, objects("odd/1"), f"event-{number}", EXPORT_TABLES=ODD)
    assert found(house) == [(ODD, "object", "full", "SUCCEEDED", 1)] * 2
    assert len(house.partner.rows) == 8


def test_several_files_of_one_table_are_one_run(house: House) -> None:
    run(house, objects("odd/1", "odd/2", "odd/data/3", "odd/metadata/4", "odd/_SUCCESS"), "event-1")
    assert found(house) == [(ODD, "object", "changed", "SUCCEEDED", 1)]
    house.assert_all_is_accounted_for()


def test_files_of_several_tables_are_a_job_for_each(house: House) -> None:
    answer = run(house, objects("odd/1", "products/1", "odd/2", "secrets/1"), "event-1")
    assert answer == {"queued": [ODD, "local_products_silver"]}
    assert found(house) == []
    queued = [arguments for (arguments,) in house.sql("SELECT arguments FROM jobs ORDER BY id")]
    assert queued == [objects("odd/1", "odd/2") | {"event": "event-1"}, objects("products/1") | {"event": "event-1"}]
    house.work()
    assert [row[:4] for row in found(house)] == [
        (ODD, "object", "changed", "SUCCEEDED"),
        ("local_products_silver", "object", "changed", "SUCCEEDED"),
    ]
    run(house, objects("odd/1", "products/1", "odd/2"), "event-1")  # delivered once more
    house.work()
    assert len(found(house)) == 2
    house.assert_all_is_accounted_for()


@pytest.mark.parametrize(
    "names",
    [[], ["secrets/1"], ["customers/metadata/1"], ["../customers/1"], ["customers"]],
    ids=["none", "not allowed", "metadata", "up", "no table"],
)
def test_files_that_are_of_no_table_export_nothing(house: House, names: list[str]) -> None:
    assert run(house, objects(*names), "event-1") == {"queued": []}
    assert found(house) == house.sql("SELECT id FROM jobs") == []


def test_a_writing_that_is_told_twice_is_one_run_whatever_the_event_is(house: House) -> None:
    first = run(house, objects("odd/1", mark="0055"), "event-1")
    assert run(house, objects("odd/1", mark="0055"), "event-2") == {"status": "ENDED", "run": first["run"]}
    assert run(house, objects("odd/1", mark="0056"), "event-2")["run"] != first["run"]
    assert len(found(house)) == 2


def test_the_same_event_without_marks_is_one_run(house: House) -> None:
    first = run(house, objects("odd/1"), "event-1")
    assert run(house, objects("odd/1"), "event-1") == {"status": "ENDED", "run": first["run"]}
    assert len(found(house)) == 1


def test_two_deliveries_at_once_are_one_run(house: House) -> None:
    house.partner.latency = 0.2
    answers: list[Any] = []

    def deliver() -> None:
        with house.app():
            answers.append(jobs.run("export", objects("customers/1", mark="0055"), "event-1"))

    threads = [threading.Thread(target=deliver) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len({answer["run"] for answer in answers}) == 1
    assert {answer["status"] for answer in answers} <= {"SUCCEEDED", "ENDED", "BUSY"}
    assert len(found(house)) == 1
    house.assert_all_is_accounted_for()


def test_files_that_come_while_the_table_is_compared_wait(house: House) -> None:
    with house.app() as app:
        first = app.extensions["exports"].announce(request(CUSTOMERS), "request")
    answer = run(house, objects("customers/1", mark="0055"), "event-1")
    assert (answer["status"], answer["run"]) == ("BUSY", first)
    waiting = house.sql("SELECT arguments, extract(epoch FROM run_at - now())::int FROM jobs ORDER BY run_at")
    assert [arguments for arguments, _ in waiting] == [
        {"run": first},
        objects("customers/1", mark="0055") | {"event": "event-1"},
    ]
    assert BUSY_SECONDS - 10 < waiting[1][1] <= BUSY_SECONDS
    house.sql("UPDATE jobs SET run_at = run_at - interval '60 s' WHERE arguments ? 'objects'")
    house.work()
    ended = [row[1] for row in found(house) if row[3] == "SUCCEEDED"]
    assert sorted(ended) == ["object", "request"]
    house.assert_all_is_accounted_for()


def request(table: str) -> Any:
    from service.exports.selection.request import Request

    return Request(table, mode="changed")


# Runs that wait


@pytest.mark.parametrize("value", ["x", "", None, 7, ["a"], {"a": 1}, "0f8fad5b-d9cb-469f-a165-7086772895"], ids=repr)
def test_a_run_that_has_no_id_is_hopeless(house: House, value: Any) -> None:
    with pytest.raises(jobs.InvalidJob, match="must be the id of a run"):
        run(house, {"run": value})


def test_a_run_that_is_not_there_is_hopeless(house: House) -> None:
    run_id = str(uuid.uuid4())
    with pytest.raises(jobs.InvalidJob, match=f"There is no run {run_id}"):
        run(house, {"run": run_id})


def test_a_run_that_another_process_works_on_comes_back_later(house: House) -> None:
    with house.app() as app:
        run_id = app.extensions["exports"].announce(request(ODD), "request")
    house.sql("UPDATE export_runs SET status = 'RUNNING', legs = 1 WHERE id = %s", run_id)
    with held_elsewhere(house, run_id):
        assert run(house, {"run": run_id})["status"] == "BUSY"
    ((arguments, seconds),) = house.sql("SELECT arguments, extract(epoch FROM run_at - now())::int FROM jobs")
    assert arguments == {"run": run_id}
    assert holding.SILENT_SECONDS - 10 < seconds <= holding.SILENT_SECONDS
    assert run(house, {"run": run_id})["status"] == "SUCCEEDED"


# The whole way


def test_the_worker_beside_gunicorn_brings_rows_to_the_partner(house: House, tmp_path: Any) -> None:
    server = Gunicorn(tmp_path / "log", **house.environ)
    try:
        client = HttpClient(server.port, house.token())
        answer = client.post("/api/v1/exports", json={"table": ORDERS, "limit": 300})
        assert answer.status == 202, answer.body
        house.work()
        found = client.get(answer.headers["location"]).json()
        assert (found["status"], found["rowsSent"]) == ("SUCCEEDED", 300)
        house.assert_all_is_accounted_for()
    finally:
        assert server.stop() == 0
    log = (tmp_path / "log").read_text()
    assert house.partner.grants.client_secret not in log


def test_the_log_tells_run_table_and_status_and_no_secret(house: House, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        answer = run(house, {"table": ODD}, "event-1")
    (line,) = [vars(record) for record in caplog.records if record.message == "an export ended"]
    assert (line["run"], line["table"], line["status"], line["leg"]) == (answer["run"], ODD, "SUCCEEDED", 1)
    told = repr([vars(record) for record in caplog.records])
    assert not [secret for secret in (house.partner.grants.client_secret, *house.partner.tokens) if secret in told]


def test_the_measurements_are_told_to_prometheus(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = {"_way_out": prometheus.Exposition(), "_labels": labels.Labels(), "_counters": {}, "_values": {}}
    for name, value in fresh.items():
        monkeypatch.setattr(metrics, name, value)
    with house.app() as app:
        before = values(app, house)
        jobs.run("export", {"table": ODD}, "event-1")
        wait_for(lambda: values(app, house) != before, "the measurements")
        after = values(app, house)
    for name in (
        f'headgate_export_rows_sent_total{{table="{ODD}"}}',
        f'headgate_exports_ended_total{{outcome="SUCCEEDED",table="{ODD}"}}',
        f'headgate_query_duration_seconds_count{{table="{ODD}"}}',
        f'headgate_export_duration_seconds_count{{table="{ODD}"}}',
        "headgate_partner_latency_seconds_count",
    ):
        assert after.get(name, 0) > before.get(name, 0), (name, sorted(n for n in after if "export" in n))


def values(app: Any, house: House) -> dict[str, float]:
    """Return what `/metrics` tells now."""
    answer = app.test_client().get("/metrics", headers={"Authorization": f"Bearer {house.token('platform:read')}"})
    lines = [line.rpartition(" ") for line in answer.text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}
