-- The outbox, in the columns that Debezium's EventRouter maps. The relay follows its inserts in the log; rows are
-- deleted once they are on the bus and old enough, so DELETE is the service's alone.
CREATE TABLE beaas.billing_events (
    id uuid PRIMARY KEY,
    aggregate_type text NOT NULL,
    aggregate_id text NOT NULL,
    type text NOT NULL,
    tenant_id beaas.code NOT NULL,
    payload bytea NOT NULL,
    correlation_id text NOT NULL DEFAULT '',
    causation_id text NOT NULL DEFAULT '',
    traceparent text NOT NULL DEFAULT '',
    occurred_at timestamptz NOT NULL,
    shard smallint NOT NULL CHECK (shard >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    -- The order of an aggregate's events, whose writers hold its lock. Ids have none: those of commands that fall due by
    -- themselves are functions of what they command.
    sequence bigint NOT NULL GENERATED ALWAYS AS IDENTITY
);
CREATE INDEX billing_events_age ON beaas.billing_events USING brin (created_at);
SELECT beaas.isolate('beaas.billing_events');
SELECT beaas.freeze('beaas.billing_events', 'UPDATE OR TRUNCATE');
GRANT SELECT, INSERT ON beaas.billing_events TO beaas_api;
GRANT SELECT, INSERT, DELETE ON beaas.billing_events TO beaas_service;
