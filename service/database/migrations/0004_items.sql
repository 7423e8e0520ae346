-- Items.

CREATE TABLE items (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    description text CHECK (length(description) <= 2000),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX items_newest ON items (created_at DESC, id DESC);

CREATE FUNCTION item_json(item items)
RETURNS json
LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'item_id', item.id,
        'name', item.name,
        'description', item.description,
        'createdAt', rfc3339(item.created_at),
        'updatedAt', rfc3339(item.updated_at)
    )
$$;
