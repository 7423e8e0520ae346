-- Jobs that wait for a worker, where there is no SQS; and when the schedules are due next.

CREATE TABLE jobs (
    id uuid PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    arguments jsonb NOT NULL CHECK (jsonb_typeof(arguments) = 'object'),
    run_at timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0,
    lease uuid UNIQUE,
    leased_until timestamptz,
    last_reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    dead_at timestamptz,
    CHECK ((lease IS NULL) = (leased_until IS NULL)),
    CHECK (dead_at IS NULL OR lease IS NULL)
);

COMMENT ON TABLE jobs IS 'A job that is done has no row any more. One with dead_at waits for an operator.';
COMMENT ON COLUMN jobs.run_at IS 'Since when it may be taken.';
COMMENT ON COLUMN jobs.attempts IS 'How often it was taken.';
COMMENT ON COLUMN jobs.lease IS
    'Made anew whenever the job is taken: a worker whose lease is another one has lost the job, and changes nothing.';

CREATE INDEX jobs_due ON jobs (run_at) WHERE dead_at IS NULL;

CREATE TABLE job_schedules (
    name text COLLATE "C" PRIMARY KEY,
    expression text NOT NULL,
    due_at timestamptz NOT NULL
);

COMMENT ON COLUMN job_schedules.due_at IS 'The next time. Who moves it on has put the job, in the same transaction.';
