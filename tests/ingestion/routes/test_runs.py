"""Runs over HTTP: asked for, refused, worked off, found again."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.ingestion.schemas import STATUSES
from service.jobs.queues import NoQueue
from tests.ingestion.model import assert_table_equals
from tests.ingestion.routes.conftest import API, House, walk
from tests.transports import Client

RUNS = f"{API}/runs"
COUNTS = ("Processed", "Inserted", "Updated", "Unchanged", "Stale", "Rejected")


def counts_of(run: dict[str, Any]) -> tuple[int, ...]:
    return tuple(run[f"records{name}"] for name in COUNTS)


def test_a_run_is_asked_for_worked_off_and_found_again(house: House, client: Client) -> None:
    asked = client.post(RUNS, json={"source": "work-orders"})
    assert asked.status == 202, asked.body
    run = asked.json()
    assert asked.headers["location"] == f"{RUNS}/{run['executionId']}"
    assert (run["status"], run["legs"], run["endTime"], run["request"]) == ("CONTINUES", 0, None, {})
    assert (run["source"], run["resource"], run["shop"]) == ("work-orders", "work-orders", "default")
    assert run["apiEndpoint"] == f"{house.fullbay.url}/v1/work-orders"
    assert house.sql("SELECT name, arguments FROM jobs") == [
        ("ingest", {"source": "work-orders", "run": run["executionId"]})
    ]
    house.work()
    assert_table_equals(house.fullbay, house.sql)
    found = client.get(asked.headers["location"]).json()
    assert (found["status"], found["legs"], found["pages"] >= 5, found["errorMessage"]) == ("SUCCESS", 1, True, None)
    assert counts_of(found) == (90, 90, 0, 0, 0, 0)
    assert found["endTime"] >= found["heartbeatAt"] >= found["startTime"] == run["startTime"]
    ((window,), count) = found["windows"], found["windowCount"]
    assert count == 1
    assert (window["from"], window["state"], window["records"], window["expected"]) == (None, "complete", 90, 90)
    assert window["beganAt"] <= window["readAt"]
    again = client.post(RUNS, json={"source": "work-orders", "full": True, "shop": "default"}).json()
    house.work()
    runs = client.get(RUNS).json()["runs"]
    assert [one["executionId"] for one in runs] == [again["executionId"], run["executionId"]]
    assert counts_of(runs[0]) == (90, 0, 0, 90, 0, 0)
    assert runs[1] == {name: value for name, value in found.items() if not name.startswith("window")}


def test_a_run_reads_what_its_request_names(house: House, client: Client) -> None:
    assert client.post(RUNS, json={"source": "work-orders", "resource": "parts"}).status == 202
    assert client.post(RUNS, json={"source": "invoices"}).status == 202
    house.work()
    assert house.sql("SELECT count(*) FROM fullbay_parts") == [(10,)]
    assert house.sql("SELECT count(*) > 0 FROM fullbay_invoices") == [(True,)]
    assert house.sql("SELECT count(*) FROM fullbay_work_orders") == [(0,)]


DAY, MOMENT = "2026-01-15T00:00:00Z", "2026-01-15T10:30:00Z"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, {}),
        ({"full": False}, {}),
        ({"full": True}, {"full": True}),
        ({"since": "2026-01-15"}, {"since": DAY}),
        ({"since": "2026-01-15", "full": False}, {"since": DAY}),
        ({"since": MOMENT}, {"since": MOMENT}),
        ({"since": "2026-01-15t12:30:00.25+02:00"}, {"since": "2026-01-15T10:30:00.250000Z"}),
        ({"backfill": {"from": "2026-01-15", "to": MOMENT}}, {"backfill": {"from": DAY, "to": MOMENT}}),
        ({"backfill": {"from": "2026-01-15", "to": "2199-01-01"}}, None),
    ],
    ids=lambda value: json.dumps(value),
)
def test_what_was_asked_for_is_told(house: House, client: Client, asked: Any, told: Any) -> None:
    answer = client.post(RUNS, json={"source": "invoices", **asked})
    assert answer.status == 202, answer.body
    if told is not None:
        assert answer.json()["request"] == told
    assert client.get(answer.headers["location"]).json()["request"] == answer.json()["request"]


ONE = "Only one of since, backfill and full can be asked for"
WHEN = "Must be a day or a moment, such as 2026-01-15 or 2026-01-15T10:30:00Z"


@pytest.mark.parametrize(
    ("body", "path", "rule"),
    [
        ({}, "source", "Missing data for required field."),
        ({"source": "orders"}, "source", "Must be one of work-orders, invoices"),
        ({"source": 7}, "source", "Not a valid string."),
        ({"source": "invoices", "resource": "lines"}, "resource", "Must be one of work-orders, customers, parts,"),
        ({"source": "invoices", "resource": "parts"}, "resource", "Must be one of invoices"),
        ({"source": "work-orders", "resource": "invoices"}, "resource", "Must be one of work-orders, customers, parts"),
        ({"source": "invoices", "shop": "north"}, "shop", "Must be a shop that has a key: default"),
        ({"source": "invoices", "shop": ""}, "shop", "Must not be empty"),
        ({"source": "invoices", "shop": None}, "shop", "Field may not be null."),
        ({"source": "invoices", "when": "now"}, "when", "Unknown key"),
        ({"source": "invoices", "since": "yesterday"}, "since", WHEN),
        ({"source": "invoices", "since": 20260115}, "since", WHEN),
        ({"source": "invoices", "since": "2026-02-30"}, "since", WHEN),
        ({"source": "invoices", "since": "2026-01-15T10:30:00"}, "since", "Must be an RFC 3339 date-time"),
        ({"source": "invoices", "since": "2999-01-01"}, "since", "Must not be in the future"),
        ({"source": "invoices", "full": "yes"}, "full", "Must be true or false"),
        ({"source": "invoices", "full": True, "since": "2026-01-15"}, "", ONE),
        ({"source": "invoices", "since": DAY, "backfill": {"from": DAY, "to": DAY}}, "", ONE),
        ({"source": "invoices", "full": True, "backfill": {"from": DAY, "to": DAY}}, "", ONE),
        ({"source": "invoices", "backfill": {"from": DAY}}, "backfill.to", "Missing data for required field."),
        ({"source": "invoices", "backfill": {"from": MOMENT, "to": DAY}}, "backfill.to", "Must not be before from"),
        ({"source": "invoices", "backfill": {"from": "2999-01-01", "to": "2999-01-02"}}, "backfill.from", "Must not"),
        ({"source": "invoices", "backfill": [DAY, DAY]}, "backfill", "Must be an object"),
        ([], "", "Must be an object"),
    ],
    ids=lambda value: json.dumps(value),
)
def test_a_bad_request_is_told_which_rule_it_breaks(
    house: House, client: Client, body: Any, path: str, rule: str
) -> None:
    answer = client.post(RUNS, body=json.dumps(body), headers={"Content-Type": "application/json"})
    assert answer.status == 422, answer.body
    assert [
        flaw for flaw in answer.json()["details"]["errors"] if flaw["path"] == path and flaw["message"].startswith(rule)
    ], answer.json()["details"]
    assert house.sql("SELECT id FROM ingestion_metadata") == house.sql("SELECT id FROM jobs") == []


def test_a_busy_stream_is_told_with_its_run(house: House, client: Client) -> None:
    first = client.post(RUNS, json={"source": "work-orders"}).json()
    refused = client.post(RUNS, json={"source": "work-orders", "full": True})
    assert refused.status == 409
    assert refused.json()["executionId"] == first["executionId"]
    assert first["executionId"] in refused.json()["message"]
    assert client.post(RUNS, json={"source": "work-orders", "resource": "parts"}).status == 202
    assert house.sql("SELECT count(*) FROM jobs") == [(2,)]


def test_one_of_several_shops_must_be_named(house: House, on_lambda: Callable[..., Client]) -> None:
    client = on_lambda({"FULLBAY_API_KEY_NORTH": "key-of-north"})
    answer = client.post(RUNS, json={"source": "invoices"})
    assert answer.status == 422
    assert answer.json()["details"]["errors"] == [
        {"path": "shop", "message": "Must be one of default, north: a run reads one shop"}
    ]
    assert house.sql("SELECT id FROM ingestion_metadata") == []
    assert client.post(RUNS, json={"source": "invoices", "shop": "north"}).json()["shop"] == "north"


def test_without_a_key_the_answer_names_the_variable(house: House, on_lambda: Callable[..., Client]) -> None:
    answer = on_lambda({"FULLBAY_API_KEY_DEFAULT": ""}).post(RUNS, json={"source": "invoices"})
    assert (answer.status, answer.json()["error"]) == (409, "Not Configured")
    assert "set FULLBAY_API_KEY, or name a secret" in answer.json()["message"]
    assert house.sql("SELECT id FROM ingestion_metadata") == []


def test_a_run_that_cannot_be_queued_has_failed(house: House, on_lambda: Callable[..., Client]) -> None:
    client = on_lambda(jobs=NoQueue("JOBS_QUEUE_URL is not set"))
    answer = client.post(RUNS, json={"source": "work-orders"})
    assert answer.status == 503
    assert "JOBS_QUEUE_URL" not in answer.body.decode()
    (run,) = client.get(RUNS).json()["runs"]
    assert (run["status"], run["legs"]) == ("FAILED", 0)
    assert run["errorMessage"] == "its job could not be queued: JOBS_QUEUE_URL is not set"
    assert run["endTime"] is not None
    assert on_lambda().post(RUNS, json={"source": "work-orders"}).status == 202  # and nothing is in the way


def test_a_queue_without_its_table_is_an_outage(house: House, client: Client) -> None:
    house.sql("ALTER TABLE jobs RENAME TO jobs_away")
    try:
        answer = client.post(RUNS, json={"source": "work-orders"})
    finally:
        house.sql("ALTER TABLE jobs_away RENAME TO jobs")
    assert answer.status == 503
    (run,) = client.get(RUNS).json()["runs"]
    assert (run["status"], run["errorMessage"]) == (
        "FAILED",
        "its job could not be queued: the queue cannot be reached",
    )


def test_a_job_that_was_queued_all_the_same_still_reads(house: House, client: Client) -> None:
    run = client.post(RUNS, json={"source": "work-orders"}).json()
    house.sql("UPDATE ingestion_metadata SET status = 'FAILED', end_time = now()")
    house.work()
    assert client.get(f"{RUNS}/{run['executionId']}").json()["status"] == "SUCCESS"


@pytest.mark.parametrize("scope", ["ingestion:read", "events:write"])
def test_only_who_may_run_runs(house: House, client: Client, scope: str) -> None:
    token = house.token(scope)
    assert client.post(RUNS, json={"source": "work-orders"}, token=token).status == 403
    assert client.get(RUNS, token=token).status == (200 if scope == "ingestion:read" else 403)
    assert client.get(RUNS, token=house.token("ingestion:run")).status == 403


@pytest.mark.parametrize(
    "name", ["7f9c24e8-3b12-4a5f-9d0c-1c2d3e4f5a6b", "1", "x", "0f8fad5b-d9cb-469f-a165-70867728950E"]
)
def test_a_run_that_is_not_there_is_not_found(client: Client, name: str) -> None:
    assert client.get(f"{RUNS}/{name}").status == 404


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("source=orders", "source"),
        ("resource=x", "resource"),
        ("shop=", "shop"),
        ("status=DONE", "status"),
        ("status=", "status"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("cursor=x", "cursor"),
        ("page=2", "page"),
    ],
)
def test_a_bad_query_is_told_which_rule_it_breaks(client: Client, query: str, path: str) -> None:
    answer = client.get(f"{RUNS}?{query}")
    assert answer.status == 422
    assert [flaw["path"] for flaw in answer.json()["details"]["errors"]] == [path]


def insert_run(house: House, **columns: Any) -> str:
    run_id = str(uuid.uuid4())
    found = {
        "source": "work-orders",
        "resource": "work-orders",
        "shop": "default",
        "status": "SUCCESS",
        "start_time": datetime(2026, 1, 1, tzinfo=UTC),
        **columns,
    }
    is_over = found["status"] not in ("RUNNING", "CONTINUES")
    house.sql(
        """
        INSERT INTO ingestion_metadata
            (execution_id, source, resource, shop, status, start_time, end_time, request, api_endpoint)
        VALUES (%s, %s, %s, %s, %s, %s, %s, '{}', 'http://x')
        """,
        *(run_id, found["source"], found["resource"], found["shop"], found["status"], found["start_time"]),
        found["start_time"] if is_over else None,
    )
    return run_id


CHOICES = {
    "source": ("work-orders", "invoices"),
    "resource": ("work-orders", "parts", "invoices"),
    "shop": ("default", "north"),
    "status": STATUSES,
}
QUERIES = st.fixed_dictionaries(
    {"limit": st.integers(1, 9)},
    optional={name: st.sampled_from(choices) for name, choices in CHOICES.items() if name != "status"}
    | {"status": st.lists(st.sampled_from(STATUSES), min_size=1, max_size=3).map(",".join)},
)


@pytest.mark.parametrize("seed", [1, 2])
def test_pages_hold_what_the_model_says(house: House, http: Client, seed: int) -> None:
    import random

    chance = random.Random(seed)
    model = []
    busy: set[Any] = set()
    for _ in range(40):
        run = {name: chance.choice(choices) for name, choices in CHOICES.items()}
        stream = (run["source"], run["resource"], run["shop"])
        if run["status"] in ("RUNNING", "CONTINUES"):
            if stream in busy:
                continue
            busy.add(stream)
        run["start_time"] = datetime(2026, 1, chance.randint(1, 3), tzinfo=UTC)
        model.append(run | {"id": insert_run(house, **run)})
    model.sort(key=lambda run: (run["start_time"], run["id"]), reverse=True)

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(QUERIES)
    def check(query: dict[str, Any]) -> None:
        target = f"{RUNS}?" + "&".join(f"{name}={quote(str(value))}" for name, value in query.items())
        expected = [
            run["id"]
            for run in model
            if all(query.get(name, run[name]) == run[name] for name in ("source", "resource", "shop"))
            and run["status"] in query.get("status", run["status"]).split(",")
        ]
        assert [run["executionId"] for run in walk(http, target, "runs")] == expected

    check()


def test_a_page_begins_behind_the_one_before_whatever_comes_in_front(house: House, client: Client) -> None:
    ids = [insert_run(house, start_time=datetime(2026, 1, 1 + number, tzinfo=UTC)) for number in range(6)]
    first = client.get(f"{RUNS}?limit=3")
    insert_run(house, start_time=datetime(2026, 2, 1, tzinfo=UTC))
    link = first.headers["link"]
    rest = walk(client, link[1 : link.index(">")], "runs")
    assert [run["executionId"] for run in first.json()["runs"] + rest] == ids[::-1]


def test_a_run_tells_the_windows_that_need_a_look_first(house: House, client: Client) -> None:
    run_id = insert_run(house, status="PARTIAL")
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    for number in range(205):
        state = {3: "incomplete", 100: "open"}.get(number, "complete")
        house.sql(
            """
            INSERT INTO ingestion_windows (execution_id, source, resource, shop, covers, state)
            VALUES (%s, 'invoices', 'invoices', 'default', tstzrange(%s, %s), %s)
            """,
            *(run_id, begin + timedelta(days=number), begin + timedelta(days=number + 1), state),
        )
    found = client.get(f"{RUNS}/{run_id}").json()
    assert (found["windowCount"], len(found["windows"])) == (205, 200)
    assert [window["state"] for window in found["windows"][:3]] == ["open", "incomplete", "complete"]
    assert found["windows"][2]["to"] == "2020-07-24T00:00:00Z"
    assert found["windows"][0]["readAt"] is None
