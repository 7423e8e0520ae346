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

-- A user as the routes answer with them.
CREATE FUNCTION profile_of(person users)
RETURNS json
LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'userId', person.id, 'email', person.email, 'firstName', person.first_name, 'lastName', person.last_name,
        'timezone', person.timezone, 'phone', person.phone, 'createdAt', rfc3339(person.created_at),
        'updatedAt', rfc3339(person.updated_at)
    )
$$;

-- A family is what follows from signing in once: refresh tokens, each the successor of the one before it
-- (docs/decisions/2026-11-21-refresh-tokens.md).
CREATE TABLE refresh_families (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz
);

CREATE INDEX refresh_families_of_user ON refresh_families (user_id, expires_at);

CREATE TABLE refresh_tokens (
    hash bytea PRIMARY KEY CHECK (length(hash) = 32),
    family_id uuid NOT NULL REFERENCES refresh_families (id) ON DELETE CASCADE,
    successor bytea,
    rotated_at timestamptz,
    CHECK ((successor IS NULL) = (rotated_at IS NULL))
);

COMMENT ON COLUMN refresh_tokens.hash IS 'SHA-256 of the token, which itself is kept nowhere.';

CREATE INDEX refresh_tokens_of_family ON refresh_tokens (family_id);
CREATE UNIQUE INDEX refresh_tokens_current ON refresh_tokens (family_id) WHERE successor IS NULL;

-- Replace a refresh token by its successor. The outcome is one of
--
--   rotated    the successor is good now; the same pair again, after a lost connection, has the same outcome
--   repeated   another successor was given a moment ago, to a request that was sent twice: nothing is changed
--   reused     another successor was given before that: two have the token, and one of them has stolen it.
--              The family is revoked
--   unknown    there is no such token, or its family has expired or is revoked
CREATE FUNCTION rotate_refresh_token(old_hash bytea, new_hash bytea)
RETURNS TABLE (outcome text, user_id uuid)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    family refresh_families;
    token refresh_tokens;
BEGIN
    SELECT * INTO family
    FROM refresh_families
    WHERE id = (SELECT family_id FROM refresh_tokens WHERE hash = old_hash)
    FOR UPDATE;

    -- Read by a statement of its own, which sees what others have committed while this one waited for the family.
    SELECT * INTO token FROM refresh_tokens WHERE hash = old_hash;

    IF token.hash IS NULL OR family.expires_at <= now() THEN
        outcome := 'unknown';
    -- now() is when this statement began: what it has waited for the family is not held against it.
    ELSIF token.successor <> new_hash AND token.rotated_at <= now() - interval '10 seconds' THEN
        UPDATE refresh_families SET revoked_at = coalesce(revoked_at, now()) WHERE id = family.id;
        outcome := 'reused';
    ELSIF family.revoked_at IS NOT NULL THEN
        outcome := 'unknown';
    ELSIF token.successor <> new_hash THEN
        outcome := 'repeated';
    ELSE
        IF token.successor IS NULL THEN
            UPDATE refresh_tokens SET successor = new_hash, rotated_at = clock_timestamp() WHERE hash = old_hash;
            INSERT INTO refresh_tokens (hash, family_id) VALUES (new_hash, family.id);
        END IF;
        outcome := 'rotated';
    END IF;
    user_id := family.user_id;
    RETURN NEXT;
END
$$;

-- Attempts to sign in that failed in the last 15 minutes, and those that are being decided. Account and client address
-- are there as SHA-256; the address is NULL where nobody knows it.
CREATE TABLE sign_in_attempts (
    id uuid PRIMARY KEY,
    account bytea NOT NULL CHECK (length(account) = 32),
    address bytea CHECK (length(address) = 32),
    attempted_at timestamptz NOT NULL,
    has_failed boolean NOT NULL DEFAULT false
);

CREATE INDEX sign_in_attempts_on_account ON sign_in_attempts (account);
CREATE INDEX sign_in_attempts_from_address ON sign_in_attempts (address);
CREATE INDEX sign_in_attempts_oldest ON sign_in_attempts (attempted_at);

-- Reserve one of the ten places of an account, and one of the ten of a client address, for an attempt that is about to
-- be made. Returns 0 when it may be made; the seconds to wait for, when ten have failed in 15 minutes; and NULL when
-- attempts that nobody has decided yet take places: ask again. One that stays undecided for a minute has failed.
-- The same attempt again, after a lost connection, has the same place.
CREATE FUNCTION reserve_sign_in(attempt uuid, on_account bytea, from_address bytea)
RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    account_lock bigint := hashtextextended(encode(on_account, 'hex'), 0);
    address_lock bigint := coalesce(hashtextextended(encode(from_address, 'hex'), 0), account_lock);
    kept interval := '15 minutes';
    moment timestamptz;
    seconds integer;
    is_full boolean;
BEGIN
    -- An attempt leaves one row at most, and takes up to twenty old ones away: the table does not grow.
    DELETE FROM sign_in_attempts
    WHERE id IN (
        SELECT id
        FROM sign_in_attempts
        WHERE attempted_at <= clock_timestamp() - kept
        ORDER BY attempted_at
        LIMIT 20
        FOR UPDATE SKIP LOCKED
    );

    -- In one order, so that no two wait for each other.
    PERFORM pg_advisory_xact_lock(least(account_lock, address_lock));
    PERFORM pg_advisory_xact_lock(greatest(account_lock, address_lock));
    moment := clock_timestamp();

    SELECT max(ceil(extract(epoch FROM oldest + kept - moment))) FILTER (WHERE failed >= 10),
           bool_or(taken >= 10)
    INTO seconds, is_full
    FROM (
        SELECT count(*) AS taken,
               count(*) FILTER (WHERE has_failed OR attempted_at <= moment - interval '1 minute') AS failed,
               min(attempted_at) AS oldest
        FROM (
            SELECT 'account' AS side, id, attempted_at, has_failed FROM sign_in_attempts WHERE account = on_account
            UNION ALL
            SELECT 'address', id, attempted_at, has_failed FROM sign_in_attempts WHERE address = from_address
        ) AS attempts
        WHERE attempted_at > moment - kept AND id <> attempt
        GROUP BY side
    ) AS sides;

    IF seconds IS NOT NULL OR is_full THEN
        RETURN seconds;
    END IF;
    INSERT INTO sign_in_attempts (id, account, address, attempted_at)
    VALUES (attempt, on_account, from_address, moment)
    ON CONFLICT (id) DO NOTHING;
    RETURN 0;
END
$$;

-- What the answer of a list says of its pages.
CREATE FUNCTION pagination(page bigint, page_size bigint, total bigint)
RETURNS json
LANGUAGE sql IMMUTABLE AS $$
    SELECT json_build_object(
        'page', page, 'limit', page_size, 'total', total, 'pages', (total + page_size - 1) / page_size
    )
$$;
