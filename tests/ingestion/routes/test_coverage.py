"""What is told of the ledger: what is read, what is missing, and when it was read; and how fresh it is."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import metrics
from service.config import Config
from service.ingestion import ledger
from tests.fullbay import Fault
from tests.ingestion.routes.conftest import API, House
from tests.metrics.conftest import FUNCTION
from tests.transports import Client

COVERAGE = f"{API}/coverage"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    return BEGIN + timedelta(days=number)


def span(first: int | None, last: int | None) -> dict[str, Any]:
    found = [None if number is None else day(number).isoformat().replace("+00:00", "Z") for number in (first, last)]
    return {"from": found[0], "to": found[1]}


def insert_window(
    house: House,
    first: int | None,
    last: int | None,
    state: str = "complete",
    run: str | None = None,
    status: str = "SUCCESS",
    began_at: datetime | None = None,
    request: str = "{}",
    shop: str = "default",
    source: str = "invoices",
) -> str:
    """Put a window into the ledger, and its run where it has none yet; return the run's id."""
    run = run or str(uuid.uuid4())
    house.sql(
        """
        INSERT INTO ingestion_metadata (execution_id, source, resource, shop, status, end_time, request, api_endpoint)
        VALUES (%s, %s, %s, %s, %s, CASE WHEN %s NOT IN ('RUNNING', 'CONTINUES') THEN now() END, %s, 'http://x')
        ON CONFLICT DO NOTHING
        """,
        *(run, source, source, shop, status, status, request),
    )
    house.sql(
        """
        INSERT INTO ingestion_windows (execution_id, source, resource, shop, covers, state, began_at, read_at)
        VALUES (%s, %s, %s, %s, tstzrange(%s, %s), %s, %s, %s)
        """,
        *(run, source, source, shop, first if first is None else day(first), last if last is None else day(last)),
        *(state, began_at or datetime.now(UTC), None if state == "open" else datetime.now(UTC)),
    )
    return run


def coverage(client: Client, query: str = "source=invoices") -> list[dict[str, Any]]:
    answer = client.get(f"{COVERAGE}?{query}")
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json()["streams"]
    return found


def test_what_a_run_has_read_is_covered(house: House, client: Client) -> None:
    assert coverage(client) == []
    house.read("invoices")
    (found,) = coverage(client)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    ((first,),) = house.sql("SELECT min(lower(covers)) FROM ingestion_windows")
    first, end = (moment.isoformat().replace("+00:00", "Z") for moment in (first, today + timedelta(days=1)))
    assert (found["source"], found["resource"], found["shop"]) == ("invoices", "invoices", "default")
    assert (found["covered"], found["missing"]) == ([{"from": first, "to": end}], [])
    assert {window["state"] for window in found["windows"]} == {"complete"}
    assert found["windows"][0]["to"] == end
    assert found["windows"][-1]["from"] == first


def test_a_source_without_changes_is_read_up_to_its_last_reading(house: House, client: Client) -> None:
    house.read()
    (found,) = coverage(client, "source=work-orders")
    ((began_at,),) = house.sql("SELECT began_at FROM ingestion_windows")
    newest = max(record["updated_at"] for record in house.fullbay.records("work-orders"))
    assert found["covered"][0]["from"] is None
    assert datetime.fromisoformat(found["covered"][0]["to"]) == newest
    (missing,) = found["missing"]  # what may have changed since the run began
    assert datetime.fromisoformat(missing["from"]) == began_at


def test_gaps_are_missing(house: House, client: Client) -> None:
    insert_window(house, 0, 7)
    insert_window(house, 7, 9, "incomplete")
    insert_window(house, 10, 14)
    insert_window(house, 12, 20)
    insert_window(house, 25, 2000)
    insert_window(house, 20, 22, "open", status="FAILED")
    insert_window(house, -3, -1, "incomplete")
    (found,) = coverage(client)
    assert found["covered"] == [span(0, 7), span(10, 20), span(25, 2000)]
    assert found["missing"] == [span(-3, 0), span(7, 10), span(20, 25)]


def test_only_a_complete_reading_says_that_there_is_nothing_newer(house: House, client: Client) -> None:
    insert_window(house, 0, 7, began_at=day(9))
    insert_window(house, 0, 7, "incomplete", began_at=day(11))
    (found,) = coverage(client)
    assert [missing["from"] for missing in found["missing"]] == [span(9, 9)["from"]]


def test_what_is_covered_without_an_end_is_covered_until_now() -> None:
    assert ledger.missing(day(0), [(day(0), None)], day(9)) == []
    assert ledger.missing(None, [(day(3), None)], day(9)) == [(None, day(3))]


def test_a_window_that_was_read_twice_is_told_as_it_was_read_last(house: House, client: Client) -> None:
    insert_window(house, 0, 7, "incomplete")
    insert_window(house, 0, 7)
    insert_window(house, 7, 14)
    insert_window(house, 7, 14, "incomplete")
    (found,) = coverage(client)
    assert [(window["from"], window["state"]) for window in found["windows"]] == [
        (span(7, 14)["from"], "incomplete"),
        (span(0, 7)["from"], "complete"),
    ]


def test_each_shop_and_resource_has_its_own(house: House, client: Client) -> None:
    insert_window(house, 0, 7)
    insert_window(house, 0, 9, shop="north")
    insert_window(house, None, 9, source="work-orders")
    assert [(found["shop"], found["covered"]) for found in coverage(client)] == [
        ("default", [span(0, 7)]),
        ("north", [span(0, 9)]),
    ]
    assert [found["shop"] for found in coverage(client, "source=invoices&shop=north")] == ["north"]
    assert coverage(client, "source=invoices&shop=south") == []
    assert coverage(client, "source=work-orders")[0]["covered"] == [span(None, 9)]
    assert coverage(client, "source=work-orders&resource=parts") == []


