from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from tests.fullbay import Fault, Faults, Fullbay
from tests.fullbay.conftest import KEY, ask, ask_invoices, read_all
from tests.fullbay.drifts import DRIFTS
from tests.fullbay.faults import KINDS

QUESTIONS = {"v1": ask, "services": ask_invoices}
both_dialects = pytest.mark.parametrize("question", QUESTIONS.values(), ids=list(QUESTIONS))


def statuses(fullbay: Fullbay, count: int = 8) -> list[int]:
    return [ask(fullbay, limit=1).status_code for _ in range(count)]


def raw_answer(fullbay: Fullbay, pause: float = 0.0) -> tuple[bytes, bool]:
    """Return all bytes of an answer, and whether the connection was reset at its end."""
    found = b""
    with socket.create_connection(("127.0.0.1", fullbay.port), timeout=5) as connection:
        connection.sendall(f"GET /v1/work-orders HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode())
        time.sleep(pause)
        try:
            while True:
                chunk = connection.recv(65_536)
                found += chunk
                if not chunk or (b"Connection: close" not in found and _is_whole(found)):
                    return found, False
        except ConnectionResetError:
            return found, True


def _is_whole(found: bytes) -> bool:
    head, end, body = found.partition(b"\r\n\r\n")
    return bool(end) and len(body) == int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])


# When


def test_a_fault_befalls_the_requests_that_are_named(fullbay: Fullbay) -> None:
    fullbay.faults = [Fault("status", status=503, requests=range(3, 6))]
    assert statuses(fullbay) == [200, 200, 503, 503, 503, 200, 200, 200]
    assert [(one.kind, one.request) for one in fullbay.applied] == [("status", 3), ("status", 4), ("status", 5)]


def test_setting_faults_counts_from_1_anew(fullbay: Fullbay) -> None:
    statuses(fullbay, 3)
    fullbay.faults = [Fault("status", requests={2})]
    assert statuses(fullbay, 3) == [200, 500, 200]
    assert [request.number for request in fullbay.requests] == [1, 2, 3, 1, 2, 3]


def test_a_fault_befalls_no_more_than_so_many_requests(fullbay: Fullbay) -> None:
    fullbay.faults = [Fault("status", times=2)]
    assert statuses(fullbay, 4) == [500, 500, 200, 200]


def test_a_fault_that_could_do_nothing_is_not_spent(fullbay: Fullbay) -> None:
    fullbay.faults = [Fault("repeat", page=1, times=1)]
    pages = [ask(fullbay, limit=5, offset=offset).json()["data"] for offset in (0, 5, 10)]
    assert pages[0] == pages[1] != pages[2]
    assert len(fullbay.applied) == 1


def test_a_fault_befalls_a_share_of_the_requests_the_same_ones_with_the_same_seed(
    start: Callable[..., Fullbay],
) -> None:
    found = [statuses(start(seed=seed, faults=[Fault("status", probability=0.3)]), 60) for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]
    assert 6 < found[0].count(500) < 30


def test_a_fault_befalls_the_paths_that_are_named(fullbay: Fullbay) -> None:
    fullbay.faults = [Fault("status", path="parts")]
    assert [ask(fullbay, f"/v1/{name}").status_code for name in ("parts", "customers")] == [500, 200]


def test_several_faults_befall_one_request_but_only_one_answers(fullbay: Fullbay) -> None:
    fullbay.faults = [Fault("shift"), Fault("status"), Fault("html"), Fault("total"), Fault("bom")]
    answer = ask(fullbay)
    assert answer.status_code == 500
    assert answer.content.startswith(b"\xef\xbb\xbf")
    assert [one.kind for one in fullbay.applied] == ["shift", "status", "bom"]


@pytest.mark.parametrize(("kind", "options"), [("nothing", {}), ("status", {"form": "date"})], ids=["kind", "option"])
def test_a_fault_that_there_is_not_is_refused(kind: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"there are .*status|status has no option form; it has status"):
        Fault(kind, **options)


def test_every_kind_of_fault_says_what_it_does() -> None:
    assert all(kind.act.__doc__ for kind in KINDS.values())


# In the place of the API


@both_dialects
@pytest.mark.parametrize("status", [500, 502, 503, 408, 425])
def test_an_error_is_answered(fullbay: Fullbay, question: Any, status: int) -> None:
    fullbay.faults = [Fault("status", status=status, retry_after="7")]
    answer = question(fullbay)
    assert (answer.status_code, answer.headers["Retry-After"]) == (status, "7")


