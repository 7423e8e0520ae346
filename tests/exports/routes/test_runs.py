"""Runs are listed, shown, cancelled and tried again."""

from __future__ import annotations

import json
import random
import uuid
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.database import holding
from service.exports import runs
from service.exports.outputs import STATUSES
from service.pages import Key, encode_cursor
from tests.exports.house import CUSTOMERS, ORDERS, House, of_customer
from tests.exports.routes.conftest import RUNS
from tests.ingestion.routes.conftest import walk
from tests.partner import Fault
from tests.transports import Client

TABLES = (CUSTOMERS, ORDERS, "dev_a_table_with_quite_a_long_name_gold")


def insert_run(house: House, **columns: Any) -> str:
    run_id = str(uuid.uuid4())
    found = {"table_name": CUSTOMERS, "status": "SUCCEEDED", "created_at": datetime(2026, 1, 1, tzinfo=UTC), **columns}
    is_over = found["status"] not in ("RUNNING", "CONTINUES")
    house.sql(
        """
        INSERT INTO export_runs
            (id, trigger_kind, table_name, destination, mode, request, status, created_at, heartbeat_at, ended_at,
             engine, columns, key_columns, query_sql, query_parameters, count_sql, row_limit, batch_size)
        VALUES (%s, 'request', %s, 'https://x/records', 'full', '{"table": "x"}', %s, %s, %s, %s, 'local', '[]', '{}',
                '', '{}', '', 1, 1)
        """,
        *(run_id, found["table_name"], found["status"], found["created_at"], found["created_at"]),
        found["created_at"] if is_over else None,
    )
    return run_id


QUERIES = st.fixed_dictionaries(
    {"limit": st.integers(1, 9)},
    optional={
        "table": st.sampled_from(TABLES),
        "status": st.lists(st.sampled_from(STATUSES), min_size=1, max_size=3).map(",".join),
    },
)


@pytest.mark.parametrize("seed", [1, 2])
def test_pages_hold_what_the_model_says(house: House, http: Client, seed: int) -> None:
    chance = random.Random(seed)
    model = []
    for _ in range(40):
        run = {"table_name": chance.choice(TABLES), "status": chance.choice(STATUSES)}
        run["created_at"] = datetime(2026, 1, chance.randint(1, 3), tzinfo=UTC)
        model.append(run | {"id": insert_run(house, **run)})
    model.sort(key=lambda run: (run["created_at"], run["id"]), reverse=True)

    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(QUERIES)
    def check(query: dict[str, Any]) -> None:
        target = f"{RUNS}?" + "&".join(f"{name}={quote(str(value))}" for name, value in query.items())
        expected = [
            run["id"]
            for run in model
            if query.get("table", run["table_name"]) == run["table_name"]
            and run["status"] in query.get("status", run["status"]).split(",")
        ]
        assert [run["id"] for run in walk(http, target, "exports")] == expected

    check()


def test_a_page_begins_behind_the_one_before_whatever_comes_in_front(house: House, client: Client) -> None:
    ids = [insert_run(house, created_at=datetime(2026, 1, 1 + number, tzinfo=UTC)) for number in range(6)]
    first = client.get(f"{RUNS}?limit=3")
    insert_run(house, created_at=datetime(2026, 2, 1, tzinfo=UTC))
    link = first.headers["link"]
    rest = walk(client, link[1 : link.index(">")], "exports")
    assert [run["id"] for run in first.json()["exports"] + rest] == ids[::-1]


def coded(*key: Any) -> str:
    return urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


MOMENT = datetime(2026, 1, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "cursor",
    [
        encode_cursor(Key(MOMENT, "CAR-1", 0)),
        encode_cursor(Key(MOMENT, "", 10**30)),
        encode_cursor(Key(MOMENT, "z", -1)),
    ],
)
def test_a_cursor_of_another_list_is_taken_for_a_place_in_this_one(house: House, client: Client, cursor: str) -> None:
    run_id = insert_run(house)
    assert [run["id"] for run in client.get(f"{RUNS}?cursor={cursor}").json()["exports"]] == [run_id]
    assert client.get(f"{RUNS}/{run_id}/rejects?cursor={cursor}").json() == {"rejects": []}


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("table=", "table"),
        ("status=DONE", "status"),
        ("status=", "status"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("cursor=x", "cursor"),
        (f"cursor={coded(None, 7, 0)}", "cursor"),
        (f"cursor={coded('2026-01-01T00:00:00Z', 'a', True)}", "cursor"),
        ("page=2", "page"),
    ],
)
def test_a_bad_query_is_told_which_rule_it_breaks(client: Client, query: str, path: str) -> None:
    answer = client.get(f"{RUNS}?{query}")
    assert answer.status == 422
    assert [flaw["path"] for flaw in answer.json()["details"]["errors"]] == [path]


@pytest.mark.parametrize(
    "name", ["7f9c24e8-3b12-4a5f-9d0c-1c2d3e4f5a6b", "1", "x", "0f8fad5b-d9cb-469f-a165-70867728950E", "%00"]
)
def test_a_run_that_is_not_there_is_not_found(house: House, client: Client, name: str) -> None:
    for method, path in (
        ("GET", ""),
        ("GET", "/rejects"),
        ("GET", "/rejects.csv"),
        ("POST", "/retry"),
        ("POST", "/cancel"),
    ):
        answer = client.request(method, f"{RUNS}/{name}{path}")
        assert (answer.status, answer.json()["error"]) == (404, "Not Found"), path


