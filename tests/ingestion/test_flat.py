"""Records that are one row each: the newest version wins, whatever order they come in, and every digit stays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.documents import parse
from service.ingestion.flat import FlatRecords
from service.ingestion.fullbay.work_orders import RESOURCES
from service.ingestion.records import Outcome, Rejected, Stream

WORK_ORDERS = RESOURCES[0]
STREAM = Stream("work-orders", "work-orders", "default")
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def cursor(install: Any) -> Iterator[Any]:
    connection = psycopg2.connect(install().url)
    with connection.cursor() as cursor:
        yield cursor
    connection.close()


@pytest.fixture(autouse=True)
def empty(cursor: Any) -> None:
    cursor.execute("TRUNCATE fullbay_work_orders, fullbay_customers, fullbay_parts")


def order(number: int = 1, hours: int | None = 0, **fields: Any) -> dict[str, Any]:
    changed = None if hours is None else (START + timedelta(hours=hours)).isoformat()
    return {"id": f"WO-{number}", "updated_at": changed, **fields}


def store(cursor: Any, *records: Any, stream: Stream = STREAM, resource: FlatRecords = WORK_ORDERS) -> Outcome:
    texts = [record if isinstance(record, str) else json.dumps(record) for record in records]
    return resource.store(cursor, stream, [resource.read(parse(text)) for text in texts])


def column(cursor: Any, name: str) -> list[Any]:
    cursor.execute(f"SELECT {name} FROM fullbay_work_orders ORDER BY fullbay_id")
    return [row[0] for row in cursor.fetchall()]


def test_new_changed_unchanged_and_older_records_are_told_apart(cursor: Any) -> None:
    assert store(cursor, order(1), order(2), order(3)) == Outcome(inserted=3)
    outcome = store(cursor, order(1), order(2, 5, status="done"), order(3, -5, status="old"), order(4))
    assert outcome == Outcome(inserted=1, updated=1, unchanged=1, stale=1)
    assert column(cursor, "status") == [None, "done", None, None]


def test_the_order_of_keys_and_blanks_is_no_change(cursor: Any) -> None:
    store(cursor, '{"id": "WO-1", "status": "open", "total_amount": 1.50}')
    assert store(cursor, '{"total_amount":1.50,"status":"open",  "id":"WO-1"}') == Outcome(unchanged=1)


def test_unchanged_records_are_not_touched(cursor: Any) -> None:
    store(cursor, order(1), order(2))
    before = column(cursor, "(xmin::text, ctid::text, ingestion_timestamp)::text")
    store(cursor, order(1), order(2))
    assert column(cursor, "(xmin::text, ctid::text, ingestion_timestamp)::text") == before


def test_a_record_that_lost_its_moment_is_believed_as_it_was_read_later(cursor: Any) -> None:
    store(cursor, order(1, 5, status="open"))
    assert store(cursor, order(1, None, status="done")) == Outcome(updated=1)
    assert store(cursor, order(1, 1, status="again")) == Outcome(updated=1)


def test_every_digit_of_a_record_is_kept(cursor: Any) -> None:
    text = '{"id": 7, "total_amount": 0.12345678901234567890123456789, "labor_amount": "$1,234.50", "x": 1.10}'
    store(cursor, text)
    assert column(cursor, "total_amount") == [Decimal("0.12345678901234567890123456789")]
    assert column(cursor, "labor_amount") == [Decimal("1234.50")]
    assert column(cursor, "raw_data ->> 'x'") == ["1.10"]
    assert column(cursor, "fullbay_id") == ["7"]


VEHICLES: dict[str, tuple[dict[str, Any], Any]] = {
    "vehicle": ({"vehicle": {"make": "Volvo", "year": 2019}}, {"make": "Volvo", "year": 2019}),
    "vehicle_info": ({"vehicle_info": {"vin": "1X"}}, {"vin": "1X"}),
    "asset": ({"asset": {"unit": "T-4"}}, {"unit": "T-4"}),
    "the first that is one": ({"vehicle": None, "asset": {"unit": "T-4"}, "make": "Volvo"}, {"unit": "T-4"}),
    "flat": (
        {"make": "Volvo", "model": "FH", "year": None, "vin": "1X"},
        {"make": "Volvo", "model": "FH", "vin": "1X"},
    ),
    "none": ({"status": "open"}, None),
    "null everywhere": ({"vehicle": None, "vehicle_info": None, "asset": None, "make": None}, None),
}


@pytest.mark.parametrize(("fields", "expected"), VEHICLES.values(), ids=VEHICLES)
def test_a_vehicle_is_found_wherever_it_stands(cursor: Any, fields: dict[str, Any], expected: Any) -> None:
    store(cursor, order(1, **fields))
    assert column(cursor, "vehicle_info") == [expected]


def test_an_update_changes_every_column(cursor: Any) -> None:
    names = ("work_order_number", "customer_id", "customer_name", "status", "total_amount", "tax_amount", "created_at")
    store(cursor, order(1, 0, vehicle={"make": "A"}, **dict.fromkeys(names[:4], "a"), total_amount=1, tax_amount=2))
    changed = dict.fromkeys(names[:4], "b") | {"total_amount": 3, "tax_amount": None, "created_at": "2025-01-01"}
    assert store(cursor, order(1, 1, vehicle={"make": "B"}, **changed)) == Outcome(updated=1)
    cursor.execute(
        f"SELECT {', '.join(names)}, vehicle_info, updated_at, raw_data ->> 'status' FROM fullbay_work_orders"
    )
    assert cursor.fetchall() == [
        ("b", "b", "b", "b", 3, None, datetime(2025, 1, 1, tzinfo=UTC), {"make": "B"}, START + timedelta(hours=1), "b")
    ]


def test_an_id_of_another_shop_is_refused_and_its_row_stays(cursor: Any) -> None:
    store(cursor, order(1, status="ours"))
    other = STREAM._replace(shop="denver")
    outcome = store(cursor, order(1, 9, status="theirs"), order(2), stream=other)
    assert outcome == Outcome(inserted=1, refused=(("WO-1", "belongs to another shop: its id is taken there"),))
    assert column(cursor, "shop") == ["default", "denver"]
    assert column(cursor, "status") == ["ours", None]


BAD: dict[str, tuple[str, str]] = {
    "no object": ("[1]", ""),
    "a text": ('"WO-1"', ""),
    "null": ("null", ""),
    "no id": ('{"status": "open"}', "id"),
    "an id of nothing": ('{"id": null}', "id"),
    "an id that is an object": ('{"id": {}}', "id"),
    "an amount that is a word": ('{"id": 1, "tax_amount": "much"}', "tax_amount"),
    "an amount that is an object": ('{"id": 1, "total_amount": {"value": 1}}', "total_amount"),
    "a moment that is none": ('{"id": 1, "updated_at": "soon"}', "updated_at"),
    "a created_at that is none": ('{"id": 1, "created_at": 5}', "created_at"),
    "a status that is a list": ('{"id": 1, "status": ["open"]}', "status"),
}


@pytest.mark.parametrize(("text", "path"), BAD.values(), ids=BAD)
def test_a_record_that_cannot_be_a_row_is_rejected_with_its_path(text: str, path: str) -> None:
    with pytest.raises(Rejected) as refusal:
        WORK_ORDERS.read(parse(text))
    assert refusal.value.path == path


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(["id", "status", "total_amount", "updated_at", "created_at", "vehicle", "make", "customer_id"]),
        JSON,
    )
)
def test_any_record_is_stored_or_rejected(cursor: Any, record: dict[str, Any]) -> None:
    document = parse(json.dumps(record, default=str))
    if document.violations:
        return  # the engine rejects it before
    cursor.execute("TRUNCATE fullbay_work_orders")
    try:
        row = WORK_ORDERS.read(document)
    except Rejected:
        return
    assert WORK_ORDERS.key(document.value) == row.id
    assert WORK_ORDERS.store(cursor, STREAM, [row]) == Outcome(inserted=1)
    assert WORK_ORDERS.store(cursor, STREAM, [row]) == Outcome(unchanged=1)


Pages = st.lists(
    st.dictionaries(st.integers(1, 6), st.tuples(st.integers(0, 5) | st.none(), st.integers(0, 3)), max_size=6),
    max_size=6,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(Pages)
def test_the_newest_version_wins_in_any_order(cursor: Any, pages: Any) -> None:
    cursor.execute("TRUNCATE fullbay_work_orders")
    model: dict[int, tuple[int | None, int]] = {}
    for page in pages:
        expected = {"inserted": 0, "updated": 0, "unchanged": 0, "stale": 0}
        for number, sent in page.items():
            known = model.get(number)
            is_older = known is not None and None not in (known[0], sent[0]) and sent[0] < known[0]
            kind = "inserted" if known is None else "unchanged" if known == sent else "stale" if is_older else "updated"
            expected[kind] += 1
            if kind in ("inserted", "updated"):
                model[number] = sent
        if page:
            outcome = store(cursor, *(order(number, hours, total_amount=n) for number, (hours, n) in page.items()))
            assert outcome == Outcome(**expected)
    assert column(cursor, "total_amount") == [model[number][1] for number in sorted(model)]


def test_a_mark_tells_versions_apart_and_is_short() -> None:
    marks = [WORK_ORDERS.mark(order(*each)) for each in ((1, 0), (1, 1), (2, 0), (1, None), (2, None))]
    assert len(set(marks)) == 5
    others = [{"id": "x" * 300, "updated_at": "y"}, [1], None, "a", {"id": None}, {"updated_at": "z"}]
    assert len({WORK_ORDERS.mark(other) for other in others}) == len(others)
    assert all(len(WORK_ORDERS.mark(other)) <= 100 for other in others)