def test_a_key_is_refused_though_it_is_right(fullbay: Fullbay) -> None:
    fullbay.faults = [Fault("unauthorized")]
    assert ask(fullbay).status_code == 401
    assert ask_invoices(fullbay).json()["status"] == "FAIL"


def test_a_key_is_rotated_in_the_middle(fullbay: Fullbay) -> None:
    fullbay.faults = [Fault("rotate", key="new", requests=range(3, 99))]
    assert statuses(fullbay, 4) == [200, 200, 401, 401]
    assert ask(fullbay, key="new").status_code == 200
    assert len(fullbay.applied) == 1


def test_too_many_requests_says_when_in_seconds(fullbay: Fullbay) -> None:
    fullbay.faults = [Fault("throttle", seconds=3, times=1)]
    answer = ask(fullbay)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3")


def test_too_many_requests_says_when_as_a_date(fullbay: Fullbay) -> None:
    fullbay.faults = [Fault("throttle", seconds=30, form="date")]
    until = parsedate_to_datetime(ask(fullbay).headers["Retry-After"])
    assert timedelta(seconds=28) < until - datetime.now(UTC) <= timedelta(seconds=31)


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_who_does_not_wait_is_impolite(start: Callable[..., Fullbay], form: str) -> None:
    now = datetime(2026, 6, 30, 12, 0, 0, 400_000, tzinfo=UTC)
    fullbay = start(clock=lambda: now, faults=[Fault("throttle", seconds=5, form=form, times=1)])
    ask(fullbay)
    now += timedelta(seconds=4.9)
    assert ask(fullbay).status_code == 200
    assert fullbay.impolite == 1
    now += timedelta(seconds=1.2)
    ask(fullbay)
    assert fullbay.impolite == 1


@both_dialects
@pytest.mark.parametrize("status", [200, 502])
def test_a_page_for_people_comes_in_the_place_of_json(fullbay: Fullbay, question: Any, status: int) -> None:
    fullbay.faults = [Fault("html", status=status)]
    answer = question(fullbay)
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.text.startswith("<!DOCTYPE html>")


@both_dialects
def test_a_failure_says_200(fullbay: Fullbay, question: Any) -> None:
    fullbay.faults = [Fault("fail", message="Server is busy")]
    answer = question(fullbay)
    assert (answer.status_code, answer.json()) == (200, {"status": "FAIL", "message": "Server is busy"})


@pytest.mark.parametrize("text", ["", "null", '"ok"', "{}"])
def test_a_body_is_no_page(fullbay: Fullbay, text: str) -> None:
    fullbay.faults = [Fault("body", text=text)]
    assert ask(fullbay).text == text


def test_nothing_is_answered_for_a_while_and_then_the_connection_ends(fullbay: Fullbay) -> None:
    fullbay.faults = [Fault("timeout", seconds=0.2)]
    started = time.monotonic()
    assert raw_answer(fullbay) == (b"", False)
    assert 0.19 < time.monotonic() - started < 2


def test_a_server_that_keeps_silent_stops_at_once(start: Callable[..., Fullbay]) -> None:
    started = time.monotonic()
    with Fullbay(work_orders=1, faults=[Fault("timeout", seconds=60)]) as fullbay, pytest.raises(requests.Timeout):
        requests.get(fullbay.url + "/v1/work-orders", timeout=0.1)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_who_follows_to_another_host_with_the_key_is_seen(fullbay: Fullbay, status: int) -> None:
    fullbay.faults = [Fault("redirect", status=status, times=2)]
    answer = ask(fullbay, limit=1)
    elsewhere = answer.headers["Location"]
    assert (answer.status_code, elsewhere) == (status, f"http://localhost:{fullbay.port}/v1/work-orders?limit=1")
    invoices = ask_invoices(fullbay).headers["Location"]
    assert f"key={KEY}" in invoices
    assert fullbay.leaks == []
    for url, headers in ((elsewhere, {}), (elsewhere, {"Authorization": f"Bearer {KEY}"}), (invoices, {})):
        requests.get(url.replace("localhost", "127.0.0.1"), headers=headers | {"Host": "localhost"}, timeout=5)
    assert [request.path for request in fullbay.leaks] == ["/v1/work-orders", "/services/getInvoices.php"]


# Paging


