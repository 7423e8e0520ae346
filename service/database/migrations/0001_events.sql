-- Events, and the newest version of each entity that they speak of.

CREATE TABLE business_events (
    id text COLLATE "C" PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 255),
    event_name text NOT NULL,
    event_type text,
    created_date timestamptz,
    saved_date timestamptz,
    event_data jsonb NOT NULL,
    batch_id uuid NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON COLUMN business_events.batch_id IS
    'The unit of work that stored the event: a retry after a lost connection knows its own rows by it.';

CREATE INDEX business_events_newest ON business_events (received_at DESC, id DESC);
CREATE INDEX business_events_newest_of_type ON business_events (event_type, received_at DESC, id DESC);

CREATE TABLE event_headers (
    id text COLLATE "C" PRIMARY KEY REFERENCES business_events (id),
    event_name text NOT NULL,
    event_type text,
    created_date timestamptz,
    saved_date timestamptz,
    header_data jsonb NOT NULL
);

-- One table per entity type, written through one name. A type without a table is stored as an event only.
CREATE TABLE entities (
    entity_type text COLLATE "C" NOT NULL,
    entity_id text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    entity_data jsonb NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    version integer NOT NULL DEFAULT 1,
    PRIMARY KEY (entity_type, entity_id)
) PARTITION BY LIST (entity_type);

CREATE TABLE car_entities PARTITION OF entities FOR VALUES IN ('Car');
CREATE TABLE loan_entities PARTITION OF entities FOR VALUES IN ('Loan');
CREATE TABLE loan_payment_entities PARTITION OF entities FOR VALUES IN ('LoanPayment');
CREATE TABLE service_record_entities PARTITION OF entities FOR VALUES IN ('ServiceRecord');
CREATE TABLE service_details_entities PARTITION OF entities FOR VALUES IN ('ServiceDetails');
CREATE TABLE part_used_entities PARTITION OF entities FOR VALUES IN ('PartUsed');

CREATE TABLE event_entities (
    event_id text COLLATE "C" NOT NULL REFERENCES business_events (id),
    position integer NOT NULL,
    entity_type text COLLATE "C" NOT NULL,
    entity_id text COLLATE "C" NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('created', 'updated', 'stale', 'unprojected')),
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (event_id, position)
);

CREATE INDEX event_entities_history
    ON event_entities (entity_type, entity_id, received_at DESC, event_id DESC, position DESC);

CREATE FUNCTION rfc3339(moment timestamptz)
RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT replace(to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '.000000', '')
$$;

-- The entities of one element of what `store_events` reads, in their order.
CREATE FUNCTION entities_of(event jsonb)
RETURNS TABLE (
    "position" integer, entity_type text, entity_id text, created_at timestamptz, updated_at timestamptz,
    is_projected boolean, entity_data jsonb
)
LANGUAGE sql STABLE AS $$
    SELECT place::integer, plan ->> 'type', plan ->> 'id', (plan ->> 'created')::timestamptz,
           (plan ->> 'updated')::timestamptz, (plan -> 'projected')::boolean, sent - 'entityHeader'
    FROM ROWS FROM (jsonb_array_elements(event -> 'entities'), jsonb_array_elements(event -> 'event' -> 'entities'))
         WITH ORDINALITY AS entity (plan, sent, place)
$$;

