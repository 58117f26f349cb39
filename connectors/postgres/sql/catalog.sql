-- name: serialize_applies :exec
-- Lets one transaction at a time change catalogues; the others wait until it has ended.
SELECT FROM pg_advisory_xact_lock(hashtextextended('beaas.apply', 0))

-- name: tenants_by_id :many
-- The tenants that exist, locked against a move of their clocks.
-- nullable: test_clock
SELECT tenant_id, currency, timezone, tax_percent, test_clock
FROM beaas.tenants
WHERE tenant_id = ANY(%(tenant_ids)s::text[])
ORDER BY tenant_id
FOR NO KEY UPDATE

-- name: tenant_by_id :one
-- The tenant, if it exists.
-- nullable: test_clock
SELECT currency, timezone, tax_percent, test_clock
FROM beaas.tenants
WHERE tenant_id = %(tenant_id)s

-- name: hold_tenant :one
-- The tenant, if it exists, as it stays until the transaction ends: nobody moves its zone meanwhile.
-- nullable: test_clock
SELECT currency, timezone, tax_percent, test_clock
FROM beaas.tenants
WHERE tenant_id = %(tenant_id)s
FOR SHARE

-- name: save_tenants :exec
-- Creates or changes tenants; the clock of one that exists stays.
-- optional: test_clocks
INSERT INTO beaas.tenants (tenant_id, currency, timezone, tax_percent, test_clock)
SELECT * FROM unnest(
    %(tenant_ids)s::text[], %(currencies)s::text[], %(timezones)s::text[], %(tax_percents)s::numeric[],
    %(test_clocks)s::timestamptz[])
ON CONFLICT (tenant_id) DO UPDATE
SET currency = excluded.currency, timezone = excluded.timezone, tax_percent = excluded.tax_percent

-- name: tenants_with_subscriptions :many
-- Those of the tenants that have a subscription, in whatever state.
SELECT t.tenant_id
FROM beaas.tenants AS t
WHERE t.tenant_id = ANY(%(tenant_ids)s::text[])
AND EXISTS (SELECT FROM beaas.subscriptions AS s WHERE s.tenant_id = t.tenant_id)

-- name: move_clock :execrows
-- Moves the tenant's test clock forward, or leaves it where it is.
UPDATE beaas.tenants SET test_clock = %(instant)s
WHERE tenant_id = %(tenant_id)s AND test_clock IS NOT NULL AND test_clock <= %(instant)s

-- name: meters_of :many
-- Every meter of the tenants.
SELECT tenant_id, meter_id, definition
FROM beaas.meters
WHERE tenant_id = ANY(%(tenant_ids)s::text[])

-- name: save_meters :exec
-- Creates or changes meters.
INSERT INTO beaas.meters (tenant_id, meter_id, definition)
SELECT tenant_id, meter_id, definition::jsonb
FROM unnest(%(tenant_ids)s::text[], %(meter_ids)s::text[], %(definitions)s::text[])
    AS given (tenant_id, meter_id, definition)
ON CONFLICT (tenant_id, meter_id) DO UPDATE SET definition = excluded.definition, updated_at = now()

-- name: current_plans_of :many
-- The newest version of every plan of the tenants.
SELECT DISTINCT ON (tenant_id, plan_id) tenant_id, plan_id, version, billing_period, prices
FROM beaas.plan_versions
WHERE tenant_id = ANY(%(tenant_ids)s::text[])
ORDER BY tenant_id, plan_id, version DESC

-- name: save_plans :exec
-- Makes the plans exist.
INSERT INTO beaas.plans (tenant_id, plan_id)
SELECT * FROM unnest(%(tenant_ids)s::text[], %(plan_ids)s::text[])
ON CONFLICT DO NOTHING

-- name: publish_plan_versions :exec
-- Adds versions of plans that exist.
INSERT INTO beaas.plan_versions (tenant_id, plan_id, version, billing_period, prices)
SELECT tenant_id, plan_id, version, billing_period, prices::jsonb
FROM unnest(
    %(tenant_ids)s::text[], %(plan_ids)s::text[], %(versions)s::integer[], %(billing_periods)s::text[],
    %(prices)s::text[]) AS given (tenant_id, plan_id, version, billing_period, prices)

-- name: coupons_of :many
-- Every coupon of the tenants.
SELECT tenant_id, coupon_id, definition
FROM beaas.coupons
WHERE tenant_id = ANY(%(tenant_ids)s::text[])

-- name: save_coupons :exec
-- Creates or changes coupons.
INSERT INTO beaas.coupons (tenant_id, coupon_id, definition)
SELECT tenant_id, coupon_id, definition::jsonb
FROM unnest(%(tenant_ids)s::text[], %(coupon_ids)s::text[], %(definitions)s::text[])
    AS given (tenant_id, coupon_id, definition)
ON CONFLICT (tenant_id, coupon_id) DO UPDATE SET definition = excluded.definition, updated_at = now()