def test_pages_shift_while_they_are_read(fullbay: Fullbay) -> None:
    before = {record["id"]: record for record in fullbay.records("work-orders")}
    fullbay.faults = [Fault("shift", inserts=2, updates=1, deletes=1)]
    for offset in range(0, 50, 10):
        ask(fullbay, limit=10, offset=offset)
    after = {record["id"]: record for record in fullbay.records("work-orders")}
    details = [one.details for one in fullbay.applied]
    assert len(details) == 5
    deleted = {one for each in details for one in each["deleted"]}
    inserted = {one for each in details for one in each["inserted"]}
    updated = {one for each in details for one in each["updated"]}
    assert (len(deleted), len(inserted)) == (5, 10)
    assert set(after) == set(before) - deleted | inserted - deleted
    assert {one for one in before if one in after and after[one] != before[one]} == updated & set(before) - deleted
    assert any(list(before).index(one) < 40 for one in deleted & set(before))  # on pages that were read


def test_invoices_shift_while_they_are_read(fullbay: Fullbay) -> None:
    fullbay.faults = [Fault("shift", inserts=2, updates=1, deletes=1, times=1)]
    before, after = (ask_invoices(fullbay).json()["totalCount"] for _ in range(2))
    assert before == after == len(fullbay.invoices("default", *_week()))
    (applied,) = fullbay.applied
    ids = {one["id"] for one in fullbay.invoices()}
    assert set(applied.details["inserted"]) <= ids
    assert not set(applied.details["deleted"]) & ids


def _week() -> tuple[Any, Any]:
    return datetime(2026, 6, 8).date(), datetime(2026, 6, 14).date()  # noqa: DTZ001


def test_a_late_insert_is_dated_back(fullbay: Fullbay) -> None:
    fullbay.faults = [Fault("shift", inserts=1, updates=0, deletes=0, late_seconds=90)]
    started = datetime.now(UTC)
    ask(fullbay)
    newest = max(fullbay.records("work-orders"), key=lambda record: record["updated_at"])
    assert timedelta(seconds=85) < started - newest["updated_at"] < timedelta(seconds=91)


def test_a_request_that_is_refused_shifts_nothing(fullbay: Fullbay) -> None:
    fullbay.faults = [Fault("shift"), Fault("repeat", page=1)]
    ask(fullbay, key="wrong")
    ask(fullbay, limit="x")
    ask_invoices(fullbay, startDate="x")
    ask_invoices(fullbay, page="x")
    assert fullbay.applied == []


def test_from_a_page_on_every_page_is_that_one(fullbay: Fullbay) -> None:
    fullbay.faults = [Fault("repeat", page=2)]
    pages = [ask(fullbay, limit=10, offset=offset).json()["data"] for offset in range(0, 100, 10)]
    assert pages[0] != pages[1]
    assert all(page == pages[1] for page in pages[1:])


@pytest.mark.parametrize(("echoes", "says"), [(False, [1, 1, 1]), (True, [1, 2, 3])], ids=["honest", "echo"])
def test_pages_of_invoices_repeat(fullbay: Fullbay, echoes: bool, says: list[int]) -> None:
    fullbay.faults = [Fault("repeat", page=1, echoes=echoes)]
    pages = [ask_invoices(fullbay, page=number).json() for number in (1, 2, 3)]
    assert [page["currentPage"] for page in pages] == says
    assert pages[0]["resultSet"] == pages[1]["resultSet"] == pages[2]["resultSet"]


@pytest.mark.parametrize(
    ("says", "told"),
    [("+3", 63), ("-3", 57), ("-500", 0), ("0", 0), ("7", 7), ("missing", ...), ("null", None), ("text", "60")],
)
def test_a_total_lies(fullbay: Fullbay, says: str, told: Any) -> None:
    fullbay.faults = [Fault("total", says=says)]
    assert ask(fullbay).json().get("total", ...) == told


def test_the_totals_of_invoices_lie(fullbay: Fullbay) -> None:
    honest = ask_invoices(fullbay).json()
    fullbay.faults = [Fault("total", says="-1"), Fault("total_pages", says="+2")]
    lies = ask_invoices(fullbay).json()
    assert lies["totalCount"] == honest["totalCount"] - 1
    assert lies["totalPages"] == honest["totalPages"] + 2


def test_records_are_withheld(fullbay: Fullbay) -> None:
    whole = ask(fullbay, limit=10).json()
    fullbay.faults = [Fault("withhold", records=3)]
    assert ask(fullbay, limit=10).json() == whole | {"data": whole["data"][:7]}
    fullbay.faults = [Fault("withhold")]
    assert ask(fullbay, limit=10).json() == whole | {"data": []}
    assert len(fullbay.applied[1].details["ids"]) == 10


