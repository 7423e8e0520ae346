-- Exports: runs, the batches that they send, the rows that the partner refused, and what the partner is known to have.

CREATE TABLE export_runs (
    id uuid PRIMARY KEY,
    trigger_kind varchar(10) NOT NULL CHECK (trigger_kind IN ('request', 'command', 'schedule', 'object')),
    trigger_key text UNIQUE,
    table_name text COLLATE "C" NOT NULL,
    destination text COLLATE "C" NOT NULL,
    mode varchar(10) NOT NULL CHECK (mode IN ('full', 'changed')),
    request jsonb NOT NULL,
    status varchar(10) NOT NULL
        CHECK (status IN ('RUNNING', 'SUCCEEDED', 'PARTIAL', 'FAILED', 'CANCELLED', 'CONTINUES')),
    legs integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    heartbeat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    cancel_requested_at timestamptz,
    error_message text,

    engine text NOT NULL,
    columns jsonb NOT NULL,
    key_columns text[] NOT NULL,
    query_sql text NOT NULL,
    query_parameters text[] NOT NULL,
    count_sql text NOT NULL,
    row_limit bigint NOT NULL,
    batch_size integer NOT NULL,
    query_attempts integer NOT NULL DEFAULT 0,
    query_id text,
    query_began_at timestamptz,
    has_result boolean NOT NULL DEFAULT false,
    count_query_id text,

    is_planned boolean NOT NULL DEFAULT false,
    planned_position bigint NOT NULL DEFAULT 0,
    planned_batches integer NOT NULL DEFAULT 0,
    is_truncated boolean NOT NULL DEFAULT false,
    rows_available bigint,
    rows_unchanged bigint NOT NULL DEFAULT 0,
    rows_selected bigint NOT NULL DEFAULT 0,
    rows_sent bigint NOT NULL DEFAULT 0,
    rows_rejected bigint NOT NULL DEFAULT 0,
    CHECK ((ended_at IS NULL) = (status IN ('RUNNING', 'CONTINUES')))
);

COMMENT ON COLUMN export_runs.trigger_key IS
    'What the event is known by that began the run: one that is delivered again goes on with the same run.';
COMMENT ON COLUMN export_runs.legs IS
    'How often the run was begun or continued. Who writes names its leg: one that was overtaken writes nothing.';
COMMENT ON COLUMN export_runs.columns IS
    'Names and types as they were when the run was asked for: whoever continues it encodes rows in the same way.';
COMMENT ON COLUMN export_runs.planned_position IS
    'Where in the result planning goes on.';
COMMENT ON COLUMN export_runs.rows_available IS
    'How many rows there were, where the run was cut at its limit.';

-- What a partner has is known by what was sent before: two runs that compare with it at once would both send.
CREATE UNIQUE INDEX export_runs_one_changed ON export_runs (table_name, destination)
    WHERE mode = 'changed' AND status IN ('RUNNING', 'CONTINUES');
CREATE INDEX export_runs_newest ON export_runs (created_at DESC, id DESC);

CREATE TABLE export_batches (
    run_id uuid NOT NULL REFERENCES export_runs ON DELETE CASCADE,
    number integer NOT NULL,
    part text COLLATE "C" NOT NULL DEFAULT '',
    total integer,
    state varchar(10) NOT NULL DEFAULT 'planned'
        CHECK (state IN ('planned', 'sending', 'sent', 'split', 'rejected')),
    first_row bigint NOT NULL,
    row_count integer NOT NULL,
    position bigint,
    picks integer[],
    skipped integer NOT NULL DEFAULT 0,
    reject_ids bigint[],
    attempts integer NOT NULL DEFAULT 0,
    began_at timestamptz,
    settled_at timestamptz,
    status_code smallint,
    rejected integer NOT NULL DEFAULT 0,
    note text,
    accepted bytea,
    PRIMARY KEY (run_id, number, part)
);

COMMENT ON COLUMN export_batches.part IS
    'Empty for a whole batch; 1 and 2 for the halves of one that was refused, 1.2 for the second half of the first.';
COMMENT ON COLUMN export_batches.total IS
    'total_batches as it is told with the batch, where it is not planned_batches of the run.';
