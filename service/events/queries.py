"""The SQL of events. Reads answer with JSON text that PostgreSQL builds, so that numbers keep every digit."""

from __future__ import annotations

from datetime import datetime
from operator import itemgetter
from typing import Any

from service.database import Cursor, json_of
from service.pages import Key, parameters


def store_events(cursor: Cursor, batch_id: str, incoming: str) -> list[tuple[bool, bool, list[str]]]:
    """Store a batch of events (see `store_events` in 0001_events.sql): stored, identical and outcomes of each."""
    cursor.execute("SELECT turn, is_stored, is_identical, outcomes FROM store_events(%s, %s)", (batch_id, incoming))
    return [row[1:] for row in sorted(cursor.fetchall(), key=itemgetter(0))]


def read_every_table(cursor: Cursor) -> None:
    """Read one row's worth of each table. Raises `psycopg2.Error` where one is missing."""
    cursor.execute(
        """
        SELECT (SELECT count(*) FROM (SELECT FROM business_events LIMIT 1) AS e),
               (SELECT count(*) FROM (SELECT FROM event_headers LIMIT 1) AS h),
               (SELECT count(*) FROM (SELECT FROM entities LIMIT 1) AS n),
               (SELECT count(*) FROM (SELECT FROM event_entities LIMIT 1) AS o)
        """
    )


def event(cursor: Cursor, event_id: str) -> str | None:
    """Return an event as it was sent, and what became of its entities, as JSON; None where there is none."""
    cursor.execute(
        """
        SELECT jsonb_build_object(
            'event_id', id, 'receivedAt', rfc3339(received_at), 'event', event_data,
            'entities', (
                SELECT jsonb_agg(
                    jsonb_build_object('entityId', entity_id, 'entityType', entity_type, 'outcome', outcome)
                    ORDER BY position
                )
                FROM event_entities
                WHERE event_id = id
            )
        )::text
        FROM business_events
        WHERE id = %s
        """,
        (event_id,),
    )
    return json_of(cursor)


def entity(cursor: Cursor, entity_type: str, entity_id: str) -> str | None:
    """Return the newest version of an entity as JSON; None where there is none."""
    cursor.execute(
        """
        SELECT jsonb_build_object(
            'entityId', entity_id, 'entityType', entity_type, 'createdAt', rfc3339(created_at),
            'updatedAt', rfc3339(updated_at), 'version', version, 'event_id', event_id, 'entity', entity_data
        )::text
        FROM entities
        WHERE entity_type = %s AND entity_id = %s
        """,
        (entity_type, entity_id),
    )
    return json_of(cursor)


def events(
    cursor: Cursor,
    event_type: str | None,
    since: datetime | None,
    until: datetime | None,
    after: Key | None,
    limit: int,
) -> list[tuple[Any, ...]]:
    """List events, newest first: id, name, type, created, saved, received."""
    cursor.execute(
        """
        SELECT id, event_name, event_type, created_date, saved_date, received_at
        FROM business_events
        WHERE (%(type)s IS NULL OR event_type = %(type)s)
          AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s)
          AND (%(until)s::timestamptz IS NULL OR received_at < %(until)s)
          AND (%(moment)s::timestamptz IS NULL OR (received_at, id) < (%(moment)s, %(id)s COLLATE "C"))
        ORDER BY received_at DESC, id DESC
        LIMIT %(limit)s
        """,
        {"type": event_type, "since": since, "until": until, "limit": limit, **parameters(after)},
    )
    return cursor.fetchall()


def history(cursor: Cursor, entity_type: str, entity_id: str, after: Key | None, limit: int) -> list[tuple[Any, ...]]:
    """List what events did to an entity, newest first: event id, name, type, outcome, received,
    position in the event.
    """
    cursor.execute(
        """
        SELECT touched.event_id, event_name, event_type, outcome, touched.received_at, touched.position
        FROM event_entities AS touched
        JOIN business_events ON id = touched.event_id
        WHERE touched.entity_type = %(entity_type)s AND touched.entity_id = %(entity_id)s
          AND (%(moment)s::timestamptz IS NULL
               OR (touched.received_at, touched.event_id, touched.position)
                  < (%(moment)s, %(id)s COLLATE "C", %(position)s))
        ORDER BY touched.received_at DESC, touched.event_id DESC, touched.position DESC
        LIMIT %(limit)s
        """,
        {"entity_type": entity_type, "entity_id": entity_id, "limit": limit, **parameters(after)},
    )
    return cursor.fetchall()