# The schema


@both_dialects
@pytest.mark.parametrize("what", DRIFTS)
def test_a_share_of_the_records_is_spoilt(fullbay: Fullbay, question: Any, what: str) -> None:
    list_name = "data" if question is ask else "resultSet"
    honest = _parsed(question(fullbay).text)[list_name]
    fullbay.faults = [Fault("drift", what=what, share=0.2)]
    text, again = question(fullbay).text, question(fullbay).text
    assert text == again
    spoilt = _parsed(text)[list_name]
    ids = fullbay.applied[0].details["ids"]
    assert len(spoilt) == len(honest)
    assert 0 < len(ids) < len(honest)
    id_name = "id" if question is ask else "primaryKey"
    for mine, theirs in zip(honest, spoilt, strict=True):
        assert (repr(mine) != repr(theirs)) == (str(mine[id_name]) in ids)


def _parsed(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_with_doubles, parse_int=str)


def _with_doubles(pairs: list[tuple[str, Any]]) -> Any:
    return dict(pairs) if len(dict(pairs)) == len(pairs) else pairs


@pytest.mark.parametrize(
    ("what", "sign"),
    [
        ("nul", "\\u0000"),
        ("surrogate", '\\ud83d"'),
        ("huge_number", ": 1e999"),
        ("long_number", "9" * 5000),
        ("deep", "[" * 200),
        ("key_twice", '{"id": "shadow", "id": '),
        ("nan", ": NaN"),
    ],
)
def test_what_no_writer_of_json_writes_is_written(fullbay: Fullbay, what: str, sign: str) -> None:
    fullbay.faults = [Fault("drift", what=what, share=1)]
    assert ask(fullbay).text.count(sign) >= 60


def test_a_record_comes_twice_in_a_page(fullbay: Fullbay) -> None:
    fullbay.faults = [Fault("drift", what="duplicate", share=0.2)]
    ids = [str(one["id"]) for one in ask(fullbay).json()["data"]]
    assert len(ids) > len(set(ids)) == 60
    assert sorted(one for one in set(ids) if ids.count(one) == 2) == sorted(fullbay.applied[0].details["ids"])


@pytest.mark.parametrize("what", ["data_renamed", "data_null"])
def test_the_page_is_spoilt(fullbay: Fullbay, what: str) -> None:
    honest = ask(fullbay).json()["data"]
    fullbay.faults = [Fault("drift", what=what)]
    expected = {"items": honest} if what == "data_renamed" else {"items": [], "data": None}
    assert ask(fullbay).json() == expected | {"total": 60}


def test_the_truth_is_not_spoilt(fullbay: Fullbay) -> None:
    before = list(fullbay.records("work-orders"))
    for what in DRIFTS:
        fullbay.faults = [Fault("drift", what=what, share=1)]
        ask(fullbay)
    assert list(fullbay.records("work-orders")) == before


# The way


def test_the_connection_is_reset_before_the_headers(fullbay: Fullbay) -> None:
    fullbay.faults = [Fault("reset", at="headers")]
    assert raw_answer(fullbay) == (b"", True)


def test_the_connection_is_reset_in_the_middle_of_the_body(fullbay: Fullbay) -> None:
    fullbay.faults = [Fault("reset")]
    found, is_reset = raw_answer(fullbay)
    assert is_reset
    assert found.startswith(b"HTTP/1.1 200 OK\r\n")
    assert not _is_whole(found)


def test_the_body_ends_before_its_length(fullbay: Fullbay) -> None:
    fullbay.faults = [Fault("truncate")]
    found, is_reset = raw_answer(fullbay)
    assert not is_reset
    assert b"\r\n\r\n{" in found
    assert not _is_whole(found)


def test_the_body_ends_too_early_and_its_length_says_so(fullbay: Fullbay) -> None:
    fullbay.faults = [Fault("truncate", length="right")]
    answer = ask(fullbay)
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.content)


@pytest.mark.parametrize(("at", "first"), [("headers", 30), ("body", 30)])
def test_an_answer_drips(fullbay: Fullbay, at: str, first: int) -> None:
    fullbay.faults = [Fault("drip", interval=0.01, at=at, first=first)]
    connection = http.client.HTTPConnection("127.0.0.1", fullbay.port, timeout=5)
    started = time.monotonic()
    connection.request("GET", "/v1/work-orders", headers={"Authorization": f"Bearer {KEY}"})
    answer = connection.getresponse()
    until_headers = time.monotonic() - started
    assert len(json.loads(answer.read())["data"]) == 60
    assert time.monotonic() - started > 0.3
    assert (until_headers > 0.25) == (at == "headers")
    connection.close()


