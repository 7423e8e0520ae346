-- Meals, which users keep for themselves.

CREATE TABLE meals (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    eaten_at timestamptz NOT NULL,
    notes text CHECK (length(notes) BETWEEN 1 AND 200),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX meals_newest ON meals (user_id, created_at DESC, id DESC);

CREATE FUNCTION meal_json(meal meals)
RETURNS json
LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'mealId', meal.id,
        'name', meal.name,
        'eatenAt', rfc3339(meal.eaten_at),
        'notes', meal.notes,
        'createdAt', rfc3339(meal.created_at),
        'updatedAt', rfc3339(meal.updated_at)
    )
$$;
