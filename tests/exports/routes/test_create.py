"""Exports are asked for: by POST, and by the GET of old. Whatever is wrong is named, and then nothing is begun."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from service.exports.routes import create
from service.jobs.queues import NoQueue
from service.operations import declared_by
from tests.exports.house import CUSTOMERS, DIGITS, ODD, ORDERS, House
from tests.exports.routes.conftest import RUNS
from tests.exports.selection import hostile
from tests.postgres import free_port
from tests.transports import Answer, Client


def assert_nothing_has_begun(house: House) -> None:
    assert house.sql("SELECT id FROM export_runs") == house.sql("SELECT id FROM jobs") == []


def rules_of(answer: Answer) -> list[tuple[str, str]]:
    assert answer.status == 422, answer.body
    assert answer.headers["content-type"] == "application/json"
    return [(flaw["path"], flaw["message"]) for flaw in answer.json()["details"]["errors"]]


def test_an_export_is_asked_for_worked_off_and_found_again(house: House, client: Client) -> None:
    asked = client.post(RUNS, json={"table": CUSTOMERS, "where_clause": "region = 'US'"})
    assert asked.status == 202, asked.body
    run = asked.json()
    assert asked.headers["location"] == f"{RUNS}/{run['id']}"
    assert asked.headers["cache-control"] == "no-store"
    assert (run["table"], run["status"], run["mode"], run["trigger"]) == (CUSTOMERS, "CONTINUES", "full", "request")
    assert run["request"] == {"table": CUSTOMERS, "where_clause": "region = 'US'", "mode": "full"}
    assert run["destination"] == f"{house.partner.url}/records"
    assert (run["legs"], run["endedAt"], run["rowsSelected"], run["isPlanned"]) == (0, None, 0, False)
    assert house.sql("SELECT name, arguments FROM jobs") == [("export", {"run": run["id"]})]
    house.work()
    found = client.get(asked.headers["location"]).json()
    assert (found["status"], found["errorMessage"], found["legs"]) == ("SUCCEEDED", None, 1)
    assert found["rowsSelected"] == found["rowsSent"] == len(house.partner.rows) > 100
    assert (found["rowsRejected"], found["rowsRemaining"], found["truncated"]) == (0, 0, False)
    assert found["batches"] == {"sent": found["batchesPlanned"]}
    assert found["queryId"]
    assert found["endedAt"] >= found["heartbeatAt"] >= found["createdAt"]
    assert {one.row["region"] for one in house.partner.rows} == {"US"}
    house.assert_all_is_accounted_for()


def test_the_query_of_old_gets_the_same_answer(house: House, client: Client) -> None:
    query = urlencode({"table": CUSTOMERS, "limit": "20", "where_clause": "processed_date >= '2024-01-01'"})
    answers = [
        client.get(f"/export?{query}"),
        client.post(RUNS, json={"table": CUSTOMERS, "limit": 20, "where_clause": "processed_date >= '2024-01-01'"}),
    ]
    old, new = (answer.json() for answer in answers)
    assert [answer.status for answer in answers] == [202, 202]
    assert [answer.headers["location"] for answer in answers] == [f"{RUNS}/{old['id']}", f"{RUNS}/{new['id']}"]
    differing = {"id", "createdAt", "heartbeatAt"}
    assert {k: v for k, v in old.items() if k not in differing} == {k: v for k, v in new.items() if k not in differing}
    house.work()
    assert len(house.partner.rows) == 40


def test_everything_can_be_asked_for_in_a_query(house: House, client: Client) -> None:
    filters = [{"column": "status", "op": "in", "value": ["placed", "shipped"]}, {"column": "note", "op": "is_null"}]
    asked = {"table": ORDERS, "columns": "order_id,total", "filters": json.dumps(filters), "mode": "changed"}
    answer = client.get(f"/export?{urlencode(asked | {'date_filter': 'last_30_days'})}")
    assert answer.status == 202, answer.body
    assert answer.json()["request"] == {
        "table": ORDERS,
        "columns": ["order_id", "total"],
        "filters": [filters[0], filters[1] | {"value": True}],
        "date_filter": "last_30_days",
        "mode": "changed",
    }
    house.work()
    assert {tuple(one.row) for one in house.partner.rows} == {("order_id", "total")}


def test_the_example_of_the_document_works(house: House, client: Client) -> None:
    operation = declared_by(create)
    assert operation is not None
    answer = client.post(RUNS, json=operation.example)
    assert answer.status == 202, answer.body
    house.work()
    assert client.get(answer.headers["location"]).json()["status"] == "SUCCEEDED"
    assert len(house.partner.rows) == operation.example["limit"] == 100


def test_a_run_that_was_cut_says_how_many_rows_there_were(house: House, client: Client) -> None:
    location = client.post(RUNS, json={"table": CUSTOMERS, "limit": 7}).headers["location"]
    house.work()
    run = client.get(location).json()
    assert (run["rowsSelected"], run["truncated"], run["rowsAvailable"]) == (7, True, 1000)
    assert run["status"] == "SUCCEEDED"


@pytest.mark.parametrize("digits", [str(DIGITS), f"-{DIGITS}", "0.001"], ids=["38 digits", "negative", "small"])
def test_a_number_of_many_digits_finds_its_row_and_stands_in_the_run(house: House, client: Client, digits: str) -> None:
    body = f'{{"table": "{ODD}", "filters": [{{"column": "amount", "op": "eq", "value": {digits}}}]}}'
    answer = client.post(RUNS, body=body, headers={"Content-Type": "application/json"})
    assert answer.status == 202, answer.body
    (asked,) = answer.json()["request"]["filters"]
    assert Decimal(str(asked["value"])) == Decimal(digits)
    house.work()
    ((_, row),) = house.partner.rows
    assert row["amount"] == Decimal(digits)


def test_every_digit_and_character_arrives(house: House, client: Client) -> None:
    client.post(RUNS, json={"table": ODD})
    house.work()
    found = {one.row["id"]: one.row for one in house.partner.rows}
    assert found[2**63 - 1]["amount"] == DIGITS
    assert found[2]["text"] == "Žluťoučký 日本語 \U0001f600\r\n\"quoted\", 'too'"
    assert (found[3]["text"], found[3]["amount"]) == ("", None)


A_TABLE = "Must be a table that may be exported"
FILTER = {"column": "region", "op": "eq", "value": "US"}


@pytest.mark.parametrize(
    ("body", "path", "rule"),
    [
        ({}, "table", "Must not be empty"),
        ({"table": ""}, "table", "Must not be empty"),
        ({"table": 7}, "table", "Must be a text"),
        ({"table": "local_customer_silver"}, "table", f"{A_TABLE}; did you mean {CUSTOMERS}"),
        ({"table": "customers"}, "table", f"{A_TABLE}; did you mean {CUSTOMERS}?"),
        ({"table": "zzz"}, "table", A_TABLE),
        ({"table": "information_schema.tables"}, "table", A_TABLE),
        ({"table": f"{CUSTOMERS};"}, "table", A_TABLE),
        ({"table": f'"{CUSTOMERS}"'}, "table", A_TABLE),
        ({"table": CUSTOMERS, "columns": []}, "columns", "Must be a list of 1 to"),
        (
            {"table": CUSTOMERS, "columns": ["emial"]},
            "columns[0]",
            "Must be a column of the table, not 'emial'; did you",
        ),
        ({"table": CUSTOMERS, "columns": ["email", "EMAIL"]}, "columns[0]", "Must not stand twice"),
        ({"table": CUSTOMERS, "columns": "email"}, "columns", ""),
        ({"table": CUSTOMERS, "date_filter": "tomorrow"}, "date_filter", "Must be today, yesterday"),
        ({"table": ODD, "date_filter": "today"}, "date_filter", "Must not be given for this table"),
        ({"table": CUSTOMERS, "limit": 0}, "limit", "Must be a whole number from 1"),
        ({"table": CUSTOMERS, "limit": "100"}, "limit", "Must be a whole number from 1"),
        ({"table": CUSTOMERS, "limit": 1.5}, "limit", "Must be a whole number from 1"),
        ({"table": CUSTOMERS, "limit": True}, "limit", "Must be a whole number from 1"),
        ({"table": CUSTOMERS, "limit": 10_001}, "limit", "Must be at most 10000"),
        ({"table": CUSTOMERS, "mode": "some"}, "mode", "Must be one of full, changed"),
        ({"table": CUSTOMERS, "mode": "changed", "columns": ["email"]}, "columns", "Must hold the key of the table"),
        ({"table": CUSTOMERS, "where": "1=1"}, "where", "Unknown key; known are table, columns"),
        ({"table": CUSTOMERS, "where_clause": ""}, "where_clause", "Must not be empty"),
        ({"table": CUSTOMERS, "where_clause": "regoin = 'US'"}, "where_clause", ""),
        ({"table": CUSTOMERS, "where_clause": None}, "where_clause", ""),
        ({"table": CUSTOMERS, "filters": FILTER}, "filters", ""),
        ({"table": CUSTOMERS, "filters": [FILTER | {"op": "is"}]}, "filters[0].op", "Must be one of eq, ne"),
        ({"table": CUSTOMERS, "filters": [FILTER | {"column": "regoin"}]}, "filters[0].column", "Must be a column"),
        ({"table": CUSTOMERS, "filters": [FILTER | {"more": 1}]}, "filters[0].more", "Unknown key; known are column"),
        ({"table": CUSTOMERS, "filters": [{"column": "visits", "op": "eq", "value": "x"}]}, "filters[0].value", ""),
        ([], "", "Must be an object"),
        ("text", "", "Must be an object"),
    ],
    ids=lambda value: json.dumps(value)[:70],
)
def test_a_bad_request_is_told_which_rule_it_breaks(
    house: House, client: Client, body: Any, path: str, rule: str
) -> None:
    answer = client.post(RUNS, body=json.dumps(body), headers={"Content-Type": "application/json"})
    assert [flaw for flaw in rules_of(answer) if flaw[0] == path and flaw[1].startswith(rule)], answer.json()["details"]
    assert answer.json()["message"].startswith(path)
    assert_nothing_has_begun(house)


@pytest.mark.parametrize(
    ("query", "path", "rule"),
    [
        ("", "table", "Must not be empty"),
        (f"table={CUSTOMERS}&limit=1e3", "limit", "Must be a whole number"),
        (f"table={CUSTOMERS}&limit=-1", "limit", "Must be a whole number"),
        (f"table={CUSTOMERS}&limit=%D9%A1", "limit", "Must be a whole number"),
        (f"table={CUSTOMERS}&columns=", "columns", ""),
        (f"table={CUSTOMERS}&filters=x", "filters", "Must be JSON"),
        (f"table={CUSTOMERS}&filters=%7B%7D", "filters", ""),
        (f"table={CUSTOMERS}&filters=%5B%7B%7D%5D", "filters[0].column", ""),
        (f"table={CUSTOMERS}&where_clause=1%3D1", "where_clause", ""),
        (f"table={CUSTOMERS}&where=1", "where", "Unknown key"),
        ("table=customer_silver", "table", A_TABLE),
    ],
)
def test_a_bad_query_is_told_which_rule_it_breaks(
    house: House, client: Client, query: str, path: str, rule: str
) -> None:
    answer = client.get(f"/export?{query}")
    assert [flaw for flaw in rules_of(answer) if flaw[0] == path and flaw[1].startswith(rule)], answer.json()["details"]
    assert_nothing_has_begun(house)


CLAUSES = list(hostile.CLAUSES.items())
SAMPLE = CLAUSES[::12]


def refuse(client: Client, clause: str) -> None:
    answer = client.post(RUNS, json={"table": CUSTOMERS, "where_clause": clause})
    ((path, rule),) = rules_of(answer)
    assert path == "where_clause"
    assert 10 < len(rule) < 250
    assert rule.isprintable()


@pytest.mark.parametrize("clause", dict(SAMPLE).values(), ids=dict(SAMPLE))
def test_a_hostile_clause_begins_nothing(house: House, client: Client, clause: str) -> None:
    refuse(client, clause)
    assert_nothing_has_begun(house)


def test_no_hostile_clause_begins_anything(house: House, http: Client) -> None:
    for _, clause in CLAUSES:
        refuse(http, clause)
    assert_nothing_has_begun(house)


@pytest.mark.parametrize("name", [name for name, text in hostile.CLAUSES.items() if 0 < len(text) < 2000][::25])
def test_a_hostile_clause_in_a_query_begins_nothing(house: House, client: Client, name: str) -> None:
    answer = client.get(f"/export?table={CUSTOMERS}&where_clause={quote(hostile.CLAUSES[name], errors='replace')}")
    assert [path for path, _ in rules_of(answer)] == ["where_clause"]
    assert_nothing_has_begun(house)


@pytest.mark.parametrize("days", list(hostile.DATES.values())[::4], ids=list(hostile.DATES)[::4])
def test_a_hostile_date_begins_nothing(house: House, client: Client, days: str) -> None:
    answer = client.post(RUNS, json={"table": CUSTOMERS, "date_filter": days})
    assert [path for path, _ in rules_of(answer)] == ["date_filter"]
    assert_nothing_has_begun(house)


@pytest.mark.parametrize("column", list(hostile.COLUMNS.values())[::4], ids=list(hostile.COLUMNS)[::4])
def test_a_hostile_name_begins_nothing(house: House, client: Client, column: str) -> None:
    named = client.post(RUNS, json={"table": CUSTOMERS, "columns": [column]})
    assert [path for path, _ in rules_of(named)] in (["columns[0]"], ["columns.0"])
    table = client.post(RUNS, json={"table": column})
    assert [path for path, _ in rules_of(table)] == ["table"]
    assert_nothing_has_begun(house)


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("PUT", RUNS, 405),
        ("DELETE", RUNS, 405),
        ("POST", "/export", 405),
        ("HEAD", f"/export?table={CUSTOMERS}", 405),
        ("GET", "/api/v1/export", 404),
        ("POST", f"{RUNS}/", 404),
    ],
)
def test_another_method_or_path_begins_nothing(
    house: House, client: Client, method: str, target: str, status: int
) -> None:
    answer = client.request(method, target)
    assert answer.status == status
    assert status != 405 or answer.headers["allow"]
    assert_nothing_has_begun(house)


@pytest.mark.parametrize(
    ("body", "headers", "status", "error"),
    [
        (b"{", {"Content-Type": "application/json"}, 400, "Invalid JSON"),
        (b'{"table": "\xff"}', {"Content-Type": "application/json"}, 400, "Invalid JSON"),
        (b"table=x", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "Unsupported Media Type"),
        (b"{}", {"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415, "Unsupported Media Type"),
        (b" " * (6 * 1024 * 1024 + 1), {"Content-Type": "application/json"}, 413, "Payload Too Large"),
    ],
    ids=["broken", "no UTF-8", "a form", "compressed", "too large"],
)
def test_a_body_that_is_none_begins_nothing(
    house: House, client: Client, body: bytes, headers: dict[str, str], status: int, error: str
) -> None:
    answer = client.request("POST", RUNS, body=body, headers=headers)
    assert (answer.status, answer.json()["error"]) == (status, error)
    assert_nothing_has_begun(house)


@pytest.mark.parametrize("scope", ["exports:read", "ingestion:run", "events:write"])
def test_only_who_may_run_runs(house: House, client: Client, scope: str) -> None:
    token = house.token(scope)
    asked = {"table": CUSTOMERS}
    nowhere = f"{RUNS}/0f8fad5b-d9cb-469f-a165-70867728950e"
    for answer in (
        client.post(RUNS, json=asked, token=token),
        client.get(f"/export?table={CUSTOMERS}", token=token),
        client.post(f"{nowhere}/retry", token=token),
        client.post(f"{nowhere}/cancel", token=token),
    ):
        assert answer.status == 403
        assert "exports:run" in answer.headers["www-authenticate"]
    assert client.get(RUNS, token=token).status == (200 if scope == "exports:read" else 403)
    assert client.get(RUNS, token=house.token("exports:run")).status == 403
    assert_nothing_has_begun(house)


def test_nobody_runs_without_a_token(house: House, client: Client) -> None:
    for token in (None, "x.y.z"):
        assert client.post(RUNS, json={"table": CUSTOMERS}, token=token).status == 401
        assert client.get(f"/export?table={CUSTOMERS}", token=token).status == 401
        assert client.get(RUNS, token=token).status == 401
    assert_nothing_has_begun(house)


def test_two_comparisons_of_one_table_are_told_apart(house: House, client: Client) -> None:
    first = client.post(RUNS, json={"table": CUSTOMERS, "mode": "changed"}).json()
    refused = client.post(RUNS, json={"table": CUSTOMERS, "mode": "changed"})
    assert (refused.status, refused.json()["error"], refused.json()["exportId"]) == (409, "Conflict", first["id"])
    assert first["id"] in refused.json()["message"]
    assert client.post(RUNS, json={"table": ORDERS, "mode": "changed"}).status == 202
    assert client.post(RUNS, json={"table": CUSTOMERS}).status == 202


@pytest.mark.parametrize(
    ("credentials", "words"),
    [
        ("", ["API_SECRET_NAME", "API_CREDENTIALS", "api_base_url"]),
        ("{", ["API_CREDENTIALS must be a JSON object"]),
        ('{"api_base_url": "http://example.com"}', ["api_base_url in API_CREDENTIALS must be a URL", "https://"]),
        ('{"api_base_url": "https://example.com"}', ["token_endpoint is missing in API_CREDENTIALS"]),
    ],
    ids=["none", "broken", "without TLS", "in part"],
)
def test_without_credentials_the_answer_names_what_is_missing(
    house: House, on_lambda: Callable[..., Client], credentials: str, words: list[str]
) -> None:
    client = on_lambda({"API_CREDENTIALS": credentials})
    for answer in (client.post(RUNS, json={"table": CUSTOMERS}), client.get(f"/export?table={CUSTOMERS}")):
        assert (answer.status, answer.json()["error"]) == (409, "Not Configured")
        assert [word for word in words if word not in answer.json()["message"]] == []
    assert_nothing_has_begun(house)


def test_a_lake_out_of_reach_is_an_outage_without_details(
    house: House, on_lambda: Callable[..., Client], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    client = on_lambda({"ATHENA_WORKGROUP": "primary", "AWS_REGION": "eu-west-1", "EXPORT_TABLES": ""})
    answer = client.post(RUNS, json={"table": CUSTOMERS})
    assert (answer.status, answer.json()["error"]) == (503, "Service Temporarily Unavailable")
    assert answer.headers["retry-after"]
    assert not [word for word in (str(port), "lake", "Athena", "Glue", "botocore") if word in answer.body.decode()]
    assert "the catalog of the lake cannot be read" in [getattr(r, "reason", "")[:38] for r in caplog.records]
    assert_nothing_has_begun(house)


def test_a_broken_lake_is_an_outage_without_details(
    house: House, on_lambda: Callable[..., Client], tmp_path: Any
) -> None:
    data_dir = tmp_path / "data"
    shutil.copytree(house.environ["DATA_DIR"], data_dir, ignore=shutil.ignore_patterns("lake"))  # the keys of tokens
    (data_dir / "lake").write_text("no directory")
    answer = on_lambda({"DATA_DIR": str(data_dir)}).post(RUNS, json={"table": CUSTOMERS})
    assert (answer.status, answer.json()["error"]) == (503, "Service Temporarily Unavailable")
    assert not [word for word in (str(tmp_path), "Error", "lake") if word in answer.json()["message"]]
    assert_nothing_has_begun(house)


def test_a_run_that_cannot_be_queued_has_failed(house: House, on_lambda: Callable[..., Client]) -> None:
    client = on_lambda(jobs=NoQueue("JOBS_QUEUE_URL is not set"))
    answer = client.post(RUNS, json={"table": CUSTOMERS, "mode": "changed"})
    assert answer.status == 503
    assert "JOBS_QUEUE_URL" not in answer.body.decode()
    (run,) = client.get(RUNS).json()["exports"]
    assert (run["status"], run["legs"]) == ("FAILED", 0)
    assert run["errorMessage"] == "its job could not be queued: JOBS_QUEUE_URL is not set"
    assert on_lambda().post(RUNS, json={"table": CUSTOMERS, "mode": "changed"}).status == 202  # nothing is in the way