def test_the_body_begins_with_a_byte_order_mark(fullbay: Fullbay) -> None:
    honest = ask(fullbay).content
    fullbay.faults = [Fault("bom")]
    assert ask(fullbay).content == b"\xef\xbb\xbf" + honest


def test_the_body_is_in_another_encoding_than_it_says(fullbay: Fullbay) -> None:
    honest = ask(fullbay).text
    fullbay.faults = [Fault("charset", encoding="utf-16")]
    answer = ask(fullbay)
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.content.decode("utf-16") == honest


@pytest.mark.parametrize("is_declared", [True, False], ids=["declared", "undeclared"])
def test_the_body_is_compressed(fullbay: Fullbay, is_declared: bool) -> None:
    fullbay.faults = [Fault("gzip", is_declared=is_declared)]
    assert ask(fullbay).content.startswith(b"{" if is_declared else b"\x1f\x8b")


def test_the_connection_is_kept_where_nothing_goes_wrong(fullbay: Fullbay) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", fullbay.port, timeout=5)
    for _ in range(3):
        connection.request("GET", "/v1/parts", headers={"Authorization": f"Bearer {KEY}"})
        assert len(json.loads(connection.getresponse().read())["data"]) == 5
        own = connection.sock.getsockname() if connection.sock else None
        assert own == connection.sock.getsockname()
    connection.close()


# Many


def test_random_faults_are_the_same_for_the_same_seed() -> None:
    assert repr(Faults.random(5)) == repr(Faults.random(5)) != repr(Faults.random(6))


def test_random_faults_are_of_every_kind_and_only_of_those_that_are_named() -> None:
    kinds = {fault.kind for seed in range(300) for fault in Faults.random(seed)}
    assert kinds == set(KINDS) - {"rotate"}  # which is for ever, and nobody's fault
    assert {fault.kind for seed in range(50) for fault in Faults.random(seed, kinds=["html", "bom"])} == {"html", "bom"}


def test_whatever_goes_wrong_the_stand_in_does_not_break(start: Callable[..., Fullbay]) -> None:
    applied = set()
    for seed in range(100):
        with Fullbay(seed, 100, 5, 5, 60, faults=Faults.random(seed, seconds=0.002)) as fullbay:
            for number in range(8):
                for question in (
                    lambda: ask(fullbay, limit=10, offset=number * 10),  # noqa: B023
                    lambda: ask_invoices(fullbay, page=number + 1),  # noqa: B023
                ):
                    with contextlib.suppress(requests.RequestException):
                        question()
            applied |= {one.kind for one in fullbay.applied}
    assert applied == set(KINDS) - {"rotate"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("status:500:0.1", Fault("status", status=500, probability=0.1)),
        ("throttle:form=date:times=2", Fault("throttle", form="date", times=2)),
        ("total:+3", Fault("total", says="+3")),
        ("total:-3:0.5", Fault("total", says="-3", probability=0.5)),
        ("shift", Fault("shift")),
        ("reset:headers:requests=3-5", Fault("reset", at="headers", requests=range(3, 6))),
        ("html:502:path=parts", Fault("html", status=502, path="parts")),
        ("gzip:false", Fault("gzip", is_declared=False)),
        ("drip:0.5:first=none", Fault("drip", interval=0.5, first=None)),
    ],
)
def test_a_fault_may_be_written_as_text(text: str, expected: Fault) -> None:
    assert repr(Faults.parse(text)[0]) == repr(expected)


@pytest.mark.parametrize("text", ["nothing", "status:500:0.1:7", "status:colour=red", "status:requests=x"])
def test_a_text_that_is_no_fault_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no fault|no name|no option|invalid literal"):
        Faults.parse(text)


def test_a_broken_stand_in_fails_its_test() -> None:
    fullbay = Fullbay(work_orders=1)
    fullbay.__enter__()
    fullbay.egress_ip = 7  # type: ignore[assignment]
    assert ask(fullbay, "/ip").status_code == 500
    with pytest.raises(AttributeError):
        fullbay.__exit__(None)


def test_all_pages_are_read_in_spite_of_a_cap_and_a_shift_of_nothing(start: Callable[..., Fullbay]) -> None:
    fullbay = start(page_size_cap=7, faults=[Fault("shift", inserts=0, updates=0, deletes=0)])
    assert len(read_all(fullbay, limit=100)) == 60
