"""Hostile and mistaken bodies: always a 4xx in the one error shape, and never a lost neighbour."""

from __future__ import annotations

import gzip
import json
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.events.samples import an_entity, an_event
from tests.transports import Answer, Client, LambdaClient

SINGLE = "/api/v1/events"
BULK = "/api/v1/events/bulk"


def refused(answer: Answer, *statuses: int) -> dict[str, Any]:
    """Check that an answer is a refusal in the one error shape; return its body."""
    assert answer.status in statuses, answer.body
    body: dict[str, Any] = answer.json()
    assert body["status"] == answer.status
    assert body["error"]
    assert body["message"]
    assert body["requestId"] == answer.headers["x-request-id"]
    assert body["timestamp"].endswith("Z")
    return body


def with_data(literal: str) -> str:
    """Return the text of an event whose entity holds `literal` as it stands."""
    return json.dumps(an_event(an_entity(data="HERE"))).replace('"HERE"', literal)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{]",
        b"nul",
        b"NaN",
        b"-Infinity",
        b"01",
        b"1.",
        b"{'a': 1}",
        b'{"a": 1,}',
        b'{"a": 1} {"b": 2}',
        b'"\x01"',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf{}",
        b"\x00",
        b"\xc3",
        "{}".encode("utf-16"),
        with_data("NaN").encode(),
        with_data("Infinity").encode(),
        with_data('"\\x"').encode(),
        b"[" * 1_000_000,
        b'{"a":' * 100_000,
    ],
    ids=lambda body: repr(body[-16:]),
)
def test_what_is_no_json_is_refused(client: Client, body: bytes) -> None:
    assert refused(client.post(SINGLE, body=body), 400)["error"] == "Invalid JSON"


@pytest.mark.parametrize(
    ("literal", "message"),
    [
        ('"a\\u0000b"', "NUL"),
        ('{"\\u0000": 1}', "NUL"),
        ('"\\ud800"', "surrogate"),
        ('"\\udc00\\ud800"', "surrogate"),
        ('{"\\udfff": 1}', "surrogate"),
        ("1e400", "digits"),
        ("-1e-400", "digits"),
        ("1e99999999999999999999", "digits"),
        ("9" * 401, "digits"),
        ("0." + "9" * 401, "digits"),
        ("9" * 5000, "digits"),
        ('{"a": 1, "a": 1}', "twice"),
        ('{"a": [{"b": 1, "b": 2}]}', "twice"),
        ("[" * 63 + "]" * 63, "deeper"),
        ("[" * 1_000_000 + "]" * 1_000_000, "deeper"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "deeper"),
    ],
    ids=lambda value: value[:30],
)
def test_what_cannot_be_stored_is_refused_and_named(client: Client, literal: str, message: str) -> None:
    body = refused(client.post(SINGLE, body=with_data(literal)), 422)
    assert message in body["details"]["errors"][0]["message"]


@pytest.mark.parametrize("literal", ["1e308", "5e-324", "[" * 61 + "]" * 61, '"\\ud83d\\ude97"', "9" * 400, "0e10"])
def test_what_is_just_within_the_limits_is_stored(client: Client, literal: str) -> None:
    assert client.post(SINGLE, body=with_data(literal)).status == 200


