"""The peer: the same write as `POST /api/v1/events`, as one would write it with FastAPI, pydantic and asyncpg.

It checks what its models say and writes the same rows with one statement. It verifies no token, tells no duplicate from
a retry, repeats nothing and keeps no log, all of which the service does: the comparison favours the peer.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any

import asyncpg
from fastapi import FastAPI, HTTPException
from mangum import Mangum
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

POOL_SIZE = int(os.environ.get("PEER_POOL_SIZE", "10"))

STORE = """
WITH event AS (
    INSERT INTO business_events (id, event_name, event_type, created_date, saved_date, event_data, batch_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
), header AS (
    INSERT INTO event_headers (id, event_name, event_type, created_date, saved_date, header_data)
    VALUES ($1, $2, $3, $4, $5, $8)
), entity AS (
    SELECT *
    FROM unnest($9::text[], $10::text[], $11::timestamptz[], $12::timestamptz[], $13::jsonb[]) WITH ORDINALITY
        AS entity (type, key, created, updated, data, place)
), kept AS (
    INSERT INTO entities AS current (entity_type, entity_id, created_at, updated_at, entity_data, event_id)
    SELECT type, key, created, updated, data, $1 FROM entity
    ON CONFLICT (entity_type, entity_id) DO UPDATE
    SET updated_at = excluded.updated_at, entity_data = excluded.entity_data, event_id = excluded.event_id,
        version = current.version + 1
    WHERE current.updated_at <= excluded.updated_at
    RETURNING entity_type, entity_id, version
)
INSERT INTO event_entities (event_id, position, entity_type, entity_id, outcome)
SELECT $1, place, type, key,
       CASE WHEN version IS NULL THEN 'stale' WHEN version = 1 THEN 'created' ELSE 'updated' END
FROM entity LEFT JOIN kept ON entity_type = type AND entity_id = key
RETURNING entity_id AS "entityId", entity_type AS "entityType", outcome
"""

Text = Annotated[str, StringConstraints(min_length=1, max_length=255)]


class Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class EventHeader(Model):
    uuid: Text | None = None
    event_name: Text
    event_type: Text | None = None
    created_date: datetime | None = None
    saved_date: datetime | None = None


class EntityHeader(Model):
    entity_id: Text
    entity_type: Text
    created_at: datetime
    updated_at: datetime


class Entity(Model):
    model_config = ConfigDict(extra="allow")

    entity_header: EntityHeader


class Event(Model):
    event_header: EventHeader
    entities: Annotated[list[Entity], Field(min_length=1)]
    filters: list[dict[str, Any]] | None = None


class Outcome(BaseModel):
    entityId: str
    entityType: str
    outcome: str


class Answer(BaseModel):
    success: bool = True
    message: str = "Event processed successfully"
    event_id: str
    entities: list[Outcome]


class Database:
    """A pool that is made on first use, or by the lifespan of the application."""

    def __init__(self) -> None:
        self._pool: asyncpg.Pool | None = None
        self._lock = asyncio.Lock()

    async def pool(self, min_size: int = 1) -> asyncpg.Pool:
        if self._pool is None:
            async with self._lock:
                if self._pool is None:
                    url = os.environ["DATABASE_URL"]
                    self._pool = await asyncpg.create_pool(url, min_size=min_size, max_size=POOL_SIZE)
        return self._pool

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()


database = Database()


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    await database.pool(min_size=POOL_SIZE)
    yield
    await database.close()


app = FastAPI(lifespan=lifespan)


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "healthy"}


@app.post("/api/v1/events")
async def create(event: Event) -> Answer:
    """Store one event."""
    header, entities = event.event_header, event.entities
    header.uuid = header.uuid or str(uuid.uuid4())
    pool = await database.pool()
    try:
        rows = await pool.fetch(
            STORE,
            header.uuid,
            header.event_name,
            header.event_type,
            header.created_date,
            header.saved_date,
            event.model_dump_json(by_alias=True, exclude_unset=True),
            uuid.uuid4(),
            header.model_dump_json(by_alias=True, exclude_unset=True),
            [entity.entity_header.entity_type for entity in entities],
            [entity.entity_header.entity_id for entity in entities],
            [entity.entity_header.created_at for entity in entities],
            [entity.entity_header.updated_at for entity in entities],
            [entity.model_dump_json(exclude={"entity_header"}) for entity in entities],
        )
    except asyncpg.UniqueViolationError:
        raise HTTPException(409, f"Event with ID '{header.uuid}' already exists") from None
    return Answer(event_id=header.uuid, entities=[Outcome(**row) for row in rows])


# A lifespan would open and close the pool with each invocation: on Lambda it is made on first use, and kept.
handler = Mangum(app, lifespan="off")
