-- name: insert_grants :many
-- The grants are there, whole; returns the ids of those that were not there before.
-- optional: expires_ats, invoice_ids
INSERT INTO beaas.credit_grants (
    tenant_id, grant_id, customer_id, currency, amount_minor, remaining_minor, priority, granted_at, expires_at,
    invoice_id
)
SELECT g.tenant_id, g.grant_id, g.customer_id, g.currency, g.amount_minor, g.amount_minor, g.priority, g.granted_at,
    g.expires_at, g.invoice_id
FROM unnest(
    %(tenant_ids)s::text[], %(grant_ids)s::text[], %(customer_ids)s::text[], %(currencies)s::text[],
    %(amounts_minor)s::numeric[], %(priorities)s::integer[], %(granted_ats)s::timestamptz[],
    %(expires_ats)s::timestamptz[], %(invoice_ids)s::uuid[]
) WITH ORDINALITY AS g (
    tenant_id, grant_id, customer_id, currency, amount_minor, priority, granted_at, expires_at, invoice_id, place)
ORDER BY g.place
ON CONFLICT (tenant_id, grant_id) DO NOTHING
RETURNING tenant_id, grant_id;
