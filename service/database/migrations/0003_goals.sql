-- Goals, the activities that work towards them, and how far they are (docs/decisions/2026-11-21-progress.md).

CREATE DOMAIN amount AS numeric CONSTRAINT amount_limits CHECK (abs(VALUE) <= 1e12 AND scale(trim_scale(VALUE)) <= 6);

CREATE FUNCTION is_context(content jsonb)
RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN jsonb_typeof(content) = 'object' THEN (
        SELECT count(*) <= 20 AND coalesce(
            bool_and(length(key) BETWEEN 1 AND 50 AND jsonb_typeof(value) = 'string' AND length(value #>> '{}') <= 500),
            true
        )
        FROM jsonb_each(content)
    ) ELSE false END
$$;

CREATE TABLE goals (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id),
    title text NOT NULL
        CONSTRAINT goals_title_length CHECK (length(title) BETWEEN 1 AND 200)
        CONSTRAINT goals_title_visible CHECK (title COLLATE pg_c_utf8 ~ '\S'),
    description text NOT NULL DEFAULT '' CONSTRAINT goals_description_length CHECK (length(description) <= 1000),
    category text NOT NULL CONSTRAINT goals_category_length CHECK (length(category) BETWEEN 1 AND 50),
    icon text CONSTRAINT goals_icon_length CHECK (length(icon) <= 50),
    color text CONSTRAINT goals_color_form CHECK (color ~ '^#[0-9A-Fa-f]{6}$'),
    goal_pattern text NOT NULL
        CONSTRAINT goals_goal_pattern_known
        CHECK (goal_pattern IN ('recurring', 'milestone', 'target', 'streak', 'limit')),
    metric text NOT NULL CONSTRAINT goals_metric_length CHECK (length(metric) BETWEEN 1 AND 50),
    target_value amount NOT NULL CONSTRAINT goals_target_value_positive CHECK (target_value > 0),
    unit text NOT NULL CONSTRAINT goals_unit_length CHECK (length(unit) BETWEEN 1 AND 50),
    period text CONSTRAINT goals_period_known CHECK (period IN ('day', 'week', 'month', 'quarter', 'year')),
    target_date date,
    start_value amount,
    direction text CONSTRAINT goals_direction_known CHECK (direction IN ('increase', 'decrease', 'maintain')),
    target_type text
        CONSTRAINT goals_target_type_known CHECK (target_type IN ('minimum', 'maximum', 'exact', 'range')),
    min_value amount,
    max_value amount,
    days_of_week smallint[]
        CONSTRAINT goals_days_of_week_known CHECK (days_of_week <@ ARRAY[1, 2, 3, 4, 5, 6, 7]::smallint[])
        CONSTRAINT goals_days_of_week_once CHECK (
            cardinality(days_of_week) BETWEEN 1 AND 7
            AND array_ndims(days_of_week) = 1
            AND cardinality(days_of_week)
                = (1 = ANY (days_of_week))::integer + (2 = ANY (days_of_week))::integer
                + (3 = ANY (days_of_week))::integer + (4 = ANY (days_of_week))::integer
                + (5 = ANY (days_of_week))::integer + (6 = ANY (days_of_week))::integer
                + (7 = ANY (days_of_week))::integer
        ),
    preferred_time time(0),
    context jsonb CONSTRAINT goals_context_texts CHECK (context IS NULL OR is_context(context)),
    visibility text NOT NULL DEFAULT 'private'
        CONSTRAINT goals_visibility_known CHECK (visibility IN ('private', 'friends', 'public')),
    status text NOT NULL DEFAULT 'active'
        CONSTRAINT goals_status_known CHECK (status IN ('draft', 'active', 'paused', 'completed', 'archived')),
    version integer NOT NULL DEFAULT 1,
    write_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT goals_period_needed CHECK (goal_pattern NOT IN ('recurring', 'limit') OR period IS NOT NULL),
    CONSTRAINT goals_target_date_needed CHECK (goal_pattern NOT IN ('milestone', 'target') OR target_date IS NOT NULL),
    CONSTRAINT goals_start_value_needed CHECK (goal_pattern <> 'target' OR start_value IS NOT NULL),
    CONSTRAINT goals_streak_days
        CHECK (goal_pattern <> 'streak' OR (target_value <= 365 AND target_value = trunc(target_value))),
    CONSTRAINT goals_range_order
        CHECK (target_type IS DISTINCT FROM 'range' OR coalesce(min_value <= max_value, false)),
    CONSTRAINT goals_time_of_schedule CHECK (preferred_time IS NULL OR days_of_week IS NOT NULL),
    CONSTRAINT goals_unit UNIQUE (id, unit)
);

COMMENT ON COLUMN goals.write_id IS
    'The replacement that wrote the row: a retry after a lost connection knows its own by it.';

CREATE INDEX goals_newest ON goals (user_id, created_at DESC, id);

-- Titles are one whether their accents are composed or not (NFC), and in capitals or not.
CREATE UNIQUE INDEX goals_active_title ON goals (user_id, lower(normalize(title, NFC) COLLATE pg_c_utf8))
    WHERE status = 'active';

-- Rules that look beyond the row. The user's row is the lock: of all that would make goals active, one goes at a time.
CREATE FUNCTION check_goal()
RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.goal_pattern <> OLD.goal_pattern THEN
        RAISE EXCEPTION 'the pattern of a goal never changes'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'goals_goal_pattern_kept';
    END IF;
    IF NEW.status = 'active' THEN
        PERFORM FROM users WHERE id = NEW.user_id FOR NO KEY UPDATE;
        -- A statement of its own: it sees what others have committed while this one waited.
        IF (SELECT count(*) FROM goals WHERE user_id = NEW.user_id AND status = 'active' AND id <> NEW.id) >= 50 THEN
            RAISE EXCEPTION 'a user has at most 50 active goals'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'goals_active_limit';
        END IF;
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER check_goal BEFORE INSERT OR UPDATE ON goals FOR EACH ROW EXECUTE FUNCTION check_goal();

CREATE TABLE goal_activities (
    id uuid PRIMARY KEY,
    goal_id uuid NOT NULL,
    value amount NOT NULL,
    unit text NOT NULL,
    activity_type text NOT NULL DEFAULT 'progress'
        CONSTRAINT goal_activities_activity_type_known
        CHECK (activity_type IN ('progress', 'completed', 'skipped', 'partial')),
    activity_date timestamptz NOT NULL DEFAULT now()
        CONSTRAINT goal_activities_activity_date_years
        CHECK (activity_date >= '0001-01-02T00:00:00Z' AND activity_date < '10000-01-01T00:00:00Z'),
    note text CONSTRAINT goal_activities_note_length CHECK (length(note) <= 500),
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Also what a goal's unit waits for: it cannot change while activities count in it.
    CONSTRAINT goal_activities_unit FOREIGN KEY (goal_id, unit) REFERENCES goals (id, unit)
);

CREATE INDEX goal_activities_newest ON goal_activities (goal_id, activity_date DESC, created_at DESC, id DESC);

CREATE FUNCTION check_goal_activity()
RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    goal goals;
BEGIN
    -- Locked: who archives the goal waits until the activity is stored, and after that none is.
    SELECT * INTO goal FROM goals WHERE id = NEW.goal_id FOR SHARE;
    IF goal.status = 'archived' THEN
        RAISE EXCEPTION 'the goal is archived'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'goal_activities_goal_open';
    END IF;
    NEW.unit = coalesce(NEW.unit, goal.unit);
    RETURN NEW;
END
$$;

CREATE TRIGGER check_goal_activity BEFORE INSERT ON goal_activities
    FOR EACH ROW EXECUTE FUNCTION check_goal_activity();

CREATE FUNCTION goal_json(goal goals)
RETURNS json
LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'goalId', goal.id, 'title', goal.title, 'description', goal.description, 'category', goal.category,
        'icon', goal.icon, 'color', goal.color, 'goalPattern', goal.goal_pattern,
        'target', json_build_object(
            'metric', goal.metric, 'value', goal.target_value, 'unit', goal.unit, 'period', goal.period,
            'targetDate', goal.target_date, 'startValue', goal.start_value, 'direction', goal.direction,
            'targetType', goal.target_type, 'minValue', goal.min_value, 'maxValue', goal.max_value
        ),
        'schedule', CASE WHEN goal.days_of_week IS NOT NULL THEN json_build_object(
            'daysOfWeek', goal.days_of_week, 'preferredTime', to_char(goal.preferred_time, 'HH24:MI')
        ) END,
        'context', goal.context, 'visibility', goal.visibility, 'status', goal.status, 'version', goal.version,
        'createdAt', rfc3339(goal.created_at), 'updatedAt', rfc3339(goal.updated_at)
    )