COMMENT ON COLUMN export_batches.first_row IS
    'Which of the selected rows comes first, from 1 on; of a batch that repeats rejects, 0.';
COMMENT ON COLUMN export_batches.position IS
    'Where in the result the batch begins. A part begins there, too, and leaves out its first `skipped` rows.';
COMMENT ON COLUMN export_batches.picks IS
    'Which rows from there on belong to it, from 0 on; null where it is all of them.';
COMMENT ON COLUMN export_batches.reject_ids IS
    'The rejects that it sends once more; null for a batch of the result.';
COMMENT ON COLUMN export_batches.accepted IS
    '16 bytes for the key and 16 for the content of each row that the partner has taken, until they are folded.';

CREATE INDEX export_batches_open ON export_batches (run_id, number, part) WHERE state IN ('planned', 'sending');
CREATE INDEX export_batches_unfolded ON export_batches (run_id) WHERE accepted IS NOT NULL;

CREATE TABLE export_rejects (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id uuid NOT NULL REFERENCES export_runs ON DELETE CASCADE,
    row_number bigint NOT NULL,
    batch_number integer NOT NULL,
    payload text NOT NULL,
    fingerprint bytea,
    status_code smallint NOT NULL,
    reason text NOT NULL,
    attempts integer NOT NULL DEFAULT 1,
    rejected_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at timestamptz,
    UNIQUE (run_id, row_number)
);

COMMENT ON COLUMN export_rejects.payload IS
    'The row as it was sent, as JSON text.';
COMMENT ON COLUMN export_rejects.sent_at IS
    'When a retry got it through.';

CREATE TABLE export_fingerprints (
    table_name text COLLATE "C" NOT NULL,
    destination text COLLATE "C" NOT NULL,
    key_hash bytea NOT NULL,
    content_hash bytea NOT NULL,
    PRIMARY KEY (table_name, destination, key_hash)
);

-- How many rows of a run the partner has, and how many it has refused.
CREATE FUNCTION export_counts(of_run uuid, OUT sent bigint, OUT rejected bigint)
LANGUAGE sql STABLE AS $$
    SELECT (
               SELECT coalesce(sum(row_count - batches.rejected), 0)
               FROM export_batches AS batches
               WHERE run_id = of_run AND state IN ('sent', 'rejected') AND reject_ids IS NULL
           ) + count(sent_at),
           count(*) - count(sent_at)
    FROM export_rejects
    WHERE run_id = of_run
$$;

-- Put what the partner has taken in the oldest `most` batches of a table where it is looked up by key. Returns whether
-- there were any.
CREATE FUNCTION export_fold(of_table text, of_destination text, most integer) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('exports/fold/' || of_table || '/' || of_destination, 0));
    WITH oldest AS (
        SELECT batches.run_id, batches.number, batches.part, batches.accepted, batches.settled_at
        FROM export_batches AS batches
        JOIN export_runs AS runs ON runs.id = batches.run_id
        WHERE runs.table_name = of_table AND runs.destination = of_destination AND batches.accepted IS NOT NULL
        ORDER BY batches.settled_at
        LIMIT most
        FOR UPDATE OF batches
    ),
    taken AS (
        UPDATE export_batches AS batches
        SET accepted = NULL
        FROM oldest
        WHERE batches.run_id = oldest.run_id AND batches.number = oldest.number AND batches.part = oldest.part
        RETURNING oldest.accepted, oldest.settled_at
    )
    INSERT INTO export_fingerprints
    SELECT DISTINCT ON (key_hash) of_table, of_destination, key_hash, content_hash
    FROM (
        SELECT substring(accepted FROM 32 * row + 1 FOR 16) AS key_hash,
               substring(accepted FROM 32 * row + 17 FOR 16) AS content_hash, settled_at, row
        FROM taken, generate_series(0, length(accepted) / 32 - 1) AS row
    ) AS rows
    ORDER BY key_hash, settled_at DESC, row DESC
    ON CONFLICT (table_name, destination, key_hash) DO UPDATE SET content_hash = excluded.content_hash;
    RETURN FOUND;
END
$$;
