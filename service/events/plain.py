"""The event as nearly every client sends it, read without a schema: in camelCase, complete, its dates as text.

It accepts only what `schemas.Event` accepts, with the same result (a property test compares them), and has no opinion
on the rest: that goes to the schema, which knows the words for what is wrong. For an event of a large batch the schema
takes as long as PostgreSQL (docs/decisions/2026-11-21-ordinary-events-without-a-schema.md).
"""

from __future__ import annotations

from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from service.events.entity_rules import ENTITY_RULES
from service.validation import parse_timestamp, rfc3339

_EVENT_KEYS = {"eventHeader", "entities"}
_HEADER_KEYS = {"uuid", "eventName", "eventType", "createdDate", "savedDate"}
_ENTITY_HEADER_KEYS = {"entityId", "entityType", "createdAt", "updatedAt"}


class _NotPlain(Exception):
    """Something is not as nearly every client sends it."""


def read_plain(event: Any) -> tuple[str, list[tuple[str, str]], str] | None:
    """Return the id, the (type, id) of each entity and the row of an event, None where the schema must look at it.

    The row is that of `documents.ReadyEvent`, without the event as it was sent.
    """
    try:
        if event.keys() != _EVENT_KEYS:
            return None
        header, entities = event["eventHeader"], event["entities"]
        if not header.keys() <= _HEADER_KEYS or not isinstance(entities, list) or not entities:
            return None
        event_id = _text(header["uuid"])
        event_type = quoted(_text(header["eventType"])) if "eventType" in header else "null"
        created = _moment(header["createdDate"]) if "createdDate" in header else "null"
        saved = _moment(header["savedDate"]) if "savedDate" in header else "null"
        keys, rows = [], []
        for entity in entities:
            about = entity["entityHeader"]
            if about.keys() != _ENTITY_HEADER_KEYS:
                return None
            key = _text(about["entityType"]), _text(about["entityId"])
            keys.append(key)
            rows.append(
                f'{{"type":{quoted(key[0])},"id":{quoted(key[1])},"created":{_moment(about["createdAt"])},'
                f'"updated":{_moment(about["updatedAt"])},"projected":{"true" if key[0] in ENTITY_RULES else "false"}}}'
            )
        name = quoted(_text(header["eventName"]))
    except (_NotPlain, AttributeError, KeyError, TypeError, ValueError, OverflowError):
        return None
    row = (
        f'{{"id":{quoted(event_id)},"name":{name},"type":{event_type},"created":{created},"saved":{saved},'
        f'"entities":[{",".join(rows)}]'
    )
    return event_id, keys, row


def _text(value: Any) -> str:
    if type(value) is not str or not 0 < len(value) <= 255:
        raise _NotPlain
    return value


@lru_cache(maxsize=4096)  # an event says most of its dates several times
def _moment(value: Any) -> str:
    if type(value) is not str:
        raise _NotPlain
    return f'"{rfc3339(parse_timestamp(value))}"'