$$;

CREATE FUNCTION goal_activity_json(activity goal_activities)
RETURNS json
LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'activityId', activity.id, 'goalId', activity.goal_id, 'value', activity.value, 'unit', activity.unit,
        'activityType', activity.activity_type, 'activityDate', rfc3339(activity.activity_date),
        'note', activity.note, 'createdAt', rfc3339(activity.created_at)
    )
$$;

-- The days that a zone left out when it moved across the date line. Nowhere is another missing: a test asks tzdata.
CREATE FUNCTION left_out_days(zone text)
RETURNS date[]
LANGUAGE sql STABLE AS $$
    SELECT coalesce(array_agg(day ORDER BY day), '{}')
    FROM unnest(ARRAY['1844-12-31', '1993-08-21', '1994-12-31', '2011-12-30']::date[]) AS day
    WHERE (day::timestamp AT TIME ZONE zone AT TIME ZONE zone)::date <> day
$$;

-- The number of the period that holds a day: one more than that of the period before it. Year 1 began on a Monday.
CREATE FUNCTION period_number(period text, day date, left_out date[])
RETURNS integer
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE period
        WHEN 'day' THEN day - DATE '0001-01-01' - width_bucket(day, left_out)
        WHEN 'week' THEN (day - DATE '0001-01-01') / 7
        WHEN 'month' THEN extract(year FROM day)::integer * 12 + extract(month FROM day)::integer
        WHEN 'quarter' THEN extract(year FROM day)::integer * 4 + extract(quarter FROM day)::integer
        WHEN 'year' THEN extract(year FROM day)::integer
    END