-- Store a batch of events in one transaction, as if one after the other.
--
-- incoming  [{"id", "repeated", "name", "type", "created", "saved", "event": as sent, "entities": [{"type", "id",
--           "created", "updated", "projected"}, ...]}, ...]; "repeated" marks an id that stands earlier in the batch.
-- batch     a fresh UUID. The same one again, after a lost connection, stores nothing twice and answers as before.
--
-- One row for each event, `turn` counting from 1: whether this batch stored it, whether what is stored equals what was
-- sent, and the outcome of each of its entities. Rows are locked in one order (events, then entities, each sorted), so
-- that concurrent batches wait for each other and never deadlock.
CREATE FUNCTION store_events(batch uuid, incoming jsonb)
RETURNS TABLE (turn integer, is_stored boolean, is_identical boolean, outcomes text[])
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    told integer;
BEGIN
    -- Nearly every batch ends with this one statement: all its events are new, and no entity stands in it twice.
    RETURN QUERY
    WITH arrived AS MATERIALIZED (
        SELECT turn, event, event ->> 'id' AS id, event ->> 'name' AS event_name, event ->> 'type' AS event_type,
               (event ->> 'created')::timestamptz AS created_date, (event ->> 'saved')::timestamptz AS saved_date
        FROM jsonb_array_elements(incoming) WITH ORDINALITY AS element (event, turn)
        WHERE NOT (event -> 'repeated')::boolean
    ), stored AS (
        INSERT INTO business_events (id, event_name, event_type, created_date, saved_date, event_data, batch_id)
        SELECT id, event_name, event_type, created_date, saved_date, event -> 'event', batch
        FROM arrived
        ORDER BY id COLLATE "C"
        ON CONFLICT (id) DO NOTHING
        RETURNING id
    ), fresh AS MATERIALIZED (
        SELECT arrived.* FROM arrived JOIN stored USING (id)
    ), headers AS (
        INSERT INTO event_headers (id, event_name, event_type, created_date, saved_date, header_data)
        SELECT id, event_name, event_type, created_date, saved_date, event -> 'event' -> 'eventHeader' FROM fresh
    ), entity AS MATERIALIZED (
        SELECT turn, id AS event_id, entity.*,
               row_number() OVER (PARTITION BY entity_type, entity_id ORDER BY turn, position) AS occurrence
        FROM fresh, entities_of(event) AS entity
    ), kept AS (
        INSERT INTO entities AS current (entity_type, entity_id, created_at, updated_at, entity_data, event_id)
        SELECT entity_type, entity_id, created_at, updated_at, entity_data, event_id
        FROM entity
        WHERE is_projected AND occurrence = 1
        ORDER BY entity_type COLLATE "C", entity_id COLLATE "C"
        ON CONFLICT (entity_type, entity_id) DO UPDATE
        SET updated_at = excluded.updated_at, entity_data = excluded.entity_data, event_id = excluded.event_id,
            version = current.version + 1
        WHERE current.updated_at <= excluded.updated_at
        RETURNING entity_type, entity_id, version
    ), outcome AS MATERIALIZED (
        SELECT turn, event_id, position, entity_type, entity_id,
               CASE WHEN NOT is_projected THEN 'unprojected' WHEN version IS NULL THEN 'stale'
                    WHEN version = 1 THEN 'created' ELSE 'updated' END AS outcome
        FROM entity LEFT JOIN kept USING (entity_type, entity_id)
        WHERE occurrence = 1 OR NOT is_projected
    ), noted AS (
        INSERT INTO event_entities (event_id, position, entity_type, entity_id, outcome)
        SELECT event_id, position, entity_type, entity_id, outcome FROM outcome
    )
    SELECT turn::integer, true, true, array_agg(outcome ORDER BY position)
    FROM outcome
    WHERE (SELECT count(*) FROM outcome) = (SELECT count(*) FROM entity)
    GROUP BY turn;

    GET DIAGNOSTICS told = ROW_COUNT;
    IF told = jsonb_array_length(incoming) THEN
        RETURN;
    END IF;

    -- Entities that stand again in this batch: their rows exist and are locked by now, so what is left is arithmetic.
    -- Each occurrence replaces what stands before it unless that is newer; the last that replaces is what is kept.
    IF told = 0 THEN
        WITH again AS (
            SELECT event.id AS event_id, sent.*,
                   row_number() OVER turns AS occurrence,
                   sent.updated_at >= greatest(current.updated_at, max(sent.updated_at) OVER (
                       turns ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                   )) AS is_newest
            FROM jsonb_array_elements(incoming) WITH ORDINALITY AS element (event, turn)
            JOIN business_events AS event ON event.id = element.event ->> 'id' AND batch_id = batch
            CROSS JOIN LATERAL entities_of(element.event) AS sent
            JOIN entities AS current ON (current.entity_type, current.entity_id) = (sent.entity_type, sent.entity_id)
            WHERE NOT (element.event -> 'repeated')::boolean
              AND NOT EXISTS (
                  SELECT FROM event_entities AS noted
                  WHERE noted.event_id = event.id AND noted.position = sent.position
              )
            WINDOW turns AS (PARTITION BY sent.entity_type, sent.entity_id ORDER BY turn, sent.position)
        ), newest AS (
            SELECT DISTINCT ON (entity_type, entity_id) *,
                   count(*) OVER (PARTITION BY entity_type, entity_id) AS replacements
            FROM again
            WHERE is_newest
            ORDER BY entity_type, entity_id, occurrence DESC
        ), kept AS (
            UPDATE entities AS current
            SET updated_at = newest.updated_at, entity_data = newest.entity_data, event_id = newest.event_id,
                version = current.version + replacements
            FROM newest
            WHERE current.entity_type = newest.entity_type AND current.entity_id = newest.entity_id
        )
        INSERT INTO event_entities (event_id, position, entity_type, entity_id, outcome)
        SELECT event_id, position, entity_type, entity_id, CASE WHEN is_newest THEN 'updated' ELSE 'stale' END
        FROM again;
    END IF;

    -- Read by a statement of its own, which sees what others have committed while this batch waited for them.
    RETURN QUERY
    SELECT turn::integer, is_ours, is_ours OR stored.event_data = event -> 'event',
           ARRAY(SELECT outcome FROM event_entities WHERE event_id = stored.id ORDER BY position)
    FROM jsonb_array_elements(incoming) WITH ORDINALITY AS element (event, turn)
    JOIN business_events AS stored ON stored.id = event ->> 'id'
    CROSS JOIN LATERAL (SELECT stored.batch_id = batch AND NOT (event -> 'repeated')::boolean) AS own (is_ours)
    WHERE told = 0 OR NOT is_ours;
END
$$;
