"""Rejects over HTTP: what they show of a record, and what becomes of one that is replayed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from service.ingestion.flat import FlatRecords
from service.ingestion.fullbay.invoice_records import Invoices
from tests.fullbay import Fault
from tests.ingestion.model import as_json, assert_invoices_equal, assert_table_equals
from tests.ingestion.routes.conftest import API, House, walk
from tests.ingestion.routes.samples import insert_reject, of_yesterday, open_rejects, work_order
from tests.transports import Client

REJECTS = f"{API}/rejects"


def spoilt(house: House, what: str, source: str = "work-orders") -> set[str]:
    """Read while some records are spoilt; return the ids of these."""
    house.fullbay.faults = [Fault("drift", what=what, share=0.1)]
    result = house.read(source)
    assert result is not None
    assert result.status == "PARTIAL"
    return {identifier for one in house.fullbay.applied for identifier in one.details.get("ids", [])}


def test_a_record_that_cannot_be_stored_is_shown_as_it_was_sent(house: House, client: Client) -> None:
    house.fullbay.applied.clear()
    ids = spoilt(house, "amount_text")
    found = as_json(client.get(REJECTS).body.decode())["rejects"]
    assert {reject["recordId"] for reject in found} == ids
    sent = {record["id"]: as_json(json.dumps(record["raw"])) for record in house.fullbay.records("work-orders")}
    for reject in found:
        assert reject["payload"] == sent[reject["recordId"]] | {"total_amount": "call us"}
        assert (reject["path"], reject["seen"], reject["resolution"]) == ("total_amount", 1, None)
        assert reject["reason"] == "must be a number or an amount such as $1,234.56"
        assert (reject["payloadText"], reject["source"], reject["shop"]) == (None, "work-orders", "default")
        assert as_json(client.get(f"{REJECTS}/{reject['id']}").body.decode()) == reject
        assert client.get(f"{API}/runs/{reject['executionId']}").json()["recordsRejected"] == len(ids)
    house.read(full=True)
    again = client.get(REJECTS).json()["rejects"]
    assert {reject["seen"] for reject in again} == {2}
    assert all(reject["lastSeenAt"] > reject["firstSeenAt"] for reject in again)


@pytest.mark.parametrize("what", ["key_twice", "nul", "surrogate", "deep", "huge_number"])
def test_what_cannot_be_told_as_json_is_told_as_text(house: House, client: Client, what: str) -> None:
    spoilt(house, what)
    found = client.get(REJECTS).json()["rejects"]
    assert found
    for reject in found:
        ((payload,),) = house.sql("SELECT payload FROM ingestion_rejects WHERE id = %s", reject["id"])
        assert reject["payload"] is None
        assert reject["payloadText"] == payload[:1000]
        assert reject["payloadLength"] == len(payload)
        refused = client.post(f"{REJECTS}/{reject['id']}/replay")
        assert refused.status == 422, refused.body
        told = {"path": reject["path"], "message": reject["reason"]}
        assert payload == "" or refused.json()["details"]["errors"] == [told]
    assert client.get(REJECTS).json()["rejects"] == found


@pytest.mark.parametrize(
    ("payload", "in_list", "alone"),
    [
        ('{"id":1,"total":1.10,"big":123456789012345678901234567890.000}', "json", "json"),
        ('"a text"', "json", "json"),
        ("null", "json", "json"),
        ("[1]", "json", "json"),
        ('{"id":"ä\u20ac\U0001f600"}', "json", "json"),
        (json.dumps({"id": "x" * 20_000}), "text", "json"),
        (json.dumps({"id": "x" * 3_000_000}), "text", "text"),
        ('{"id":"' + "\u20ac" * 6000 + '"}', "text", "json"),
        ("1" + " " * 20_000, "text", "json"),
        ("no json", "text", "text"),
        ("", "text", "text"),
    ],
    ids=lambda value: value[:20],
)
def test_a_payload_is_json_where_it_can_be(
    house: House, client: Client, payload: str, in_list: str, alone: str
) -> None:
    number = insert_reject(house, payload)
    answers = {"json": client.get(REJECTS), "alone": client.get(f"{REJECTS}/{number}")}
    found = {"list": as_json(answers["json"].body.decode())["rejects"][0]}
    found["alone"] = as_json(answers["alone"].body.decode())
    for name, how in (("list", in_list), ("alone", alone)):
        assert found[name]["payloadLength"] == len(payload)
        if how == "json":
            assert (found[name]["payload"], found[name]["payloadText"]) == (as_json(payload), None)
        else:
            assert (found[name]["payload"], found[name]["payloadText"]) == (None, payload[:1000])
    if "total" in payload:
        assert b'"total":1.10' in answers["json"].body
        assert found["list"]["payload"]["big"] == 123456789012345678901234567890


@pytest.mark.parametrize("seed", range(6))
def test_pages_hold_what_the_model_says(house: House, http: Client, seed: int) -> None:
    chance = random.Random(seed)
    model = []
    for _ in range(25):
        reject = {
            "source": chance.choice(("work-orders", "invoices")),
            "resource": chance.choice(("work-orders", "parts", "invoices")),
            "shop": chance.choice(("default", "north")),
            "seen_at": datetime(2026, 1, chance.randint(1, 3), tzinfo=UTC),
            "resolution": chance.choice((None, None, "replayed", "superseded")),
        }
        model.append(reject | {"id": insert_reject(house, **reject)})
    model.sort(key=lambda reject: (reject["seen_at"], reject["id"]), reverse=True)
    for _ in range(8):
        query = {name: chance.choice(model)[name] for name in ("source", "resource", "shop") if chance.random() < 0.4}
        query |= {"state": chance.choice(("open", "resolved", "all")), "limit": chance.randint(1, 9)}
        expected = [
            reject["id"]
            for reject in model
            if all(query.get(name, reject[name]) == reject[name] for name in ("source", "resource", "shop"))
            and (query["state"] == "all" or (query["state"] == "open") == (reject["resolution"] is None))
        ]
        found = walk(http, f"{REJECTS}?" + "&".join(f"{name}={value}" for name, value in query.items()), "rejects")
        assert [reject["id"] for reject in found] == expected
    assert len(client_ids(http)) == sum(reject["resolution"] is None for reject in model)


def client_ids(client: Client) -> list[int]:
    return [reject["id"] for reject in walk(client, f"{REJECTS}?limit=7", "rejects")]


@pytest.mark.parametrize("number", ["0", "7", str(2**63 - 1), str(2**63), "9" * 30, "9" * 5000, "x", "-1", "1.5"])
def test_a_reject_that_is_not_there_is_not_found(client: Client, number: str) -> None:
    assert client.get(f"{REJECTS}/{number}").status == 404
    assert client.post(f"{REJECTS}/{number}/replay").status == 404


def test_what_yesterdays_code_refused_is_stored_by_todays(
    house: House, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [record["id"] for record in house.fullbay.records("work-orders")][::9]
    with monkeypatch.context() as patch:
        of_yesterday(patch, FlatRecords, ids)
        house.read()
    assert house.sql("SELECT count(*) FROM fullbay_work_orders") == [(80,)]
    for reject in walk(client, f"{REJECTS}?limit=3&source=work-orders", "rejects"):
        assert client.post(f"{REJECTS}/{reject['id']}/replay").json() == {
            "id": reject["id"],
            "resolution": "replayed",
            "outcome": "inserted",
        }
        resolved = client.get(f"{REJECTS}/{reject['id']}").json()
        assert (resolved["resolution"], resolved["payload"]) == ("replayed", reject["payload"])
        assert resolved["resolvedAt"] is not None
        refused = client.post(f"{REJECTS}/{reject['id']}/replay")
        assert (refused.status, refused.json()["resolution"]) == (409, "replayed")
    assert_table_equals(house.fullbay, house.sql)
    assert open_rejects(house) == []
    house.read(full=True)
    assert house.sql("SELECT records_unchanged FROM ingestion_metadata ORDER BY id DESC LIMIT 1") == [(90,)]


def test_invoices_are_replayed_with_their_lines(house: House, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [invoice["id"] for invoice in house.fullbay.invoices()][::4]
    with monkeypatch.context() as patch:
        of_yesterday(patch, Invoices, ids)
        first = datetime.now(UTC).date() - timedelta(days=20)
        house.read("invoices", since=f"{first}T00:00:00+00:00")
    rejects = client.get(f"{REJECTS}?source=invoices").json()["rejects"]
    assert {reject["recordId"] for reject in rejects} == set(ids)
    for reject in rejects:
        assert client.post(f"{REJECTS}/{reject['id']}/replay").json()["outcome"] == "inserted"
    assert_invoices_equal(house.fullbay, house.sql)


def test_a_record_that_is_still_bad_stays(house: House, client: Client) -> None:
    number = insert_reject(house, work_order("1", total_amount="call us"), reason="an old reason")
    before = client.get(f"{REJECTS}/{number}").json()
    refused = client.post(f"{REJECTS}/{number}/replay")
    assert refused.status == 422
    assert refused.json()["details"]["errors"] == [
        {"path": "total_amount", "message": "must be a number or an amount such as $1,234.56"}
    ]
    assert client.get(f"{REJECTS}/{number}").json() == before
    assert house.sql("SELECT id FROM fullbay_work_orders") == []


def test_the_refusal_of_the_database_is_a_reason(house: House, client: Client) -> None:
    house.sql(
        """
        INSERT INTO fullbay_work_orders (shop, fullbay_id, raw_data, content_hash, ingestion_source)
        VALUES ('north', '1', '{}', '', 'x')
        """
    )
    foreign = insert_reject(house, work_order("1"))
    absurd = insert_reject(house, work_order("2", created_at="0001-01-01T00:00:00Z"))
    house.sql("ALTER TABLE fullbay_work_orders ADD CONSTRAINT modern CHECK (created_at > '1970-01-01')")
    try:
        answers = [client.post(f"{REJECTS}/{number}/replay") for number in (foreign, absurd)]
    finally:
        house.sql("ALTER TABLE fullbay_work_orders DROP CONSTRAINT modern")
    assert [answer.status for answer in answers] == [422, 422]
    assert [answer.json()["details"]["errors"][0]["message"] for answer in answers] == [
        "belongs to another shop: its id is taken there",
        "the database refuses it: CheckViolation",
    ]
    assert house.sql("SELECT shop, fullbay_id FROM fullbay_work_orders") == [("north", "1")]
    assert open_rejects(house) == [foreign, absurd]


def test_a_resource_that_is_not_read_any_more_is_a_reason(house: House, client: Client) -> None:
    number = insert_reject(house, work_order("1"), resource="wheels")
    refused = client.post(f"{REJECTS}/{number}/replay")
    assert refused.status == 422
    assert refused.json()["message"] == "wheels of work-orders is not read any more"


def test_a_replay_supersedes_older_rejects_of_its_record_and_no_others(house: House, client: Client) -> None:
    def made(identifier: str, day: int, **where: str) -> int:
        moment = datetime(2026, 1, day, tzinfo=UTC)
        payload = work_order(identifier, status=f"day {day}")
        return insert_reject(house, payload, record_id=identifier, seen_at=moment, **where)

    first, second, third = (made("1", day) for day in (1, 2, 3))
    other, elsewhere = made("2", 1), made("1", 1, shop="north")
    assert client.post(f"{REJECTS}/{second}/replay").json()["outcome"] == "stale"
    assert client.post(f"{REJECTS}/{third}/replay").json()["outcome"] == "inserted"
    assert client.get(f"{REJECTS}/{first}").json()["resolution"] == "superseded"
    assert open_rejects(house) == [other, elsewhere]
    assert house.sql("SELECT status FROM fullbay_work_orders") == [("day 3",)]


def test_who_may_only_read_cannot_replay(house: House, client: Client) -> None:
    number = insert_reject(house, work_order("1"))
    refused = client.post(f"{REJECTS}/{number}/replay", token=house.token("ingestion:read"))
    assert refused.status == 403
    assert open_rejects(house) == [number]


def test_a_replay_is_counted(house: House, on_lambda: Callable[..., Client]) -> None:
    client = on_lambda()

    def count() -> Decimal:
        text = client.get("/metrics").body.decode()
        lines = [line for line in text.splitlines() if line.startswith("headgate_records_inserted_total{")]
        return sum((Decimal(line.split()[-1]) for line in lines), Decimal())

    before = count()
    number = insert_reject(house, work_order("1"))
    client.post(f"{REJECTS}/{number}/replay")
    assert count() == before + 1
