-- name: upsert_totals :exec
-- The totals stand as given, but where a newer one (by its journal position) stood already. No key may be given twice.
INSERT INTO beaas.usage_totals AS t (
    tenant_id, customer_id, subscription_id, price_id, line_group, period_start, period_end, quantity, amount_minor,
    currency, journal_position, as_of
)
SELECT * FROM unnest(
    %(tenant_ids)s::text[], %(customer_ids)s::text[], %(subscription_ids)s::text[], %(price_ids)s::text[],
    %(line_groups)s::jsonb[], %(period_starts)s::timestamptz[], %(period_ends)s::timestamptz[],
    %(quantities)s::numeric[], %(amounts_minor)s::numeric[], %(currencies)s::text[], %(journal_positions)s::bigint[],
    %(as_ofs)s::timestamptz[]
)
ON CONFLICT (tenant_id, customer_id, subscription_id, period_start, line_key) DO UPDATE SET
    period_end = excluded.period_end, quantity = excluded.quantity, amount_minor = excluded.amount_minor,
    currency = excluded.currency, journal_position = excluded.journal_position, as_of = excluded.as_of
WHERE excluded.journal_position >= t.journal_position;

-- name: upsert_parked :exec
-- The accounts' parked usage stands as given, but where a newer count (by its journal position) stood already. No account
-- may be given twice.
INSERT INTO beaas.parked_usage AS p (tenant_id, customer_id, events, reason, as_of, journal_position)
SELECT * FROM unnest(
    %(tenant_ids)s::text[], %(customer_ids)s::text[], %(events)s::bigint[], %(reasons)s::text[],
    %(as_ofs)s::timestamptz[], %(journal_positions)s::bigint[]
)
ON CONFLICT (tenant_id, customer_id) DO UPDATE SET
    events = excluded.events, reason = excluded.reason, as_of = excluded.as_of,
    journal_position = excluded.journal_position
WHERE excluded.journal_position >= p.journal_position;
