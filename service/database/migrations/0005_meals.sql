-- Meals, which users keep for themselves, and what they ate.

CREATE TABLE meals (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    eaten_at timestamptz NOT NULL,
    notes text CHECK (length(notes) <= 2000),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX meals_newest ON meals (user_id, eaten_at DESC, id DESC);

CREATE TABLE meal_items (
    meal_id uuid NOT NULL REFERENCES meals (id) ON DELETE CASCADE,
    position integer NOT NULL CHECK (position BETWEEN 1 AND 100),
    food text NOT NULL CHECK (length(food) BETWEEN 1 AND 200),
    quantity numeric NOT NULL CHECK (quantity > 0 AND quantity <= 1e12),  -- nor NaN, which sorts behind every number
    unit text NOT NULL CHECK (length(unit) BETWEEN 1 AND 50),
    calories numeric CHECK (calories >= 0 AND calories <= 1e12),
    PRIMARY KEY (meal_id, position)
);

CREATE FUNCTION meal_json(meal meals)
RETURNS json
LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'mealId', meal.id,
        'name', meal.name,
        'eatenAt', rfc3339(meal.eaten_at),
        'items', ARRAY(
            SELECT json_build_object('food', food, 'quantity', quantity, 'unit', unit, 'calories', calories)
            FROM meal_items
            WHERE meal_id = meal.id
            ORDER BY position
        ),
        'notes', meal.notes,
        'createdAt', rfc3339(meal.created_at),
        'updatedAt', rfc3339(meal.updated_at)
    )
$$;

-- A user's meals of the days from `first_day` to `last_day`, both included; NULL is no limit. A day is one of the user's
-- time zone. It can begin in the middle of an hour that comes twice (Havana, the Azores), so it is no range of moments:
-- each moment is asked for its day. The range of moments around is for the index.
CREATE FUNCTION meals_of_days(owner uuid, first_day date, last_day date)
RETURNS SETOF meals
LANGUAGE sql STABLE AS $$
    SELECT meals.*
    FROM meals
    JOIN users ON users.id = meals.user_id
    WHERE meals.user_id = owner
      AND eaten_at >= (coalesce(first_day, '-infinity') - 1)::timestamp AT TIME ZONE 'UTC'
      AND eaten_at < (coalesce(last_day, 'infinity') + 2)::timestamp AT TIME ZONE 'UTC'
      AND (first_day IS NULL OR (eaten_at AT TIME ZONE timezone)::date >= first_day)
      AND (last_day IS NULL OR (eaten_at AT TIME ZONE timezone)::date <= last_day)
$$;
