-- Ingestion: runs, the windows that they read (the coverage ledger), and the records that could not be stored.

CREATE TABLE ingestion_metadata (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    execution_id varchar(255) COLLATE "C" NOT NULL UNIQUE,
    source text COLLATE "C" NOT NULL,
    resource text COLLATE "C" NOT NULL,
    shop text COLLATE "C" NOT NULL,
    request jsonb NOT NULL,
    start_time timestamptz NOT NULL DEFAULT now(),
    end_time timestamptz,
    status varchar(10) NOT NULL CHECK (status IN ('RUNNING', 'SUCCESS', 'PARTIAL', 'CONTINUES', 'FAILED')),
    legs integer NOT NULL DEFAULT 0,
    is_planned boolean NOT NULL DEFAULT false,
    heartbeat_at timestamptz NOT NULL DEFAULT now(),
    records_processed bigint NOT NULL DEFAULT 0,
    records_inserted bigint NOT NULL DEFAULT 0,
    records_updated bigint NOT NULL DEFAULT 0,
    records_unchanged bigint NOT NULL DEFAULT 0,
    records_stale bigint NOT NULL DEFAULT 0,
    records_rejected bigint NOT NULL DEFAULT 0,
    pages bigint NOT NULL DEFAULT 0,
    error_message text,
    api_endpoint varchar(2000) NOT NULL,
    CHECK ((end_time IS NULL) = (status IN ('RUNNING', 'CONTINUES')))
);

COMMENT ON COLUMN ingestion_metadata.legs IS
    'How often the run was begun or continued. Who writes names its leg: one that was overtaken writes nothing.';
COMMENT ON COLUMN ingestion_metadata.request IS
    'What was asked for: {} for what is new, or since, from and to, full.';

-- One run at a time, whatever goes wrong with locks.
CREATE UNIQUE INDEX ingestion_metadata_active ON ingestion_metadata (source, resource, shop)
    WHERE status IN ('RUNNING', 'CONTINUES');
CREATE INDEX ingestion_metadata_newest ON ingestion_metadata (start_time DESC, execution_id DESC);

CREATE TABLE ingestion_windows (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    execution_id varchar(255) COLLATE "C" NOT NULL REFERENCES ingestion_metadata (execution_id),
    source text COLLATE "C" NOT NULL,
    resource text COLLATE "C" NOT NULL,
    shop text COLLATE "C" NOT NULL,
    covers tstzrange NOT NULL,
    state varchar(10) NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'complete', 'incomplete')),
    "checkpoint" jsonb,
    pages bigint NOT NULL DEFAULT 0,
    records bigint NOT NULL DEFAULT 0,
    expected bigint,
    rejected bigint NOT NULL DEFAULT 0,
    planned_at timestamptz NOT NULL DEFAULT now(),
    began_at timestamptz,
    read_at timestamptz,
    note text
);

COMMENT ON COLUMN ingestion_windows.covers IS
    'What of the source the window stands for: a range of days, or of moments of change.';
COMMENT ON COLUMN ingestion_windows.pages IS
    'Pages stored so far: a page that is stored twice, after a lost connection, is known by it.';

CREATE INDEX ingestion_windows_ledger ON ingestion_windows (source, resource, shop, state);
CREATE INDEX ingestion_windows_of_run ON ingestion_windows (execution_id);

CREATE TABLE ingestion_rejects (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    execution_id varchar(255) COLLATE "C" NOT NULL REFERENCES ingestion_metadata (execution_id),
    source text COLLATE "C" NOT NULL,
    resource text COLLATE "C" NOT NULL,
    shop text COLLATE "C" NOT NULL,
    record_id text,
    payload text NOT NULL,
    payload_hash bytea NOT NULL,
    path text NOT NULL,
    reason text NOT NULL,
    seen integer NOT NULL DEFAULT 1,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    resolution varchar(10) CHECK (resolution IN ('replayed', 'superseded')),
    resolved_at timestamptz,
    CHECK ((resolution IS NULL) = (resolved_at IS NULL)),
    UNIQUE (source, resource, shop, payload_hash)
);

COMMENT ON COLUMN ingestion_rejects.payload IS
    'The record as it was sent, as text: it may hold what jsonb cannot.';
COMMENT ON COLUMN ingestion_rejects.resolution IS
    'replayed: stored from here; superseded: a later version of the record was stored.';

CREATE INDEX ingestion_rejects_newest ON ingestion_rejects (last_seen_at DESC, id DESC);
CREATE INDEX ingestion_rejects_open ON ingestion_rejects (source, resource, shop, record_id) WHERE resolution IS NULL;

-- What of a stream has been read completely. A window whose reading began less than `patience` after the days that it
-- covers counts only up to `patience` before that: what is younger may still change, and a reading may take days.
CREATE FUNCTION ingestion_coverage(of_source text, of_resource text, of_shop text, patience interval)
RETURNS tstzmultirange
LANGUAGE sql STABLE AS $$
    SELECT coalesce(range_agg(settled), '{}')
    FROM (
        SELECT covers * tstzrange(
                   NULL, CASE WHEN patience = '0' THEN NULL ELSE least(began_at, read_at) - patience END
               ) AS settled
        FROM ingestion_windows
        WHERE source = of_source AND resource = of_resource AND shop = of_shop AND state = 'complete'
    ) AS windows
    WHERE NOT isempty(settled)
$$;
