"""The quick reading of ordinary events: it accepts only what the schema accepts, with the same result."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.documents import parse
from service.errors import Invalid
from service.events import documents
from service.events.documents import ReadyEvent, read_event
from service.events.plain import read_plain
from tests.events.samples import MOMENT, an_entity, an_event

DATES = st.sampled_from(
    [MOMENT, "2024-01-15", "2016-12-31T23:59:60Z", "1705314600123", 1705314600123, 1.5, "soon", "", None, True, [], {}]
) | st.datetimes().map(lambda moment: moment.isoformat() + "Z")
TEXTS = st.text(max_size=4) | st.sampled_from(
    ["Car", "Loan", "x" * 255, "x" * 256, 'quo"te\\', "🚗", 1, None, [], True]
)
KEYS = st.sampled_from(["eventName", "eventType", "createdDate", "savedDate", "uuid", "event_name", "other"])


@st.composite
def events(draw: st.DrawFn) -> Any:
    """Draw an ordinary event with up to three changes, which may spoil it."""
    event: Any = an_event(
        *(an_entity(kind=draw(st.sampled_from(["Car", "Loan", "Ship"]))) for _ in range(draw(st.integers(1, 3))))
    )
    event["eventHeader"] |= {"eventType": "CarCreated", "createdDate": MOMENT}
    for _ in range(draw(st.integers(0, 3))):
        header = draw(st.sampled_from([event.get("eventHeader"), event["entities"][0].get("entityHeader"), event]))
        key = draw(KEYS | st.sampled_from(["entityId", "entityType", "createdAt", "updatedAt", "filters"]))
        if isinstance(header, dict):
            if draw(st.booleans()):
                header[key] = draw(DATES | TEXTS)
            elif key in header:
                del header[key]
    return event


@settings(max_examples=1500, deadline=None)
@given(event=events())
def test_what_is_plain_is_read_as_the_schema_reads_it(event: Any) -> None:
    document = parse(json.dumps(event))
    plain = None if document.violations else read_plain(document.value)
    if plain is not None:
        event_id, entities, row = plain
        schema = read_by_schema(document)
        assert (schema.id, schema.entities) == (event_id, entities)
        assert json.loads(schema.as_row(False)) == json.loads(
            ReadyEvent("", [], f'{row},"event":{document.text}').as_row(False)
        )


def read_by_schema(document: Any) -> ReadyEvent:
    """Read an event as if nothing were plain."""
    plain, documents.read_plain = documents.read_plain, lambda event: None
    try:
        return read_event(document, is_strict=False)
    finally:
        documents.read_plain = plain


@pytest.mark.parametrize("value", [None, [], "text", 1, {}, {"eventHeader": 1, "entities": [1]}], ids=str)
def test_what_is_no_event_is_not_plain(value: Any) -> None:
    assert read_plain(value) is None
    with pytest.raises(Invalid):
        read_event(parse(json.dumps(value)), is_strict=False)


def test_the_ordinary_event_is_plain() -> None:
    assert read_plain(an_event(an_entity(make="Tesla"), eventType="CarCreated", createdDate=MOMENT)) is not None
