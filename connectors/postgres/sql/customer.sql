-- name: customers_of :many
-- Those of the named customers that exist, their accounts locked as `lock_accounts` does.
SELECT tenant_id, customer_id, name
FROM beaas.customers
WHERE (tenant_id, customer_id) IN (SELECT * FROM unnest(%(tenant_ids)s::text[], %(customer_ids)s::text[]))
ORDER BY tenant_id, customer_id
FOR NO KEY UPDATE

-- name: save_customers :exec
-- Creates customers or changes their names.
INSERT INTO beaas.customers (tenant_id, customer_id, name)
SELECT * FROM unnest(%(tenant_ids)s::text[], %(customer_ids)s::text[], %(names)s::text[])
ON CONFLICT (tenant_id, customer_id) DO UPDATE SET name = excluded.name, updated_at = now()

-- name: lock_accounts :many
-- Locks accounts, in one order for everybody, until the transaction ends; returns those that exist.
-- Whoever commands something of an account holds its lock, so `sequence` follows the order of commits.
SELECT tenant_id, customer_id
FROM beaas.customers
WHERE (tenant_id, customer_id) IN (SELECT * FROM unnest(%(tenant_ids)s::text[], %(customer_ids)s::text[]))
ORDER BY tenant_id, customer_id
FOR NO KEY UPDATE