def change(path: str, value: Any) -> dict[str, Any]:
    """Return an event with the value at `path` replaced, or removed where the value is ..."""
    event = an_event(eventType="CarCreated")
    *parents, last = path.split("/")
    place: Any = event
    for key in parents:
        place = place[int(key) if key.isdigit() else key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return event


HEADER = "entities/0/entityHeader"
NAME_REQUIRED = "Event header event_name is required"


@pytest.mark.parametrize(
    ("event", "path", "message"),
    [
        (None, "", "An event is an object"),
        ([], "", "An event is an object"),
        ("text", "", "An event is an object"),
        (1, "", "An event is an object"),
        ({}, "eventHeader", "Missing"),
        (change("eventHeader", ...), "eventHeader", "Missing"),
        (change("eventHeader", None), "eventHeader", "null"),
        (change("eventHeader", []), "eventHeader", "object"),
        (change("eventHeader/eventName", ...), "eventHeader.eventName", NAME_REQUIRED),
        (change("eventHeader/eventName", ""), "eventHeader.eventName", NAME_REQUIRED),
        (change("eventHeader/eventName", 5), "eventHeader.eventName", "text"),
        (change("eventHeader/eventName", "x" * 256), "eventHeader.eventName", "255"),
        (change("eventHeader/uuid", ""), "eventHeader.uuid", "empty"),
        (change("eventHeader/uuid", 1), "eventHeader.uuid", "text"),
        (change("eventHeader/uuid", "x" * 256), "eventHeader.uuid", "255"),
        (change("eventHeader/eventType", ["x"]), "eventHeader.eventType", "text"),
        (change("eventHeader/createdDate", True), "eventHeader.createdDate", "RFC 3339"),
        (change("eventHeader/createdDate", "soon"), "eventHeader.createdDate", "RFC 3339"),
        (change("eventHeader/createdDate", "2024-02-30"), "eventHeader.createdDate", "RFC 3339"),
        (change("eventHeader/createdDate", "2024-01-15x10:30:00Z"), "eventHeader.createdDate", "RFC 3339"),
        (change("eventHeader/createdDate", "2024-W01-1"), "eventHeader.createdDate", "RFC 3339"),
        (change("eventHeader/createdDate", "٢٠٢٤-01-01"), "eventHeader.createdDate", "RFC 3339"),
        (change("eventHeader/createdDate", "0001-01-01T00:00:00+14:00"), "eventHeader.createdDate", "RFC 3339"),
        (change("eventHeader/createdDate", "9999-12-31T23:59:60Z"), "eventHeader.createdDate", "RFC 3339"),
        (change("eventHeader/savedDate", 10**18), "eventHeader.savedDate", "RFC 3339"),
        (change("eventHeader/savedDate", {}), "eventHeader.savedDate", "RFC 3339"),
        (change("eventHeader/mood", "good"), "eventHeader.mood", "Unknown key"),
        (change("mood", "good"), "mood", "Unknown key"),
        (change("filters", {}), "filters", "list"),
        (change("filters", [1]), "filters[0]", "mapping"),
        (change("entities", ...), "entities", "at least one entity"),
        (change("entities", []), "entities", "at least one entity"),
        (change("entities", None), "entities", "list"),
        (change("entities", {}), "entities", "list"),
        (change("entities", [1]), "entities[0]", "object"),
        (change("entities", [None]), "entities[0]", "null"),
        (change("entities/0/entityHeader", ...), "entities[0].entityHeader", "Missing"),
        (change(f"{HEADER}/entityId", ""), "entities[0].entityHeader.entityId", "Entity ID cannot be empty"),
        (change(f"{HEADER}/entityType", ""), "entities[0].entityHeader.entityType", "Entity type cannot be empty"),
        (change(f"{HEADER}/entityId", 7), "entities[0].entityHeader.entityId", "text"),
        (change(f"{HEADER}/createdAt", ...), "entities[0].entityHeader.createdAt", "Missing"),
        (change(f"{HEADER}/updatedAt", None), "entities[0].entityHeader.updatedAt", "null"),
        (change(f"{HEADER}/color", "red"), "entities[0].entityHeader.color", "Unknown key"),
        (change("eventHeader/event_name", "twice"), "eventHeader", "twice"),
        (change("event_header", {}), "", "twice"),
    ],
    ids=lambda value: repr(value)[:60] if isinstance(value, str) else "",
)
def test_a_broken_structure_is_refused_and_its_path_named(client: Client, event: Any, path: str, message: str) -> None:
    body = refused(client.post(SINGLE, body=json.dumps(event)), 422)
    assert body["error"] == "Invalid event structure"
    assert (path, True) in [(error["path"], message in error["message"]) for error in body["details"]["errors"]]


def test_every_violation_is_listed(client: Client) -> None:
    event = change("eventHeader/eventName", "")
    event["entities"] += [{"entityHeader": {"entityId": ""}}]
    event["mood"] = 1
    paths = {error["path"] for error in refused(client.post(SINGLE, json=event), 422)["details"]["errors"]}
    header = "entities[1].entityHeader"
    assert paths == {
        "eventHeader.eventName",
        "mood",
        *(f"{header}.{key}" for key in ("entityId", "entityType", "createdAt", "updatedAt")),
    }


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "application/json; charset=utf-16"}, 415),
        ({"Content-Type": "application/json; charset=latin-1"}, 415),
        ({"Content-Type": "application/jsonp"}, 415),
        ({"Content-Encoding": "gzip"}, 415),
        ({"Content-Encoding": "br"}, 415),
    ],
    ids=str,
)
def test_another_content_type_or_encoding_is_refused(client: Client, headers: dict[str, str], status: int) -> None:
    refused(client.post(SINGLE, body=json.dumps(an_event()), headers=headers), status)


