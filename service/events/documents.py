"""An event as it arrived, made ready to be stored: checked, named in camelCase, its uuid made where it has none."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from marshmallow import ValidationError

from service.documents import Document, members, parse, parse_array
from service.errors import Invalid, violation
from service.events.entity_rules import ENTITY_RULES
from service.events.plain import read_plain
from service.events.schemas import Event, StrictEvent
from service.validation import load, rfc3339, violations_of

INVALID = "Invalid event structure"

_EVENT = Event()
_STRICT_EVENT = StrictEvent()
_EVENT_NAMES = {"event_header": "eventHeader"}
_EVENT_HEADER_NAMES = {
    "event_name": "eventName",
    "event_type": "eventType",
    "created_date": "createdDate",
    "saved_date": "savedDate",
}
_ENTITY_NAMES = {"entity_header": "entityHeader"}
_ENTITY_HEADER_NAMES = {
    "entity_id": "entityId",
    "entity_type": "entityType",
    "created_at": "createdAt",
    "updated_at": "updatedAt",
}


@dataclass(frozen=True, slots=True)
class ReadyEvent:
    """An event to store: `entities` are (type, id) in order, `row` is what `store_events` reads, without its end."""

    id: str
    entities: list[tuple[str, str]]
    row: str

    def as_row(self, is_repeated: bool) -> str:
        """Return the JSON of the event as `store_events` reads it."""
        return f'{self.row},"repeated":{"true" if is_repeated else "false"}}}'


def read_event(document: Document, is_strict: bool) -> ReadyEvent:
    """Check one event. Raises `Invalid` with every violation and its path."""
    if document.violations:
        raise Invalid(document.violations, error=INVALID)
    if not is_strict and (plain := read_plain(document.value)):
        event_id, entities, row = plain
        return ReadyEvent(event_id, entities, f'{row},"event":{document.text}')
    document = _in_camel_case(document)
    if document.violations:
        raise Invalid(document.violations, error=INVALID)
    event = load(_STRICT_EVENT if is_strict else _EVENT, document.value, error=INVALID)
    if is_strict:
        _check_entities(document.value["entities"], [entity["header"]["type"] for entity in event["entities"]])
    header = event["header"]
    headers = [entity["header"] for entity in event["entities"]]
    event_id = header.get("uuid") or _new_id()
    row = json.dumps(
        {
            "id": event_id,
            "name": header["name"],
            "type": header.get("type"),
            "created": rfc3339(header.get("created")),
            "saved": rfc3339(header.get("saved")),
            "entities": [
                {
                    "type": entity["type"],
                    "id": entity["id"],
                    "created": rfc3339(entity["created"]),
                    "updated": rfc3339(entity["updated"]),
                    "projected": entity["type"] in ENTITY_RULES,
                }
                for entity in headers
            ],
        }
    )
    return ReadyEvent(
        event_id, [(entity["type"], entity["id"]) for entity in headers], f'{row[:-1]},"event":{document.text}'
    )


def sent_id(document: Document) -> str | None:
    """Return the uuid of an event that may be invalid, None where it has none that could be one."""
    event = document.value if isinstance(document.value, dict) else {}
    header = event.get("eventHeader", event.get("event_header"))
    found = header.get("uuid") if isinstance(header, dict) else None
    return found if isinstance(found, str) and not document.violations else None


def _new_id() -> str:
    from uuid6 import uuid7

    return str(uuid7())


def _check_entities(entities: list[dict[str, Any]], types: list[str]) -> None:
    violations: list[dict[str, str]] = []
    for index, (entity, entity_type) in enumerate(zip(entities, types, strict=True)):
        if rules := ENTITY_RULES.get(entity_type):
            try:
                rules.load(entity)
            except ValidationError as failure:
                violations += violations_of(failure, f"entities[{index}]")
    if violations:
        raise Invalid(violations, error=INVALID)


def _in_camel_case(document: Document) -> Document:
    """Return the event with its structural keys in camelCase, each value's text untouched."""
    event = document.value
    if not isinstance(event, dict):
        return document._replace(violations=[violation("", "An event is an object")])
    parts = [(event, _EVENT_NAMES), (event.get("eventHeader"), _EVENT_HEADER_NAMES)]
    entities = event.get("entities")
    for entity in entities if isinstance(entities, list) else ():
        if isinstance(entity, dict):
            parts += [(entity, _ENTITY_NAMES), (entity.get("entityHeader"), _ENTITY_HEADER_NAMES)]
    if any(isinstance(part, dict) and not names.keys().isdisjoint(part) for part, names in parts):
        return parse(_rename_event(document.text))
    return document


def _rename_event(text: str) -> str:
    return _rename(text, _EVENT_NAMES, {"eventHeader": _rename_event_header, "entities": _rename_entities})


def _rename_event_header(text: str) -> str:
    return _rename(text, _EVENT_HEADER_NAMES)


def _rename_entities(text: str) -> str:
    elements, _ = parse_array(text, limit=len(text)) or ([], 0)
    return f"[{','.join(_rename_entity(element.text) for element in elements)}]" if elements else text


def _rename_entity(text: str) -> str:
    return _rename(text, _ENTITY_NAMES, {"entityHeader": _rename_entity_header})


def _rename_entity_header(text: str) -> str:
    return _rename(text, _ENTITY_HEADER_NAMES)


def _rename(text: str, names: dict[str, str], inner: Mapping[str, Callable[[str], str]] = MappingProxyType({})) -> str:
    """Return the text of a JSON object with its keys renamed, and the values of some keys by `inner`."""
    if not text.startswith("{"):
        return text
    pairs = [(names.get(key, key), value) for key, value in members(text)]
    members_text = ",".join(f"{json.dumps(key)}:{inner.get(key, str)(value)}" for key, value in pairs)
    return f"{{{members_text}}}"
