-- Invoices, their lines, and what of their own totals the lines do not explain.

CREATE TABLE fullbay_invoices (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shop text COLLATE "C" NOT NULL,
    fullbay_id varchar(255) COLLATE "C" NOT NULL,
    invoice_number text,
    invoice_date date,
    due_date date,
    exported boolean,
    customer_id text,
    customer_name text,
    shop_title text,
    service_order_id text,
    repair_order_number text,
    vehicle_info jsonb,
    misc_charge_total numeric,
    service_call_total numeric,
    mileage_total numeric,
    mileage_cost_total numeric,
    parts_total numeric,
    labor_hours_total numeric,
    labor_total numeric,
    sublet_labor_total numeric,
    supplies_total numeric,
    sub_total numeric,
    tax_total numeric,
    total numeric,
    balance numeric,
    difference numeric NOT NULL,
    raw_data jsonb NOT NULL,
    content_hash bytea NOT NULL,
    ingestion_timestamp timestamptz NOT NULL DEFAULT now(),
    ingestion_source varchar(255) NOT NULL,
    UNIQUE (shop, fullbay_id)
);

COMMENT ON COLUMN fullbay_invoices.difference IS
    'sub_total minus the sum of the lines, to the cent; fullbay_invoice_differences says where it comes from.';
COMMENT ON COLUMN fullbay_invoices.content_hash IS
    'Of the invoice as it was sent and of the way its lines are made: where it is the same, nothing is written.';

CREATE INDEX fullbay_invoices_of_shop ON fullbay_invoices (shop, invoice_date);
CREATE INDEX fullbay_invoices_of_day ON fullbay_invoices (invoice_date);
CREATE INDEX fullbay_invoices_of_customer ON fullbay_invoices (customer_id, invoice_date);
CREATE INDEX fullbay_invoices_of_service_order ON fullbay_invoices (service_order_id);
CREATE INDEX fullbay_invoices_that_do_not_add_up ON fullbay_invoices (shop, invoice_date) WHERE difference <> 0;

CREATE TABLE fullbay_line_items (
    invoice_id bigint NOT NULL REFERENCES fullbay_invoices (id) ON DELETE CASCADE,
    position integer NOT NULL,
    shop text COLLATE "C" NOT NULL,
    line_type varchar(13) NOT NULL CHECK (line_type IN ('PART', 'LABOR', 'SHOP SUPPLIES', 'MISC')),
    complaint_id text,
    correction_id text,
    part_id text,
    technician text,
    technician_number text,
    portion numeric,
    description text,
    shop_part_number text,
    vendor_part_number text,
    part_category text,
    labor_rate text,
    quantity numeric,
    hours numeric,
    unit_price numeric,
    unit_cost numeric,
    total numeric NOT NULL,
    taxable boolean,
    PRIMARY KEY (invoice_id, position)
);

COMMENT ON COLUMN fullbay_line_items.portion IS
    'Percent of the whole that is this technician''s; NULL where the line is the whole.';
COMMENT ON COLUMN fullbay_line_items.quantity IS
    'Of the whole part, without what was returned; a part of several technicians has it on each of its lines.';

CREATE INDEX fullbay_line_items_of_part ON fullbay_line_items (shop_part_number) WHERE line_type = 'PART';
CREATE INDEX fullbay_line_items_of_technician ON fullbay_line_items (shop, technician) WHERE technician IS NOT NULL;

CREATE TABLE fullbay_invoice_differences (
    invoice_id bigint NOT NULL REFERENCES fullbay_invoices (id) ON DELETE CASCADE,
    position integer NOT NULL,
    path text NOT NULL,
    complaint_id text,
    correction_id text,
    total_name text NOT NULL,
    expected numeric NOT NULL,
    found numeric NOT NULL,
    difference numeric NOT NULL CHECK (difference <> 0 AND difference = expected - found),
    portions numeric,
    PRIMARY KEY (invoice_id, position)
);

COMMENT ON COLUMN fullbay_invoice_differences.path IS
    'Where in the invoice the total stands: a correction, or nothing for the invoice as a whole.';
COMMENT ON COLUMN fullbay_invoice_differences.portions IS
    'The sum of the technicians'' portions, of which the lines were made; NULL where there are none.';
