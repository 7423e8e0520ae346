"""The least that storing events can take: the rows that the service writes, in one bare statement of psycopg2.

Two forms of it. The plain one is what psycopg2 offers: values bound to one statement with multi-row VALUES, as
`execute_values` makes them; the targets are ratios to it. The tuned one shows what is left: a prepared statement for
one event, and for batches the JSON as it arrived, which PostgreSQL expands. Neither checks anything, tells a duplicate
from a retry, or copes with an entity that stands twice in a batch.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812

from service.documents import parse
from service.events import queries, service
from service.events.documents import read_event

_PLAIN = """
WITH events AS (
    INSERT INTO business_events (id, event_name, event_type, created_date, saved_date, event_data, batch_id)
    VALUES {events}
), headers AS (
    INSERT INTO event_headers (id, event_name, event_type, created_date, saved_date, header_data)
    VALUES {headers}
), kept AS (
    INSERT INTO entities AS current (entity_type, entity_id, created_at, updated_at, entity_data, event_id)
    VALUES {entities}
    ON CONFLICT (entity_type, entity_id) DO UPDATE
    SET updated_at = excluded.updated_at, entity_data = excluded.entity_data, event_id = excluded.event_id,
        version = current.version + 1
    WHERE current.updated_at <= excluded.updated_at
    RETURNING entity_type, entity_id, version
)
INSERT INTO event_entities (event_id, position, entity_type, entity_id, outcome)
SELECT id, 1, type, key,
       CASE WHEN version IS NULL THEN 'stale' WHEN version = 1 THEN 'created' ELSE 'updated' END