$$;

-- How many days of a schedule stand between two days, both included.
CREATE FUNCTION scheduled_days(days_of_week smallint[], first_day date, last_day date, left_out date[])
RETURNS bigint
LANGUAGE sql IMMUTABLE AS $$
    SELECT sum((last_day - DATE '0001-01-01' + 8 - weekday) / 7 - (first_day - DATE '0001-01-01' + 7 - weekday) / 7)
        - (
            SELECT count(*)
            FROM unnest(left_out) AS day
            WHERE day BETWEEN first_day AND last_day AND extract(isodow FROM day) = ANY (days_of_week)
        )
    FROM unnest(days_of_week) AS weekday
$$;

-- The multiple of `step` that is nearest to a quotient, halves away from zero; exact, where `round(part / whole)` would
-- round twice. `whole` is positive.
CREATE FUNCTION nearest(part numeric, whole numeric, step numeric)
RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$
    SELECT trim_scale(sign(part) * div(2 * abs(part) + whole * step, 2 * whole * step) * step)
$$;

CREATE FUNCTION percent(part numeric, whole numeric)
RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$
    SELECT nearest(100 * least(greatest(part, 0), whole), whole, 0.01)
$$;

-- Whether what was done in a period is what the goal asks for.
CREATE FUNCTION meets_target(goal goals, done numeric)
RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN goal.goal_pattern = 'limit' OR goal.target_type = 'maximum' THEN done <= goal.target_value
        WHEN goal.target_type = 'exact' THEN done = goal.target_value
        WHEN goal.target_type = 'range' THEN done BETWEEN goal.min_value AND goal.max_value
        ELSE done >= goal.target_value
    END
$$;

