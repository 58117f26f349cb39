-- name: set_tenant :one
-- Row-level security shows beaas_api this tenant until the transaction ends; none for the empty string.
SELECT set_config('beaas.tenant_id', %(tenant_id)s, true) AS tenant_id;

-- name: insert_events :exec
-- The events are in the outbox, in the order given.
INSERT INTO beaas.billing_events (
    id, aggregate_type, aggregate_id, type, tenant_id, payload, correlation_id, causation_id, traceparent, occurred_at,
    shard
)
SELECT id, aggregate_type, aggregate_id, type, tenant_id, payload, correlation_id, causation_id, traceparent,
    occurred_at, shard
FROM unnest(
    %(ids)s::uuid[], %(aggregate_types)s::text[], %(aggregate_ids)s::text[], %(types)s::text[], %(tenant_ids)s::text[],
    %(payloads)s::bytea[], %(correlation_ids)s::text[], %(causation_ids)s::text[], %(traceparents)s::text[],
    %(occurred_ats)s::timestamptz[], %(shards)s::smallint[]
) WITH ORDINALITY AS given (
    id, aggregate_type, aggregate_id, type, tenant_id, payload, correlation_id, causation_id, traceparent, occurred_at,
    shard, place
)
ORDER BY place;