FROM (VALUES {touched}) AS touched (id, type, key) LEFT JOIN kept ON entity_type = type AND entity_id = key
RETURNING event_id, outcome
"""
_COLUMNS = {"events": 7, "headers": 6, "entities": 6, "touched": 3}

_PREPARE = """
PREPARE store_one (
    text, text, text, timestamptz, timestamptz, jsonb, uuid, jsonb, text, text, timestamptz, timestamptz, jsonb
) AS
WITH event AS (
    INSERT INTO business_events (id, event_name, event_type, created_date, saved_date, event_data, batch_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
), header AS (
    INSERT INTO event_headers (id, event_name, event_type, created_date, saved_date, header_data)
    VALUES ($1, $2, $3, $4, $5, $8)
), kept AS (
    INSERT INTO entities AS current (entity_type, entity_id, created_at, updated_at, entity_data, event_id)
    VALUES ($9, $10, $11, $12, $13, $1)
    ON CONFLICT (entity_type, entity_id) DO UPDATE
    SET updated_at = excluded.updated_at, entity_data = excluded.entity_data, event_id = excluded.event_id,
        version = current.version + 1
    WHERE current.updated_at <= excluded.updated_at
    RETURNING version
)
INSERT INTO event_entities (event_id, position, entity_type, entity_id, outcome)
SELECT $1, 1, $9, $10, CASE WHEN version IS NULL THEN 'stale' WHEN version = 1 THEN 'created' ELSE 'updated' END
FROM (VALUES (1)) AS event LEFT JOIN kept ON true
RETURNING outcome
"""
_STORE_ONE = "EXECUTE store_one (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"

_STORE_MANY = """
WITH incoming AS MATERIALIZED (
    SELECT event, event -> 'eventHeader' AS header, event -> 'eventHeader' ->> 'uuid' AS id,
           event -> 'eventHeader' ->> 'eventName' AS event_name, event -> 'eventHeader' ->> 'eventType' AS event_type,
           (event -> 'eventHeader' ->> 'createdDate')::timestamptz AS created,
           (event -> 'eventHeader' ->> 'savedDate')::timestamptz AS saved,
           place, entity - 'entityHeader' AS entity, entity -> 'entityHeader' ->> 'entityType' AS type,
           entity -> 'entityHeader' ->> 'entityId' AS entity_key,
           (entity -> 'entityHeader' ->> 'createdAt')::timestamptz AS entity_created,
           (entity -> 'entityHeader' ->> 'updatedAt')::timestamptz AS entity_updated
    FROM jsonb_array_elements(%s) AS event,
         jsonb_array_elements(event -> 'entities') WITH ORDINALITY AS element (entity, place)
), events AS (
    INSERT INTO business_events (id, event_name, event_type, created_date, saved_date, event_data, batch_id)
    SELECT id, event_name, event_type, created, saved, event, %s FROM incoming
), headers AS (
    INSERT INTO event_headers (id, event_name, event_type, created_date, saved_date, header_data)
    SELECT id, event_name, event_type, created, saved, header FROM incoming
), kept AS (
    INSERT INTO entities AS current (entity_type, entity_id, created_at, updated_at, entity_data, event_id)
    SELECT type, entity_key, entity_created, entity_updated, entity, id FROM incoming ORDER BY type, entity_key
    ON CONFLICT (entity_type, entity_id) DO UPDATE
    SET updated_at = excluded.updated_at, entity_data = excluded.entity_data, event_id = excluded.event_id,
        version = current.version + 1
    WHERE current.updated_at <= excluded.updated_at
    RETURNING entity_type, entity_id, version
)
INSERT INTO event_entities (event_id, position, entity_type, entity_id, outcome)
SELECT id, place, type, entity_key,
       CASE WHEN version IS NULL THEN 'stale' WHEN version = 1 THEN 'created' ELSE 'updated' END
FROM incoming LEFT JOIN kept ON entity_type = type AND entity_id = entity_key
RETURNING event_id, outcome
"""

Arguments = tuple[Any, ...]


class Floor:
    """A kept connection in autocommit mode, and the statements. Each `..._arguments` is made outside of the timing."""

    def __init__(self, connection: Connection) -> None:
        connection.autocommit = True
        self._cursor = connection.cursor()
        self._cursor.execute(_PREPARE)

    def plain_arguments(self, events: list[dict[str, Any]]) -> Arguments:
        """Return the rows of each table, for events about one entity each."""
        rows = [self.one_arguments(event) for event in events]
        tables = {
            "events": [row[:7] for row in rows],
            "headers": [(*row[:5], row[7]) for row in rows],
            "entities": sorted((*row[8:], row[0]) for row in rows),
            "touched": [(row[0], row[8], row[9]) for row in rows],
        }
        places = {name: ",".join([f"({','.join(['%s'] * _COLUMNS[name])})"] * len(rows)) for name in tables}
        return (
            _PLAIN.format(**places),
            [value for table in tables.values() for row in table for value in row],
            len(rows),
        )

    def store_plain(self, arguments: Arguments) -> None:
        """Write the rows with values bound to one statement."""
        self._run(*arguments)

    def one_arguments(self, event: dict[str, Any]) -> Arguments:
        """Return what `store_one` writes, column by column."""
        header, entity = event["eventHeader"], event["entities"][0]
        moments = header["createdDate"], header["savedDate"]
        names = header["uuid"], header["eventName"], header["eventType"]
        about = entity["entityHeader"]
        data = {key: value for key, value in entity.items() if key != "entityHeader"}
        return (
            *names,
            *moments,
            json.dumps(event),
            str(uuid.uuid4()),
            json.dumps(header),
            about["entityType"],
            about["entityId"],
            about["createdAt"],
            about["updatedAt"],
            json.dumps(data),
        )

    def store_one(self, arguments: Arguments) -> None:
        """Write the rows of one event about one entity."""
        self._run(_STORE_ONE, arguments, 1)

    def many_arguments(self, events: list[dict[str, Any]]) -> Arguments:
        """Return the events as one JSON text, and a batch id."""
        return json.dumps(events), str(uuid.uuid4()), len(events)

    def store_many(self, arguments: Arguments) -> None:
        """Write the rows of events about one entity each."""
        *values, count = arguments
        self._run(_STORE_MANY, values, count)

    def function_arguments(self, events: list[dict[str, Any]]) -> Arguments:
        """Return what the service makes of the events, for its function `store_events`."""
        ready = [read_event(parse(json.dumps(event)), is_strict=False) for event in events]
        return service._arguments(ready)

    def call_function(self, arguments: Arguments) -> None:
        """Call `store_events` as the service does, with nothing around it."""
        if not all(is_stored for is_stored, *_ in queries.store_events(self._cursor, *arguments)):
            raise RuntimeError("not every event was stored")

    def _run(self, statement: str, values: Any, count: int) -> None:
        self._cursor.execute(statement, values)
        if len(self._cursor.fetchall()) != count:
            raise RuntimeError("not every event was stored")
