-- What rating says about usage. These come from the bus, where a tenant or customer may be unknown here: no foreign keys.
CREATE TABLE beaas.usage_totals (
    tenant_id text NOT NULL,
    customer_id text NOT NULL,
    subscription_id text NOT NULL,
    price_id text NOT NULL,
    line_group jsonb NOT NULL,
    -- Group values are of any length, and an index entry is not.
    line_key uuid NOT NULL GENERATED ALWAYS AS (md5(price_id || ' ' || line_group::text)::uuid) STORED,
    period_start timestamptz NOT NULL,
    period_end timestamptz NOT NULL,
    quantity numeric NOT NULL,
    amount_minor beaas.minor NOT NULL,
    currency text NOT NULL REFERENCES beaas.currencies,
    journal_position bigint NOT NULL,
    as_of timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, customer_id, subscription_id, period_start, line_key)
);
SELECT beaas.isolate('beaas.usage_totals');
GRANT SELECT ON beaas.usage_totals TO beaas_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON beaas.usage_totals TO beaas_service;

CREATE TABLE beaas.parked_usage (
    tenant_id text NOT NULL,
    customer_id text NOT NULL,
    events bigint NOT NULL CHECK (events >= 0),
    reason text NOT NULL,
    as_of timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, customer_id)
);
SELECT beaas.isolate('beaas.parked_usage');
GRANT SELECT ON beaas.parked_usage TO beaas_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON beaas.parked_usage TO beaas_service;

-- A dead letter whose tenant could not be read has none, and only the service sees it.
CREATE TABLE beaas.dead_letters (
    source_topic text NOT NULL,
    source_partition integer NOT NULL,
    source_offset bigint NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    tenant_id text,
    customer_id text,
    key bytea,
    value bytea,
    header_names text[] NOT NULL,
    header_values bytea[] NOT NULL CHECK (cardinality(header_values) = cardinality(header_names)),
    first_position bigint,
    received_at timestamptz NOT NULL,
    redriven_at timestamptz,
    PRIMARY KEY (source_topic, source_partition, source_offset, reason)
);
CREATE INDEX dead_letters_by_reason ON beaas.dead_letters (reason, received_at);
SELECT beaas.isolate('beaas.dead_letters');
GRANT SELECT ON beaas.dead_letters TO beaas_api;
GRANT SELECT, INSERT, UPDATE (redriven_at), DELETE ON beaas.dead_letters TO beaas_service;