def test_a_run_at_work_shows_how_far_it_is(house: House, client: Client) -> None:
    location = client.post(RUNS, json={"table": CUSTOMERS, "limit": 250}).headers["location"]
    run_id = location.rpartition("/")[2]
    house.sql(
        """
        UPDATE export_runs SET status = 'RUNNING', legs = 1, planned_batches = 3, rows_selected = 250, is_planned = true
        WHERE id = %s
        """,
        run_id,
    )
    house.sql(
        """
        INSERT INTO export_batches (run_id, number, first_row, row_count, position, state, settled_at)
        VALUES (%s, 1, 1, 100, 0, 'sent', now()), (%s, 2, 101, 100, 9, 'sending', NULL),
               (%s, 3, 201, 50, 99, 'planned', NULL)
        """,
        *(run_id,) * 3,
    )
    run = client.get(location).json()
    told = [run[f"rows{name}"] for name in ("Selected", "Sent", "Rejected", "Remaining")]
    assert (run["status"], told) == ("RUNNING", [250, 100, 0, 150])
    assert run["batches"] == {"sent": 1, "sending": 1, "planned": 1}
    assert client.get(RUNS).json()["exports"][0] == {k: v for k, v in run.items() if k not in ("queryId", "batches")}


def test_a_run_that_nobody_works_on_is_cancelled_at_once(house: House, client: Client) -> None:
    location = client.post(RUNS, json={"table": CUSTOMERS}).headers["location"]
    answer = client.post(f"{location}/cancel")
    assert (answer.status, answer.headers["location"]) == (202, location)
    run = answer.json()
    assert run["status"] == "CANCELLED"
    assert run["cancelRequestedAt"] <= run["endedAt"]
    again = client.post(f"{location}/cancel")
    assert (again.status, again.json()["message"]) == (409, "The run has ended as CANCELLED")
    house.work()
    assert client.get(location).json()["status"] == "CANCELLED"
    assert house.partner.rows == []


def test_a_run_at_work_is_told_to_stop(house: House, client: Client) -> None:
    location = client.post(RUNS, json={"table": CUSTOMERS}).headers["location"]
    run_id = location.rpartition("/")[2]
    house.sql("UPDATE export_runs SET status = 'RUNNING', legs = 1 WHERE id = %s", run_id)
    with house.app() as app, holding.lock(app.extensions["database"], runs.lock_name(run_id), lambda: 0.0):
        run = client.post(f"{location}/cancel").json()
        assert (run["status"], run["endedAt"]) == ("RUNNING", None)
        assert run["cancelRequestedAt"] is not None
        assert client.post(f"{location}/cancel").json()["cancelRequestedAt"] == run["cancelRequestedAt"]


def test_a_retry_sends_what_the_partner_refused_and_nothing_else(house: House, client: Client) -> None:
    house.renew(of_customer(7, 8))
    location = client.post(RUNS, json={"table": CUSTOMERS, "limit": 120}).headers["location"]
    early = client.post(f"{location}/retry")
    assert (early.status, early.json()["message"]) == (409, "The run is not over")
    house.work()
    run = client.get(location).json()
    assert (run["status"], run["errorMessage"], run["rowsRejected"]) == ("PARTIAL", "2 rows were rejected", 2)
    assert (run["rowsSent"], run["rowsRemaining"]) == (118, 0)
    house.partner.records.refuses = of_customer(8)
    answer = client.post(f"{location}/retry")
    assert (answer.status, answer.headers["location"]) == (202, location)
    assert (answer.json()["status"], answer.json()["endedAt"]) == ("CONTINUES", None)
    house.work()
    run = client.get(location).json()
    assert (run["status"], run["rowsSent"], run["rowsRejected"], run["legs"]) == ("PARTIAL", 119, 1, 2)
    house.partner.records.refuses = lambda row: None
    client.post(f"{location}/retry")
    house.work()
    run = client.get(location).json()
    assert (run["status"], run["rowsSent"], run["rowsRejected"], run["errorMessage"]) == ("SUCCEEDED", 120, 0, None)
    over = client.post(f"{location}/retry")
    assert (over.status, over.json()["message"]) == (409, "Every row got through")
    assert len({one.row["customer_id"] for one in house.partner.rows}) == 120
    house.assert_all_is_accounted_for()


def test_a_retry_beside_a_comparison_of_the_table_names_it(house: House, client: Client) -> None:
    first = client.post(RUNS, json={"table": CUSTOMERS, "mode": "changed"}).headers["location"]
    client.post(f"{first}/cancel")
    second = client.post(RUNS, json={"table": CUSTOMERS, "mode": "changed"}).json()
    answer = client.post(f"{first}/retry")
    assert (answer.status, answer.json()["exportId"]) == (409, second["id"])
    assert client.get(first).json()["status"] == "CANCELLED"


def test_a_partner_that_cannot_be_had_fails_the_run_and_the_retry_goes_on(house: House, client: Client) -> None:
    house.partner.faults = [Fault("status", status=404, requests=range(4, 100))]
    location = client.post(RUNS, json={"table": CUSTOMERS}).headers["location"]
    house.work(JOB_MAX_ATTEMPTS="1", EXPORT_CONCURRENCY="1")
    run = client.get(location).json()
    assert run["status"] == "FAILED"
    assert "404" in run["errorMessage"]
    assert run["rowsSelected"] == run["rowsSent"] + run["rowsRemaining"] == 1000
    assert 0 < run["rowsSent"] < 1000
    house.partner.faults = []
    house.sql("DELETE FROM jobs")
    assert client.post(f"{location}/retry").status == 202
    house.work()
    run = client.get(location).json()
    assert (run["status"], run["rowsSent"], run["legs"]) == ("SUCCEEDED", 1000, 2)
    house.assert_all_is_accounted_for()
