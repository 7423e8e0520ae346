"""Each fault of the stand-in by itself: the end is the source, or the run says what is not, and the next one has it."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from flask import Flask

from service import __version__, config, deadline
from service.app import create_app
from service.ingestion import paging
from service.ingestion.engine import Result
from service.ingestion.fullbay import invoices as invoices_module
from service.ingestion.paging import Listing, Position, read_by_offset
from service.ingestion.records import Incomplete, Stream
from service.ingestion.service import Ingestion
from tests.fullbay import Fault
from tests.fullbay.drifts import DRIFTS
from tests.ingestion.conftest import Installation
from tests.ingestion.leaks import Leaks
from tests.ingestion.mishaps import QUICK
from tests.ingestion.model import assert_books_are_true
from tests.ingestion.test_paging import ORDERS, Now, Table, mark, rows_of
from tests.ingestion.test_paging import read as read_rows
from tests.ingestion.truth import (
    INVOICES,
    WORK_ORDERS,
    Living,
    assert_equal_to_source,
    assert_true_to_source,
    open_rejects,
)
from tests.secret_stores import REGION, Moto, lead_to

KEY = "k3y/of+default%&=x"
TABLES = {WORK_ORDERS: "fullbay_work_orders", INVOICES: "fullbay_invoices"}
SLOW = {"timeout_seconds": 0.4, "invoices_timeout_seconds": 0.4, "max_retries": 8}
MOVED = "PARTIAL the pages of invoices from .* moved whenever they were read"
COUNT = r"PARTIAL the source says that there are \d+ records, and gave \d+"
REJECTS = r"PARTIAL \d+ records? (was|were) rejected"
WHOLE = "SUCCESS "


class Case(NamedTuple):
    """A fault, and how a run of work orders and one of invoices end by it: status and message."""

    fault: Fault
    work_orders: str | None
    invoices: str | None = ""  # the same
    options: dict[str, Any] = {}


def passing(kind: str, **options: Any) -> Fault:
    return Fault(kind, requests=[2, 4, 5], **options)


def lasting(kind: str, **options: Any) -> Fault:
    return Fault(kind, requests=range(3, 100_000), **options)


def failed(reason: str, at: str = r"everything|invoices from \S+ to \S+|invoices of \S+") -> str:
    return f"FAILED ({at}): {reason}.*"


CASES: dict[str, Case] = {
    **{f"{status} that pass": Case(passing("status", status=status), WHOLE) for status in (408, 425, 500, 502, 503)},
    "504 for ever": Case(lasting("status", status=504), failed("the source answered 504, 6 times in a row")),
    "404": Case(Fault("status", requests=[3], status=404), failed("the source answered 404")),
    "500 one time in three": Case(Fault("status", probability=0.3), WHOLE),
    "401": Case(
        Fault("unauthorized", requests=[3]),
        "FAILED the source answered 401: it does not accept the key",
        "FAILED Fullbay answered FAIL: Invalid token",
    ),
    "429, seconds": Case(Fault("throttle", requests=[2, 4], seconds=1), WHOLE),
    "429, a date": Case(Fault("throttle", requests=[2], seconds=1, form="date"), WHOLE),
    "FAIL that passes": Case(passing("fail"), failed("the answer holds no list of records below 'data'"), WHOLE),
    "FAIL for ever": Case(
        lasting("fail"),
        failed("the answer holds no list of records below 'data'"),
        failed("Fullbay answered FAIL: Unable to process the request, 3 times in a row"),
    ),
    "FAIL from the first": Case(
        Fault("fail"), failed("the answer holds no list of records"), failed("Fullbay answered FAIL: Unable")
    ),
    "HTML that passes": Case(passing("html"), WHOLE),
    "HTML for ever": Case(lasting("html"), failed("the answer is not JSON, 6 times in a row")),
    "HTML and 502": Case(passing("html", status=502), WHOLE),
    "nothing": Case(passing("body", text=""), WHOLE),
    "OK": Case(passing("body", text="OK"), WHOLE),
    "half of a list": Case(passing("body", text="["), WHOLE),
    **{
        f"a body of {text}": Case(
            Fault("body", requests=[3], text=text),
            failed("the answer holds no list of records below 'data'"),
            failed("the answer says neither SUCCESS nor FAIL"),
        )
        for text in ("null", '"ok"', "{}")
    },
    "an empty list": Case(Fault("body", requests=[3], text="[]"), WHOLE, failed("the answer says neither")),
    "an empty list for ever": Case(lasting("body", text="[]"), COUNT, failed("the answer says")),
    "a success without anything": Case(
        Fault("body", text='{"status": "SUCCESS"}'),
        failed("the answer holds no list"),
        "PARTIAL the source does not say how many invoices .* there are.*",
    ),
    "silence that passes": Case(Fault("timeout", requests=[2], seconds=5), WHOLE, options=SLOW),
    "silence for ever": Case(lasting("timeout", seconds=5), failed("no whole answer came within 0.4 s"), options=SLOW),
    "redirects": Case(Fault("redirect", requests=[3]), failed("the source answered 302, a redirect")),
    "rows that come": Case(Fault("shift", probability=0.4, updates=0, deletes=0), WHOLE, f"{WHOLE}|{MOVED}.*"),
    "rows that go": Case(Fault("shift", probability=0.4, updates=0, inserts=0), WHOLE, f"{WHOLE}|{MOVED}.*"),
    "rows that go in bursts": Case(Fault("shift", requests=[3, 5], updates=0, inserts=0, deletes=15), WHOLE),
    "rows that change": Case(Fault("shift", probability=0.6, inserts=0, deletes=0, updates=3), WHOLE),
    "rows that come, change and go": Case(Fault("shift", probability=0.3), WHOLE, None),
    "rows that come late": Case(Fault("shift", probability=0.5, deletes=0, late_seconds=100), WHOLE, None),
    "a page that repeats for ever": Case(
        Fault("repeat"), "PARTIAL the source (answers with the same page|'s pages move faster).*", f"{MOVED}.*"
    ),
    "a page that repeats": Case(Fault("repeat", requests=[3, 4]), WHOLE),
    "a page that repeats and denies it": Case(Fault("repeat", requests=[3], page=1, echoes=True), WHOLE),
    **{
        f"a total of {says}": Case(Fault("total", says=says), f"{COUNT}.*") for says in ("+1", "+500", "-1", "-30", "0")
    },
    **{f"a total that is {says}": Case(Fault("total", says=says), WHOLE) for says in ("missing", "null", "text")},
    "a total that is seldom right": Case(Fault("total", says="+7", probability=0.5), f"{WHOLE}|{COUNT}", None),
    "a page too many": Case(Fault("total_pages", says="+1"), None, f"{MOVED}.*"),
    **{f"pages: {says}": Case(Fault("total_pages", says=says), None, f"{COUNT}.*") for says in ("-1", "0", "1")},
    **{
        f"pages that are {says}": Case(Fault("total_pages", says=says), None, f"{COUNT}.*")
        for says in ("missing", "null")
    },
    "pages that are text": Case(Fault("total_pages", says="text"), None, WHOLE),
    **{
        f"{count or 'all'} records withheld, once": Case(Fault("withhold", requests=[3], records=count), WHOLE)
        for count in (None, 1, 3)
    },
    "records withheld for ever": Case(
        Fault("withhold", records=2), f"{WHOLE}|{COUNT}", failed("the answer says that it has .* invoices, and has")
    ),
    "all withheld for ever": Case(
        lasting("withhold"), f"{COUNT}.*", failed("the answer says that it has .* invoices, and has 0")
    ),
    **{
        f"drift: {what}": Case(Fault("drift", what=what, share=0.1), REJECTS)
        for what in DRIFTS
        if what not in ("extra_keys", "nan")
    },
    "drift: extra_keys": Case(Fault("drift", what="extra_keys", share=0.1), WHOLE),
    "drift: nan": Case(Fault("drift", what="nan", share=0.3), failed("the answer is not JSON")),
    "drift: duplicate": Case(Fault("drift", what="duplicate", share=0.05), f"{WHOLE}|{COUNT}", None),
    "drift: data_renamed": Case(
        Fault("drift", what="data_renamed"),
        failed("the answer holds no list of records below 'data'"),
        failed("the answer says that it has .* invoices, and has 0"),
    ),
    "drift: data_null": Case(
        Fault("drift", what="data_null"),
        failed("the answer holds no list of records below 'data'"),
        failed("the answer says that it has .* invoices, and has 0"),
    ),
    "reset in the body": Case(passing("reset"), WHOLE),
    "reset in the headers": Case(passing("reset", at="headers"), WHOLE),
    "cut JSON": Case(passing("truncate", length="right"), WHOLE),
    "a body that is too short": Case(passing("truncate"), WHOLE),
    "a body that is always too short": Case(lasting("truncate"), failed("the connection failed")),
    "a drip": Case(passing("drip"), WHOLE),
    "a drip of headers": Case(passing("drip", at="headers"), WHOLE),
    "a drip that does not end": Case(
        lasting("drip", interval=0.05, first=None), failed("no whole answer came within 0.4 s"), options=SLOW
    ),
    "a mark of byte order": Case(Fault("bom"), WHOLE),
    "utf-16 that says utf-8": Case(passing("charset"), WHOLE),
    "latin-1 that says utf-8": Case(lasting("charset", encoding="latin-1"), failed("the answer is not UTF-8")),
    "utf-16": Case(Fault("charset", declares="utf-16"), WHOLE),
    "no such charset": Case(lasting("charset", declares="no-such"), failed("the answer is not UTF-8")),
    "gzip": Case(Fault("gzip"), WHOLE),
    "gzip that nobody told": Case(passing("gzip", is_declared=False), WHOLE),
}


@pytest.fixture(scope="module")
def installed(install: Callable[..., Installation]) -> Installation:
    made: Installation = install()
    return made


@pytest.fixture(scope="module")
def app(installed: Installation) -> Iterator[Flask]:
    app = create_app(config.load(installed.environ))
    yield app
    app.extensions["database"].close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, value in QUICK:
        monkeypatch.setattr(module, name, value)


@pytest.fixture
def leaks(installed: Installation) -> Iterator[Leaks]:
    """What every test of this module ends with: nothing that is secret stands anywhere."""
    installed.empty()
    with Leaks() as found:
        found.add_database(installed.url)
        yield found
        found.assert_none(installed.sql)


@pytest.fixture
def open_source(installed: Installation, app: Flask, leaks: Leaks) -> Iterator[Callable[..., Reader]]:
    """Starts a stand-in and what reads it: `open_source(INVOICES, order="id")`."""
    with ExitStack() as stack:

        def start(stream: Stream, settings: dict[str, Any] | None = None, **options: Any) -> Reader:
            sizes = {"work_orders": 90} if stream == WORK_ORDERS else {"invoices": 50, "invoice_days": 10}
            paging = {} if stream == WORK_ORDERS else {"invoices_per_page": 4}
            fullbay = stack.enter_context(Living(**{"shops": {"default": KEY}} | sizes | paging | options))
            leaks.add_source(fullbay)
            return Reader(app, installed, fullbay, stream, settings or {})

        yield start


class Reader:
    """A stand-in, and a service that reads one stream of it."""

    def __init__(
        self, app: Flask, installation: Installation, fullbay: Living, stream: Stream, settings: dict[str, Any]
    ) -> None:
        self.fullbay = fullbay
        self.stream = stream
        self.sql = installation.sql
        self._app = app
        self._installation = installation
        self._settings = settings
        self.is_drifting = False
        self.ingestion = self.serve()

    def serve(self) -> Ingestion:
        """Return a service with the keys of this moment."""
        settings = config.load(self._installation.environ)
        read = {
            "api_base_url": self.fullbay.url,
            "app_base_url": self.fullbay.url,
            "keys": tuple(self.fullbay.shops.items()),
            "server_ip": self.fullbay.egress_ip or "127.0.0.1",
            "lookback_days": 12,
            "page_size": 20,
            **self._settings,
        }
        changed = replace(settings, fullbay=replace(settings.fullbay, **read))
        return Ingestion(changed, self._app.extensions["database"])

    def read(self, seconds: float = 60, excused: Any = (), **request: Any) -> Result:
        """Read, and hold the run to what it says."""
        before = self.fullbay.snapshot(self.stream.resource)
        deadline.start(seconds)
        try:
            with self._app.app_context():
                result = self.ingestion.read(self.stream, request)
        finally:
            deadline.clear()
        assert result is not None
        if result.status != "CONTINUES":
            assert_true_to_source(
                self.fullbay, self.sql, self.stream, result, before, excused=excused, is_drifting=self.is_drifting
            )
        return result

    def assert_heals(self, is_split: bool = False) -> None:
        """Check that a run when all is well again leads to the source, but for what was rejected; and one that reads
        everything to the source itself.
        """
        self.fullbay.faults = []
        self.fullbay.update(self.stream.resource, sorted(self.fullbay.snapshot(self.stream.resource))[0])
        result = self.read()
        assert (result.status, result.message) == ("SUCCESS", None)
        self.is_drifting = False
        result = self.read(full=True)
        assert (result.status, result.message) == ("SUCCESS", None)
        assert_equal_to_source(self.fullbay, self.sql, self.stream)
        assert {row[0] for row in open_rejects(self.sql)} <= {None}
        if not is_split:  # a window that was split is gone, with its counts
            assert_books_are_true(self.sql, TABLES[self.stream])
        assert self.fullbay.leaks == []
        assert self.fullbay.impolite == 0
        product = f"Headgate/{__version__} (local)"
        assert {request.user_agent for request in self.fullbay.requests} == {product}


@pytest.mark.parametrize("stream", [WORK_ORDERS, INVOICES], ids=["work-orders", "invoices"])
@pytest.mark.parametrize("name", CASES)
def test_a_fault_is_told_or_overcome_and_then_made_good(
    open_source: Callable[..., Reader], name: str, stream: Stream
) -> None:
    fault, work_orders, invoices, options = CASES[name]
    told = work_orders if stream == WORK_ORDERS or invoices == "" else invoices
    if told is None and (stream == WORK_ORDERS or fault.kind == "total_pages"):
        pytest.skip("there is no such thing")
    reader = open_source(stream, options, has_short_pages=name != "a page that repeats and denies it")
    reader.fullbay.faults = [fault]
    reader.is_drifting = fault.kind == "drift"
    is_blind = stream == INVOICES and fault.kind == "shift" and told is None
    result = reader.read(excused=reader.fullbay.snapshot(stream.resource) if is_blind else ())
    assert reader.fullbay.applied or fault.kind == "timeout"
    if told is not None:
        assert re.fullmatch(told, f"{result.status} {result.message or ''}"), result
    if fault.kind == "drift" and told == REJECTS:
        assert_rejects(reader, str(fault.options["what"]))
    reader.assert_heals(is_split=options == SLOW and stream == INVOICES)


def assert_rejects(reader: Reader, what: str) -> None:
    """Check that each record that was spoilt is listed, as it was sent, with the place and the reason."""
    spoilt = {one for applied in reader.fullbay.applied for one in applied.details["ids"]}
    rejects = open_rejects(reader.sql)
    assert len(rejects) == (1 if what == "record_null" else len(spoilt))
    is_whole = what.startswith("record") or what == "key_twice"
    assert all(reason and (path or is_whole) for _, path, reason, _ in rejects), rejects
    if what.startswith(("id_", "record_", "key_twice")):
        assert {identifier for identifier, *_ in rejects} == {None}
    else:
        assert {identifier for identifier, *_ in rejects} <= spoilt | {None}


class Midnight:
    """A clock of both sides that strikes twelve between a token and its check: in the request `strike`."""

    def __init__(self, strike: int) -> None:
        self._left = strike
        self._now = datetime.now(UTC).replace(hour=23, minute=59, second=59)

    def ask(self) -> datetime:
        """Return the time by the clock of the source."""
        self._left -= 1
        if self._left == 0:
            self._now += timedelta(seconds=2)
        return self._now

    def now(self, zone: Any) -> datetime:
        """Return the time by the clock of the service."""
        return self._now


@pytest.mark.parametrize("strike", [3, 4, 5, 6, 7, 8, 9, 10])
def test_midnight_between_a_token_and_its_check(
    open_source: Callable[..., Reader], monkeypatch: pytest.MonkeyPatch, leaks: Leaks, strike: int
) -> None:
    reader = open_source(INVOICES)
    midnight = Midnight(strike)

    class Clock(datetime):
        @classmethod
        def now(cls, zone: Any = None) -> datetime:  # type: ignore[override]
            return midnight.now(zone)

    monkeypatch.setattr(invoices_module, "datetime", Clock)
    reader.fullbay.clock = midnight.ask
    result = reader.read()
    assert (result.status, result.message) == ("SUCCESS", None)
    assert len({request.query["token"] for request in reader.fullbay.requests}) == 2


@pytest.mark.parametrize("stream", [WORK_ORDERS, INVOICES], ids=["work-orders", "invoices"])
def test_a_key_that_is_rotated_ends_the_run_and_the_next_one_has_the_new_key(
    open_source: Callable[..., Reader], leaks: Leaks, stream: Stream
) -> None:
    reader = open_source(stream)
    leaks.add("the new key", "n3w/key+of=tomorrow")
    reader.fullbay.faults = [Fault("rotate", requests=[4], key="n3w/key+of=tomorrow")]
    result = reader.read()
    assert result.status == "FAILED"
    assert re.fullmatch(r"the source answered 401.*|Fullbay answered FAIL: Invalid API \S+", str(result.message))
    again = reader.read()
    assert (again.status, again.message) == ("FAILED", result.message)
    reader.fullbay.faults = []
    reader.ingestion = reader.serve()
    reader.assert_heals()


@pytest.mark.parametrize("stream", [WORK_ORDERS, INVOICES], ids=["work-orders", "invoices"])
def test_a_key_that_is_rotated_in_the_secret_costs_nothing(
    open_source: Callable[..., Reader], leaks: Leaks, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    moto = Moto()
    try:
        lead_to(moto.url, monkeypatch)
        name = moto.create(fullbay_api_key=KEY)
        reader = open_source(stream, {"keys": (), "secret_name": name, "region": REGION})
        leaks.add("the new key", "n3w/key+of=tomorrow")
        assert reader.read().status == "SUCCESS"
        reader.fullbay.rotate("default", "n3w/key+of=tomorrow")
        moto.put(name, fullbay_api_key="n3w/key+of=tomorrow")
        result = reader.read(full=True)
        assert (result.status, result.message) == ("SUCCESS", None)
    finally:
        moto.close()


def test_what_was_not_read_before_a_later_beginning_is_read_in_the_end(open_source: Callable[..., Reader]) -> None:
    reader = open_source(WORK_ORDERS)
    reader.fullbay.faults = [Fault("total", says="+1"), Fault("withhold", requests=[3])]
    assert reader.read().status == "PARTIAL"
    reader.fullbay.faults = []
    reader.fullbay.update("work-orders", "1000001")
    since = datetime.now(UTC) - timedelta(days=1)
    assert reader.read(since=since.isoformat(), excused=reader.fullbay.snapshot("work-orders")).status == "SUCCESS"
    reader.sql("DELETE FROM fullbay_work_orders WHERE fullbay_id LIKE '%%7'")  # as if they had never come
    reader.ingestion.read(WORK_ORDERS, {})
    assert_equal_to_source(reader.fullbay, reader.sql, WORK_ORDERS)


def test_a_window_whose_reading_took_days_is_not_settled_by_its_end(open_source: Callable[..., Reader]) -> None:
    reader = open_source(INVOICES, {"lookback_days": 3}, invoice_days=12)
    reader.fullbay.faults = [lasting("status")]
    first = datetime.now(UTC) - timedelta(days=11)
    assert reader.read(since=first.isoformat(), excused=reader.fullbay.snapshot("invoices")).status == "FAILED"
    reader.sql("UPDATE ingestion_windows SET began_at = began_at - interval '9 days' WHERE began_at IS NOT NULL")
    ((early, _),) = reader.sql("SELECT min(fullbay_id), count(*) FROM fullbay_invoices")
    reader.fullbay.update("invoices", early)
    reader.fullbay.faults = []
    assert reader.read().status == "SUCCESS"
    assert_equal_to_source(reader.fullbay, reader.sql, INVOICES)


@pytest.mark.parametrize("stream", [WORK_ORDERS, INVOICES], ids=["work-orders", "invoices"])
def test_a_source_that_asks_to_wait_beyond_the_deadline_is_gone_on_with(
    open_source: Callable[..., Reader], stream: Stream
) -> None:
    reader = open_source(stream)
    reader.fullbay.faults = [Fault("throttle", requests=[4], seconds=60)]
    result = reader.read(seconds=5)
    assert (result.status, result.message) == ("CONTINUES", "the source answered 429")
    assert 59 < result.delay_seconds < 62
    ((due,),) = reader.sql("SELECT extract(epoch FROM run_at - now())::float FROM jobs")
    assert 55 < due < 62
    reader.fullbay.not_before = None
    with reader._app.app_context():
        again = reader.ingestion.resume(result.execution_id)
    assert again is not None
    assert again.status == "SUCCESS"
    reader.assert_heals()


@pytest.mark.parametrize("minutes", [-30, -1, 1, 30], ids=str)
@pytest.mark.parametrize("order", ["updated_at", "newest", "id"])
def test_a_clock_that_is_wrong_loses_no_change(open_source: Callable[..., Reader], minutes: int, order: str) -> None:
    reader = open_source(
        WORK_ORDERS, order=order, clock=lambda: datetime.now(UTC) + timedelta(minutes=minutes), sharing=30
    )
    reader.fullbay.faults = [Fault("shift", probability=0.5, inserts=1, updates=2, deletes=0)]
    assert reader.read().status == "SUCCESS"
    assert reader.read().status == "SUCCESS"
    reader.assert_heals()


@pytest.mark.parametrize("turn", [1, 2, 4])
def test_a_list_without_totals_does_not_end_where_an_answer_or_two_lack_rows(turn: int) -> None:
    table = Table(120, 20, ORDERS["by id"], has_total=False)
    turns = itertools.count()

    def ask(offset: int) -> Any:
        number, (documents, total) = next(turns), table.ask(offset).result()
        kept = {turn: documents[:5], turn + 1: [], turn + 2: documents[:5]}.get(number, documents)
        return Now(Listing(kept, total))

    pages = list(read_by_offset(ask, mark, Position()))
    assert {row for row, _ in rows_of(pages)} == set(table.rows)
    assert pages[-1].covered == 120


@pytest.mark.parametrize(("size", "limit"), [(21, 10), (25, 10), (25, 20), (40, 20), (60, 50), (120, 50)])
def test_a_list_in_another_order_each_time_never_ends_well_with_rows_missing(
    monkeypatch: pytest.MonkeyPatch, size: int, limit: int
) -> None:
    monkeypatch.setattr(paging, "SPARE_ROWS", 300)
    for seed in range(40):
        draw = random.Random(f"{size} {limit} {seed}")
        table = Table(size, limit, lambda row, changed, draw=draw: draw.random())  # type: ignore[misc]
        with suppress(Incomplete):
            assert {row for row, _ in rows_of(read_rows(table))} == set(table.rows), seed


@pytest.mark.parametrize("order", ["updated_at", "newest", "id"])
@pytest.mark.parametrize("seed", range(4))
def test_what_changes_on_a_page_that_was_read_is_read_by_the_next_run(
    open_source: Callable[..., Reader], order: str, seed: int
) -> None:
    """Without an overlap, which would hide it: the next run begins where this one began, not at what is newest."""
    reader = open_source(WORK_ORDERS, {"overlap_seconds": 0}, order=order, seed=seed, latency=0.1)
    reader.fullbay.update("work-orders", "1000001")
    reader.fullbay.faults = [Fault("shift", probability=0.8, inserts=0, updates=3, deletes=0)]
    assert reader.read().status == "SUCCESS"
    reader.fullbay.faults = []
    assert reader.read().status == "SUCCESS"
    assert_equal_to_source(reader.fullbay, reader.sql, WORK_ORDERS)


@pytest.mark.parametrize("order", ["updated_at", "newest", "id"])
def test_what_was_read_in_part_is_read_again_from_its_beginning(open_source: Callable[..., Reader], order: str) -> None:
    reader = open_source(WORK_ORDERS, order=order)
    reader.fullbay.faults = [lasting("withhold")]
    result = reader.read()
    assert re.fullmatch(COUNT, f"{result.status} {result.message}")
    reader.assert_heals()
