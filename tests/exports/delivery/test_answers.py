"""What an answer says about single rows, in every spelling; and what strangers may send in its place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from service.exports.delivery.answers import FAILURES, NO_REASON, NOT_SAID, RESULTS, Failure, Sent, failures
from service.exports.delivery.quotes import Quotes
from service.exports.delivery.words import of_body
from tests.partner.spellings import SPELLINGS

ROWS = [{"customer_id": str(100 + at), "status": "failed", "error": "old", "ok": False} for at in range(4)]


def locate(told: Mapping[str, Any]) -> int | None:
    found = {row["customer_id"]: at for at, row in enumerate(ROWS)}
    return found.get(told["customer_id"]) if "customer_id" in told else None


def read(value: Any, rows: list[dict[str, Any]] = ROWS) -> list[tuple[int | None, str]]:
    found = failures(json.dumps(value).encode(), Sent(len(rows), locate, lambda: rows))
    return [(one.index, one.words) for one in found]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("indexes", [(), (0,), (3,), (0, 2), (0, 1, 2, 3)], ids=str)
def test_every_spelling_is_understood(spelling: str, indexes: tuple[int, ...]) -> None:
    reasons = {at: f"no {at}" for at in indexes}
    _, value = SPELLINGS[spelling](ROWS, reasons, ("customer_id",))
    assert read(value) == [(at, f"no {at}") for at in indexes]


@pytest.mark.parametrize("name", [*FAILURES, "Errors", "FAILED"])
@pytest.mark.parametrize("place", ["index", "row", "position", "record_index", "recordIndex", "record", "i"])
@pytest.mark.parametrize("reason", ["message", "reason", "error", "detail", "description", "code"])
def test_every_word_for_a_failure(name: str, place: str, reason: str) -> None:
    assert read({name: [{place: 2, reason: "no"}]}) == [(2, "no")]
    assert read({"data": {"batch": {name: [{place: "2", reason: "no"}]}}}) == [(2, "no")]


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize(
    "bad",
    [
        {"status": 422},
        {"status": "422"},
        {"statusCode": 500},
        {"status": "Error"},
        {"state": "rejected"},
        {"success": False},
        {"accepted": False},
        {"error": {"message": "status 422"}},
        {"errors": ["x"]},
    ],
    ids=str,
)
def test_every_word_for_a_result(name: str, bad: dict[str, Any]) -> None:
    found = read({name: [{"status": 200}, bad, {"success": True}, {"error": None}]})
    assert [at for at, _ in found] == [1]
    assert found[0][1]


CASES: dict[str, tuple[Any, list[tuple[int | None, str]]]] = {
    "nothing": ({"errors": [], "failed": 0, "rejected": None, "invalid": {}}, []),
    "a text": ({"errors": "none", "failed": False}, []),
    "numbers": ({"failed": [1, 3]}, [(1, NO_REASON), (3, NO_REASON)]),
    "a place that is none": ({"errors": [{"index": 4, "message": "no"}]}, [(None, "no")]),
    "a place below nothing": ({"errors": [{"index": -1, "message": "no"}]}, [(None, "no")]),
    "a place that is true": ({"errors": [{"index": True, "message": "no"}]}, [(None, "no")]),
    "a place with a point": ({"errors": [{"index": 1.0, "message": "no"}]}, [(1, "no")]),
    "no place": ({"errors": ["row 3 is wrong"]}, [(None, "row 3 is wrong")]),
    "no reason": ({"errors": [{"index": 1}]}, [(1, NO_REASON)]),
    "a key": ({"errors": [{"customer_id": "102", "reason": "no"}]}, [(2, "no")]),
    "a key in a row": ({"errors": [{"record": {"customer_id": "102"}, "reason": "no"}]}, [(2, "no")]),
    "a key goes before a place": ({"errors": [{"row": 3, "customer_id": "102", "reason": "no"}]}, [(2, "no")]),
    "a key that is a list": ({"errors": [{"customer_id": ["102"], "index": 1, "reason": "no"}]}, [(1, "no")]),
    "a row twice": ({"errors": [{"index": 1, "message": "a"}, {"index": 1, "message": "b"}]}, [(1, "a; b")]),
    "twice in one answer": ({"failed": 1, "errors": [{"index": 1, "message": "a"}]}, [(1, "a")]),
    "a count": ({"failed": 2}, [(None, NOT_SAID)] * 2),
    "a count too high": ({"failed": 10**30}, [(None, NOT_SAID)] * 4),
    "fields": ({"errors": {"email": ["is none"]}}, [(None, "email: is none")]),
    "one": ({"errors": {"index": 1, "message": "no"}}, [(1, "no")]),
    "a list below": ({"rejected": {"count": 1, "records": [{"index": 1, "message": "no"}]}}, [(1, "no")]),
    "an empty list below": ({"rejected": {"count": 0, "records": []}}, []),
    "by place": ({"errors": {"0": ["a", "b"], "2": {"message": "c"}}}, [(0, "a; b"), (2, "c")]),
    "a nested reason": ({"errors": [{"index": 1, "error": {"code": 7, "message": "no"}}]}, [(1, "no")]),
    "a number for a reason": ({"errors": [{"index": 1, "code": 7}]}, [(1, "7")]),
    "the rows as they were sent": ({"records": ROWS}, []),
    "rows with a verdict": ({"records": [ROWS[0] | {"status": "rejected"}, *ROWS[1:]]}, [(0, "old")]),
    "a short list of results": ({"results": [{"status": "failed", "index": 2, "message": "no"}]}, [(2, "no")]),
    "statuses": ({"statuses": [200, 201, 422, 200]}, [(2, "status 422")]),
    "numbers that are no statuses": ({"data": [1000, 2000, 3000, 4000]}, []),
    "results in another order": (
        {"results": [{"customer_id": f"10{at}", "ok": at != 1, "reason": "no"} for at in (3, 2, 1, 0)]},
        [(1, "no")],
    ),
    "results beside loose errors": (
        {"errors": ["one row"], "results": [{"ok": True}, {"ok": False, "reason": "no"}, {"ok": True}, {"ok": True}]},
        [(1, "no")],
    ),
    "more than were sent": ({"errors": ["no"] * 50}, [(None, "no")] * 4),
}


@pytest.mark.parametrize("name", CASES)
def test_what_an_answer_means(name: str) -> None:
    value, expected = CASES[name]
    assert read(value) == expected


@pytest.mark.parametrize(
    "body", [b"", b"null", b"7", b'"errors"', b"<html>", b"[" * 10**6, b'{"errors":' * 10**5, b"\xff"]
)
def test_what_is_no_answer_says_nothing(body: bytes) -> None:
    assert failures(body, Sent(4, locate, lambda: ROWS)) == ()


words_of_answers = st.sampled_from(
    [
        *FAILURES,
        *RESULTS,
        "index",
        "row",
        "record",
        "i",
        "status",
        "ok",
        "success",
        "error",
        "message",
        "code",
        "customer_id",
    ]
)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["101", "failed"])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(words_of_answers | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=25,
)


@hypothesis_settings(max_examples=200, deadline=None)
@given(value=values)
def test_whatever_is_answered_means_at_most_each_row_once(value: Any) -> None:
    found = failures(json.dumps(value).encode(), Sent(4, locate, lambda: ROWS))
    places = [one.index for one in found if one.index is not None]
    assert len(found) <= 4
    assert places == sorted(set(places))
    assert all(isinstance(one, Failure) and 0 <= one.index < 4 for one in found if one.index is not None)
    assert all(isinstance(one.words, str) for one in found)


@hypothesis_settings(max_examples=150, deadline=None)
@given(body=st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()))
def test_whatever_is_said_becomes_a_short_line_that_can_be_stored(body: bytes) -> None:
    failures(body, Sent(4, locate, lambda: ROWS))
    said = Quotes().quote(of_body(body))
    assert len(said) <= 500
    assert said.isprintable()
    said.encode()


def test_a_large_answer_is_read_in_a_moment() -> None:
    import time

    body = json.dumps({"errors": [{"index": at % 4, "message": "no"} for at in range(30_000)]}).encode()
    began = time.monotonic()
    assert len(failures(body, Sent(4, locate, lambda: ROWS))) == 4
    assert time.monotonic() - began < 1
