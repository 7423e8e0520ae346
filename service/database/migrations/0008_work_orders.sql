-- Work orders, customers and parts as Fullbay's API tells them.

CREATE TABLE fullbay_work_orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shop text COLLATE "C" NOT NULL,
    fullbay_id varchar(255) COLLATE "C" NOT NULL UNIQUE,
    work_order_number text,
    customer_id text,
    customer_name text,
    vehicle_info jsonb,
    status text,
    created_at timestamptz,
    updated_at timestamptz,
    total_amount numeric,
    labor_amount numeric,
    parts_amount numeric,
    tax_amount numeric,
    raw_data jsonb NOT NULL,
    content_hash bytea NOT NULL,
    ingestion_timestamp timestamptz NOT NULL DEFAULT now(),
    ingestion_source varchar(255) NOT NULL
);

CREATE INDEX fullbay_work_orders_updated ON fullbay_work_orders (updated_at);

CREATE TABLE fullbay_customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shop text COLLATE "C" NOT NULL,
    fullbay_id varchar(255) COLLATE "C" NOT NULL UNIQUE,
    name text,
    email text,
    phone text,
    created_at timestamptz,
    updated_at timestamptz,
    raw_data jsonb NOT NULL,
    content_hash bytea NOT NULL,
    ingestion_timestamp timestamptz NOT NULL DEFAULT now(),
    ingestion_source varchar(255) NOT NULL
);

CREATE TABLE fullbay_parts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shop text COLLATE "C" NOT NULL,
    fullbay_id varchar(255) COLLATE "C" NOT NULL UNIQUE,
    part_number text,
    description text,
    cost numeric,
    price numeric,
    created_at timestamptz,
    updated_at timestamptz,
    raw_data jsonb NOT NULL,
    content_hash bytea NOT NULL,
    ingestion_timestamp timestamptz NOT NULL DEFAULT now(),
    ingestion_source varchar(255) NOT NULL
);