@pytest.mark.parametrize("query", ["", "source=x", "source=invoices&resource=x", "source=invoices&limit=1"])
def test_a_bad_query_is_refused(client: Client, query: str) -> None:
    assert client.get(f"{COVERAGE}?{query}").status == 422


SPANS = st.lists(st.integers(0, 30), unique=True, max_size=12).map(lambda found: sorted(found)[: len(found) // 2 * 2])


@given(st.integers(0, 10) | st.none(), SPANS, st.booleans(), st.integers(0, 31))
def test_missing_is_all_between_the_beginning_and_now_that_is_not_covered(
    beginning: int | None, bounds: list[int], is_open: bool, now: int
) -> None:
    covered = [(day(a), day(b)) for a, b in zip(bounds[::2], bounds[1::2], strict=True)]
    if is_open and covered:
        covered[0] = (None, covered[0][1])
    found = ledger.missing(None if beginning is None else day(beginning), covered, day(now))

    def is_in(ranges: Any, moment: datetime) -> bool:
        return any((lower is None or lower <= moment) and (upper is None or moment < upper) for lower, upper in ranges)

    first = min(bounds, default=99)
    if beginning is None or beginning <= first:  # the beginning is that of all windows
        for number in range(-5, now):
            is_asked = beginning is None or number >= beginning
            assert is_in(found, day(number)) == (is_asked and not is_in(covered, day(number)))


def freshness(client: Client) -> dict[str, float]:
    text = client.get("/metrics").body.decode()
    return {
        f"{match[2]} {match[1]}": float(match[3])
        for match in re.finditer(
            r'^headgate_freshness_seconds\{(?=.*resource="([^"]*)")(?=.*source="([^"]*)").*\} (\S+)$', text, re.M
        )
    }


def hours_ago(hours: float) -> datetime:
    return datetime.now(UTC) - timedelta(hours=hours)


def test_freshness_is_the_age_of_the_newest_complete_read(house: House, http: Client) -> None:
    assert freshness(http) == {}
    began = time.time()
    house.read()
    found = freshness(http)
    assert list(found) == ["work-orders work-orders"]
    assert 0 <= found["work-orders work-orders"] <= time.time() - began
    house.sql("UPDATE ingestion_windows SET began_at = began_at - interval '1 hour'")
    assert 3600 <= freshness(http)["work-orders work-orders"] <= 3600 + time.time() - began
    house.fullbay.faults = [Fault("status", status=403)]
    failed = house.read()
    assert failed is not None
    assert failed.status == "FAILED"
    assert freshness(http)["work-orders work-orders"] >= 3600


@pytest.mark.parametrize(
    ("windows", "hours"),
    [
        ([{"began_at": 2}], 2),
        ([{"began_at": 2}, {"began_at": 5}], 2),
        ([{"began_at": 2}, {"began_at": 1, "status": "FAILED"}], 2),
        ([{"began_at": 2}, {"began_at": 1, "status": "CONTINUES"}], 2),
        ([{"began_at": 2}, {"began_at": 1, "status": "PARTIAL"}], 1),
        ([{"began_at": 2}, {"began_at": 1, "state": "incomplete", "status": "PARTIAL"}], 2),
        ([{"began_at": 2}, {"began_at": 1, "request": '{"from": "2020-01-01", "to": "2020-02-01"}'}], 2),
        ([{"began_at": 2}, {"began_at": 1, "request": '{"since": "2020-01-01"}'}], 1),
        ([{"began_at": 2}, {"began_at": 5, "shop": "north"}], 5),
        ([{"began_at": 2}, {"began_at": 5, "shop": "closed"}], 2),
        ([{"began_at": 9, "shop": "closed"}], None),
        ([{"began_at": -1}], 0),
    ],
    ids=str,
)
def test_what_counts_as_a_read(
    house: House, on_lambda: Callable[..., Client], windows: list[dict[str, Any]], hours: float | None
) -> None:
    client = on_lambda({"FULLBAY_API_KEY_NORTH": "key-of-north"})
    for window in windows:
        insert_window(house, 0, 7, **{**window, "began_at": hours_ago(window["began_at"])})
    found = freshness(client)
    if hours is None:
        assert found == {}
    else:
        assert found["invoices invoices"] == pytest.approx(hours * 3600, abs=30)


def test_without_a_key_nothing_has_an_age(house: House, on_lambda: Callable[..., Client]) -> None:
    insert_window(house, 0, 7)
    client = on_lambda({"FULLBAY_API_KEY_DEFAULT": ""})
    assert freshness(client) == {}
    assert client.get("/metrics").status == 200


def test_older_days_make_nothing_fresh_where_today_does_not_add_up(house: House, http: Client) -> None:
    insert_window(house, 0, 7, began_at=hours_ago(9))
    run = insert_window(house, 0, 7, began_at=hours_ago(1), status="PARTIAL")
    insert_window(house, 7, 8, "incomplete", run, began_at=hours_ago(1))
    assert freshness(http)["invoices invoices"] == pytest.approx(9 * 3600, abs=30)


def test_on_lambda_freshness_leaves_at_the_end_of_a_run(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    metrics.configure(Config(function=FUNCTION))
    try:
        house.read()
        metrics.flush()
    finally:
        metrics.configure(Config())
    told = capsys.readouterr().out
    assert '"Freshness"' in told
    assert '"Source":"work-orders"' in told.replace(" ", "")