-- How far a goal is at a moment, in the days of a zone. What each number means: docs/decisions/2026-11-21-progress.md.
-- In PL/pgSQL for its plan, which is kept; PostgreSQL 17 plans an SQL function of this length at each call.
CREATE FUNCTION goal_progress(goal goals, zone text, moment timestamptz)
RETURNS json
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        WITH activity AS MATERIALIZED (
            SELECT value, activity_type <> 'skipped' AS is_counted, (activity_date AT TIME ZONE zone)::date AS day,
                   row_number() OVER (
                       PARTITION BY activity_type <> 'skipped'
                       ORDER BY activity_date DESC, created_at DESC, id DESC
                   ) AS age
            FROM goal_activities
            WHERE goal_id = goal.id AND activity_date <= moment
        ), counted AS MATERIALIZED (
            SELECT value, day, age FROM activity WHERE is_counted
        ), summary AS (
            SELECT count(*) AS count, coalesce(sum(value), 0) AS total, min(value) AS lowest, max(value) AS highest,
                   coalesce(max(value) FILTER (WHERE age = 1), goal.start_value) AS newest
            FROM counted
        ), calendar AS MATERIALIZED (
            -- Where a clock goes back across midnight, today is the latest day that it has shown.
            SELECT least((goal.created_at AT TIME ZONE zone)::date, (moment AT TIME ZONE zone)::date, min(day))
                       AS first_day,
                   greatest((moment AT TIME ZONE zone)::date, max(day)) AS today,
                   left_out_days(zone) AS left_out,
                   coalesce(goal.days_of_week, ARRAY[1, 2, 3, 4, 5, 6, 7]::smallint[]) AS weekdays
            FROM counted
        ), active_day AS MATERIALIZED (
            SELECT DISTINCT day, period_number('day', day, left_out) AS number FROM counted, calendar
        ), run AS (
            SELECT count(*) AS days, max(number) AS last_number
            FROM (SELECT number, number - row_number() OVER (ORDER BY number) AS beginning FROM active_day) AS member
            GROUP BY beginning
        ), streak AS (
            SELECT coalesce(max(days) FILTER (WHERE last_number >= period_number('day', today, left_out) - 1), 0)
                       AS current,
                   coalesce(max(days), 0) AS longest
            FROM run, calendar
        ), attendance AS (
            SELECT (SELECT count(*) FROM active_day WHERE extract(isodow FROM day) = ANY (weekdays)) AS active,
                   scheduled_days(weekdays, first_day, today, left_out) AS expected
            FROM calendar
        ), period AS MATERIALIZED (
            SELECT period_number(goal.period, day, left_out) AS number, sum(value) AS done
            FROM counted, calendar
            GROUP BY 1
        ), busy AS (
            SELECT count(*) AS count, count(*) FILTER (WHERE meets_target(goal, done)) AS met FROM period
        ), periods AS MATERIALIZED (
            SELECT total, busy.met + (total - busy.count) * meets_target(goal, 0)::integer AS met,
                   coalesce(done, 0) AS running
            FROM busy, calendar
            CROSS JOIN LATERAL (SELECT period_number(goal.period, today, left_out)) AS latest (number)
            CROSS JOIN LATERAL (
                SELECT latest.number - period_number(goal.period, first_day, left_out) + 1
            ) AS span (total)
            LEFT JOIN period ON period.number = latest.number
            WHERE goal.goal_pattern IN ('recurring', 'limit')
        ), line AS (
            -- The slope of the last five values is rise / run; their mean is sum / count.
            SELECT count(*) AS count, sum(value) AS sum, sum(age) * sum(value) - count(*) * sum(age * value) AS rise,
                   count(*) * sum(age * age) - sum(age) * sum(age) AS run
            FROM counted
            WHERE age <= 5
        )
        SELECT json_build_object(
            'goalId', goal.id, 'goalPattern', goal.goal_pattern, 'asOf', rfc3339(moment), 'timezone', zone,
            'progress', CASE goal.goal_pattern
                WHEN 'milestone' THEN percent(summary.total, goal.target_value)
                WHEN 'streak' THEN percent(streak.current, goal.target_value)
                WHEN 'target' THEN CASE
                    WHEN goal.target_value <> goal.start_value THEN percent(
                        (newest - goal.start_value) * sign(goal.target_value - goal.start_value),
                        abs(goal.target_value - goal.start_value)
                    )
                    WHEN newest = goal.start_value THEN 100
                    ELSE 0
                END
                ELSE percent(periods.met, periods.total)
            END,
            'current', trim_scale(CASE goal.goal_pattern
                WHEN 'milestone' THEN summary.total
                WHEN 'streak' THEN streak.current
                WHEN 'target' THEN newest
                ELSE periods.running
            END),
            'target', goal.target_value,
            'unit', goal.unit,
            'total', trim_scale(summary.total),
            'average', CASE WHEN summary.count > 0 THEN nearest(summary.total, summary.count, 0.000001) END,
            'best', trim_scale(
                CASE WHEN goal.direction = 'decrease' OR goal.goal_pattern = 'limit' THEN lowest ELSE highest END
            ),
            'activities', (SELECT count(*) FROM activity),
            'skipped', (SELECT count(*) FROM activity WHERE NOT is_counted),
            'consistency', CASE WHEN expected > 0 THEN nearest(active, expected, 0.0001) END,
            'trend', CASE WHEN 100 * line.count * abs(rise) > run * abs(line.sum)
                THEN CASE WHEN rise > 0 THEN 'up' ELSE 'down' END
                ELSE 'stable'
            END,
            'periods', CASE WHEN goal.goal_pattern IN ('recurring', 'limit')
                THEN json_build_object('met', periods.met, 'total', periods.total)
            END,
            'streak', json_build_object('current', streak.current, 'longest', streak.longest)
        )
        FROM summary, streak, attendance, line
        LEFT JOIN periods ON true
    );
END
$$;
