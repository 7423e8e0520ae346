"""Pages of invoices in PostgreSQL: stored once, replaced whole, and not touched where nothing changed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.config import Config
from service.database import Cursor, Database
from service.ingestion.fullbay import invoice_records
from service.ingestion.fullbay.invoice_records import Invoices
from service.ingestion.records import Outcome, Rejected
from tests.ingestion.invoices import model
from tests.ingestion.invoices.conftest import STREAM
from tests.ingestion.invoices.samples import (
    TOTALS,
    a_part,
    an_invoice,
    correction_of,
    document_of,
    dumps,
    invoices,
    read,
)

Begin = Callable[[], Any]

TABLES = {
    "fullbay_invoices": "SELECT i, i.xmin::text, i.ctid::text FROM fullbay_invoices AS i WHERE shop = ANY (%s)",
    "fullbay_line_items": """
        SELECT l, l.xmin::text, l.ctid::text
        FROM fullbay_line_items AS l JOIN fullbay_invoices AS i ON i.id = l.invoice_id
        WHERE i.shop = ANY (%s)
        ORDER BY l.invoice_id, l.position
    """,
    "fullbay_invoice_differences": """
        SELECT d, d.xmin::text, d.ctid::text
        FROM fullbay_invoice_differences AS d JOIN fullbay_invoices AS i ON i.id = d.invoice_id
        WHERE i.shop = ANY (%s)
        ORDER BY d.invoice_id, d.position
    """,
}


def store(cursor: Cursor, *found: Any, shop: str = "north") -> Outcome:
    return Invoices().store(cursor, STREAM._replace(shop=shop), [read(invoice) for invoice in found])


def query(cursor: Cursor, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    cursor.execute(sql, values)
    return cursor.fetchall()


def everything(cursor: Cursor, *shops: str) -> dict[str, list[Any]]:
    """Return every row with the place and the transaction of its version."""
    return {table: query(cursor, sql, list(shops or ("north",))) for table, sql in TABLES.items()}


def test_an_invoice_becomes_a_row(begin: Begin) -> None:
    with begin() as cursor:
        assert store(cursor, an_invoice()) == Outcome(inserted=1)
        cursor.execute("SELECT * FROM fullbay_invoices WHERE shop = 'north'")
        found = dict(zip([column.name for column in cursor.description], cursor.fetchone(), strict=True))
        raw = query(
            cursor, "SELECT raw_data = %s, vehicle_info ->> 'mileage' FROM fullbay_invoices", dumps(an_invoice())
        )
    assert raw == [(True, "1.2622222222222221")]
    for name in ("id", "raw_data", "content_hash", "ingestion_timestamp"):
        assert found.pop(name) is not None
    assert found.pop("vehicle_info")["year"] == "2019"
    assert found == {
        "shop": "north",
        "fullbay_id": "1",
        "invoice_number": "2389",
        "invoice_date": date(2026, 3, 4),
        "due_date": None,
        "exported": True,
        "customer_id": "77",
        "customer_name": "Example Haulage",
        "shop_title": "Shop North",
        "service_order_id": "500",
        "repair_order_number": "3583",
        "misc_charge_total": Decimal("4.73"),
        "service_call_total": 0,
        "mileage_total": 12,
        "mileage_cost_total": 24,
        "parts_total": 45,
        "labor_hours_total": Decimal("2.5"),
        "labor_total": 300,
        "sublet_labor_total": None,
        "supplies_total": Decimal("7.5"),
        "sub_total": Decimal("381.23"),
        "tax_total": Decimal("3.81"),
        "total": Decimal("385.04"),
        "balance": None,
        "difference": 0,
        "ingestion_source": "invoices",
    }


@pytest.mark.parametrize("unit", [None, "", [], {}], ids=repr)
def test_a_unit_that_is_not_told_is_no_vehicle(begin: Begin, unit: Any) -> None:
    with begin() as cursor:
        store(cursor, an_invoice(ServiceOrder={"Unit": unit}))
        found = query(cursor, "SELECT vehicle_info FROM fullbay_invoices")
    assert found == [({} if unit == {} else None,)]


def test_lines_and_differences_are_stored_as_they_were_made(begin: Begin) -> None:
    invoice = an_invoice(portions=["60.00", 25])
    with begin() as cursor:
        store(cursor, invoice)
        for table, made in (("line_items", read(invoice).lines), ("invoice_differences", read(invoice).differences)):
            cursor.execute(f"SELECT * FROM fullbay_{table} ORDER BY position")
            names = [column.name for column in cursor.description]
            stored = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            assert stored
            for row, one in zip(stored, json.loads(made), strict=True):
                del row["invoice_id"]
                assert row.pop("shop", "north") == "north"
                assert {name: None if value is None else str(value) for name, value in row.items()} == {
                    name: None if value is None else str(value) for name, value in one.items()
                }


def test_a_second_pull_changes_nothing_and_touches_no_row(begin: Begin) -> None:
    page = [an_invoice("1"), an_invoice("2", portions=[50]), an_invoice("3", ServiceOrder=None)]
    with begin() as cursor:
        assert store(cursor, *page) == Outcome(inserted=3)
        before = everything(cursor)
        cursor.statements.clear()
        assert store(cursor, *page) == Outcome(unchanged=3)
        assert len(cursor.statements) == 1
        assert cursor.statements[0].startswith("SELECT")
        assert everything(cursor) == before


def test_the_order_of_its_keys_does_not_change_an_invoice(begin: Begin) -> None:
    with begin() as cursor:
        store(cursor, an_invoice())
        assert store(cursor, dict(reversed(an_invoice().items()))) == Outcome(unchanged=1)


def test_of_two_readings_the_later_one_counts() -> None:
    one, other = read(an_invoice(total=1)), read(an_invoice(total=2))
    assert Invoices().newer(one, other) == other


def test_a_changed_invoice_replaces_its_lines_and_leaves_its_neighbours(begin: Begin) -> None:
    first, second = an_invoice("1", portions=[60, 25]), an_invoice("2")
    with begin() as cursor:
        store(cursor, first, second)
        neighbour = query(cursor, "SELECT i, ctid::text FROM fullbay_invoices AS i WHERE fullbay_id = '2'")
        (row_id,) = query(cursor, "SELECT id FROM fullbay_invoices WHERE fullbay_id = '1'")
        correction_of(first)["Parts"] = [a_part(quantity=1)]
        correction_of(first)["partsTotal"] = 10
        assert store(cursor, first, second, an_invoice("3")) == Outcome(inserted=1, updated=1, unchanged=1)
        assert query(cursor, "SELECT i, ctid::text FROM fullbay_invoices AS i WHERE fullbay_id = '2'") == neighbour
        assert query(cursor, "SELECT id FROM fullbay_invoices WHERE fullbay_id = '1'") == [row_id]
        lines = "SELECT line_type, total FROM fullbay_line_items WHERE invoice_id = %s AND line_type = 'PART'"
        assert query(cursor, f"{lines} ORDER BY position", row_id) == [("PART", 6), ("PART", Decimal("2.50"))]


def test_a_replaced_invoice_is_as_if_it_had_come_first(begin: Begin) -> None:
    new = {name: f"{at}.25" for at, name in enumerate(TOTALS, 1)} | {
        "exported": "0",
        "invoiceDate": "2026-04-01",
        "dueDate": "2026-05-01",
        "invoiceNumber": "N",
        "customerTitle": None,
        "Customer": {"title": "Other", "customerId": None},
        "shopTitle": "South",
        "laborHoursTotal": 9,
        "ServiceOrder": {
            "primaryKey": 501,
            "repairOrderNumber": "R",
            "Customer": {"customerId": "78"},
            "Unit": {"year": 2020},
        },
    }
    with begin() as cursor:
        store(cursor, an_invoice())
        cursor.execute("UPDATE fullbay_invoices SET ingestion_timestamp = '2020-01-01'")
        assert store(cursor, an_invoice(**new)) == Outcome(updated=1)
        store(cursor, an_invoice(**new), shop="south")
        replaced, fresh = query(cursor, "SELECT to_jsonb(i) FROM fullbay_invoices AS i ORDER BY shop")
        assert fresh[0] == replaced[0] | {"shop": "south", "id": fresh[0]["id"]}
        assert [fresh[0][name] for name in ("customer_id", "customer_name", "exported")] == ["78", "Other", False]
        old = query(cursor, "SELECT to_jsonb(i) FROM fullbay_invoices AS i WHERE total = 385.04")
        store(cursor, an_invoice("2"))
        ((first,),) = query(cursor, "SELECT to_jsonb(i) FROM fullbay_invoices AS i WHERE fullbay_id = '2'")
        same = {name for name in first if first[name] == fresh[0][name]}
        assert old == []
        assert same == {"ingestion_source", "ingestion_timestamp"}


@pytest.mark.parametrize("rows", [1, 40])
def test_a_page_takes_six_statements_however_long_it_is(begin: Begin, rows: int) -> None:
    with begin() as cursor:
        store(cursor, *(an_invoice(at, portions=[50]) for at in range(rows)))
        assert len(cursor.statements) == 6


def test_a_page_without_rows_is_stored(begin: Begin) -> None:
    with begin() as cursor:
        assert store(cursor) == Outcome()


def test_shops_do_not_share_ids(begin: Begin) -> None:
    with begin() as cursor:
        assert store(cursor, an_invoice("1")) == Outcome(inserted=1)
        assert store(cursor, an_invoice("1", total=1), shop="south") == Outcome(inserted=1)
        assert query(cursor, "SELECT shop, count(*) FROM fullbay_line_items GROUP BY 1 ORDER BY 1") == [
            ("north", 6),
            ("south", 6),
        ]
        assert store(cursor, an_invoice("1")) == Outcome(unchanged=1)


def test_lines_that_are_made_in_another_way_are_made_again(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    with begin() as cursor:
        store(cursor, an_invoice())
        monkeypatch.setattr(invoice_records, "VERSION", invoice_records.VERSION + 1)
        assert store(cursor, an_invoice()) == Outcome(updated=1)


def test_an_invoice_takes_its_lines_along(begin: Begin) -> None:
    with begin() as cursor:
        store(cursor, an_invoice(portions=[50]))
        cursor.execute("DELETE FROM fullbay_invoices WHERE shop = 'north'")
        assert everything(cursor) == {table: [] for table in TABLES}


@given(st.lists(invoices, max_size=4, unique_by=lambda one: str(one["primaryKey"])), st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_storing_again_is_storing_once_and_replacing_leaves_nothing_behind(
    begin: Begin, page: list[dict[str, Any]], data: st.DataObject
) -> None:
    changed = [data.draw(invoices) | {"primaryKey": one["primaryKey"]} for one in page]
    with begin() as cursor:
        assert store(cursor, *page) == Outcome(inserted=len(page))
        once = everything(cursor)
        assert store(cursor, *page) == Outcome(unchanged=len(page))
        assert everything(cursor) == once
        store(cursor, *changed)
        for invoice in changed:
            (found,) = query(
                cursor,
                """
                SELECT (SELECT count(*) FROM fullbay_line_items WHERE invoice_id = id),
                       (SELECT coalesce(sum(total), 0) FROM fullbay_line_items WHERE invoice_id = id),
                       (SELECT count(*) FROM fullbay_invoice_differences WHERE invoice_id = id), difference
                FROM fullbay_invoices
                WHERE shop = 'north' AND fullbay_id = %s
                """,
                str(invoice["primaryKey"]),
            )
            lines, left = model.lines_of(invoice), model.differences_of(invoice)
            total = sum(line.total for line in lines)
            assert [Fraction(value) for value in found] == [len(lines), total, len(left), left.get(("", "subTotal"), 0)]


def test_it_works_on_the_services_own_connection(settings: Config, rows: Any) -> None:
    database = Database(settings)
    stream = STREAM._replace(shop="own-connection")
    with pytest.raises(RuntimeError), database.transaction() as cursor:  # noqa: PT012
        Invoices().store(cursor, stream, [read(an_invoice())])
        raise RuntimeError
    assert rows("SELECT FROM fullbay_invoices WHERE shop = 'own-connection'") == []
    with database.transaction() as cursor:
        Invoices().store(cursor, stream, [read(an_invoice())])
    database.close()
    assert len(rows("DELETE FROM fullbay_invoices WHERE shop = 'own-connection' RETURNING id")) == 1


def test_two_hundred_long_invoices_take_about_a_second(begin: Begin) -> None:
    parts = [a_part(primaryKey=at, quantity=2, returnedQuantity=at % 2) for at in range(25)]
    page = []
    for at in range(200):
        invoice = an_invoice(at)
        correction_of(invoice)["Parts"] = parts
        page.append(document_of(invoice))
    with begin() as cursor:
        started = time.perf_counter()
        found = [Invoices().read(document) for document in page]
        read_after = time.perf_counter()
        Invoices().store(cursor, STREAM, found)
        stored_after = time.perf_counter()
        assert query(cursor, "SELECT count(*) FROM fullbay_line_items") == [(29 * 200,)]
    print(f"read {read_after - started:.2f} s, stored {stored_after - read_after:.2f} s")
    assert stored_after - started < 5  # on a busy machine


@pytest.mark.parametrize("record", [None, [], "1", 7, {}, {"primaryKey": ""}, {"primaryKey": [1]}], ids=repr)
def test_a_record_without_an_id_has_no_key_and_is_refused(record: Any) -> None:
    assert Invoices().key(record) is None
    with pytest.raises(Rejected):
        read(record)


def test_the_key_is_the_id_of_the_row() -> None:
    assert Invoices().key(an_invoice(" 17 ")) == Invoices().key(an_invoice(17)) == read(an_invoice(17)).id == "17"
