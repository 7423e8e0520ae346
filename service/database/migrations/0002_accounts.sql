-- Users, and what signing in leaves behind. Needs PostgreSQL 17: its collation pg_c_utf8 folds letters of any script in
-- the same way on every machine (docs/decisions/2026-11-21-no-citext.md).

CREATE TABLE users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email text NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
    first_name text CHECK (length(first_name) BETWEEN 1 AND 50),
    last_name text CHECK (length(last_name) BETWEEN 1 AND 50),
    password_hash text,
    timezone text NOT NULL DEFAULT 'UTC' CHECK (timestamptz '2000-01-01 00:00:00Z' AT TIME ZONE timezone IS NOT NULL),
    phone text CHECK (phone ~ '^\+[1-9][0-9]{1,14}$'),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON COLUMN users.id IS 'The claim sub of the tokens. From Cognito it is the sub of the user pool.';
COMMENT ON COLUMN users.password_hash IS 'argon2id in PHC format; NULL where Cognito keeps the password.';

CREATE UNIQUE INDEX users_email ON users (lower(email COLLATE pg_c_utf8));

-- What the answer of a list says of its pages.
CREATE FUNCTION pagination(page bigint, page_size bigint, total bigint)
RETURNS json
LANGUAGE sql IMMUTABLE AS $$
    SELECT json_build_object(
        'page', page, 'limit', page_size, 'total', total, 'pages', (total + page_size - 1) / page_size
    )
$$;