def test_a_compressed_body_is_refused(client: Client) -> None:
    body = gzip.compress(json.dumps(an_event()).encode())
    refused(client.post(SINGLE, body=body, headers={"Content-Encoding": "gzip"}), 415)
    refused(client.post(SINGLE, body=body), 400)


@pytest.mark.parametrize("path", [SINGLE, BULK])
def test_a_body_over_six_mebibytes_is_refused(client: Client, path: str) -> None:
    body = json.dumps(an_event(an_entity(data="x" * 7 * 1024 * 1024)))
    assert client.post(path, body=body, token=None).status == 401
    assert "6291456" in refused(client.post(path, body=body), 413)["message"]


def test_a_body_just_below_six_mebibytes_is_stored(client: Client) -> None:
    body = json.dumps(an_event(an_entity(data="x" * (6 * 1024 * 1024 - 1000))))
    assert client.post(SINGLE, body=body).status == 200


@pytest.mark.parametrize("count", [2, 3_000_000], ids=["few", "very many"])
def test_a_batch_of_nonsense_is_refused(client: Client, count: int) -> None:
    answer = client.post(BULK, body=f"[{','.join(['1'] * count)}]")
    assert answer.status == (200 if count == 2 else 400)
    assert answer.json().get("received", 2) == count


def test_another_method_says_which_are_allowed(client: Client) -> None:
    answer = client.request("DELETE", SINGLE)
    refused(answer, 405)
    assert {"GET", "POST"} <= set(answer.headers["allow"].split(", "))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(st.characters(codec=None), max_size=8),  # type: ignore[arg-type]
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
DATES = st.sampled_from(["2024-01-01T00:00:00Z", "2024-01-01", 1, "1", "", None, True, 1.5, "x", 1e300])
TEXTS = st.text(max_size=5) | st.sampled_from(["Car", "Loan", "\0", "\ud800", "x" * 300])


def mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly what belongs there, sometimes anything."""
    return st.one_of(good, good, good, JSON)


EVENTS = mostly(
    st.fixed_dictionaries(
        {
            "eventHeader": mostly(
                st.fixed_dictionaries(
                    {"eventName": mostly(TEXTS)}, optional={"createdDate": DATES, "eventType": TEXTS, "x": JSON}
                )
            ),
            "entities": mostly(
                st.lists(
                    mostly(
                        st.fixed_dictionaries(
                            {
                                "entityHeader": mostly(
                                    st.fixed_dictionaries(
                                        {"entityId": TEXTS, "entityType": TEXTS, "createdAt": DATES, "updatedAt": DATES}
                                    )
                                )
                            },
                            optional={"data": JSON},
                        )
                    ),
                    max_size=3,
                )
            ),
        }
    )
)
HYPOTHESIS = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


@HYPOTHESIS
@given(event=EVENTS)
def test_whatever_is_sent_is_stored_or_refused_never_an_error_of_the_server(
    handler: Any, token: str, event: Any
) -> None:
    answer = LambdaClient(handler, token).post(SINGLE, body=json.dumps(event))
    if answer.status != 200:
        refused(answer, 400, 409, 422)


@HYPOTHESIS
@given(events=st.lists(EVENTS, min_size=1, max_size=4), place=st.integers(0, 4))
def test_whatever_stands_beside_it_a_good_event_of_a_batch_is_stored(
    handler: Any, token: str, rows: Any, events: list[Any], place: int
) -> None:
    good = an_event(event_id=str(uuid.uuid4()))
    events.insert(place, good)
    answer = LambdaClient(handler, token).post(BULK, body=json.dumps(events))
    constants: list[str] = []
    json.loads(json.dumps(events), parse_constant=constants.append)
    if constants:
        refused(answer, 400)  # NaN is no JSON: nothing of it is stored, and the sender knows
        return
    assert answer.status == 200
    results = answer.json()["results"]
    assert {result["status"] for result in results} <= {200, 409, 422}
    assert results[events.index(good)]["status"] == 200
    assert rows("SELECT count(*) FROM business_events WHERE id = %s", good["eventHeader"]["uuid"]) == [(1,)]


@HYPOTHESIS
@given(body=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_bytes_that_are_no_event_are_refused(handler: Any, token: str, body: bytes) -> None:
    for path in (SINGLE, BULK):
        refused(LambdaClient(handler, token).post(path, body=body), 400, 422)
