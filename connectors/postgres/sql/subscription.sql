-- name: subscriptions_by_id :many
-- Those of the named subscriptions that exist.
-- nullable: trial_end_at, cancel_at, ended_at, closed_until, next_due_at
SELECT
    tenant_id, subscription_id, customer_id, plan_id, plan_version, state, starts_at, anchor_at, trial_end_at,
    cancel_at, ended_at, closed_until, next_due_at, on_calendar, terms, coupons
FROM beaas.subscriptions
WHERE (tenant_id, subscription_id) IN (SELECT * FROM unnest(%(tenant_ids)s::text[], %(subscription_ids)s::text[]))
ORDER BY tenant_id, subscription_id

-- name: due_subscriptions :many
-- The subscriptions with something due by their tenant's now, the first that fall due, with that now.
SELECT s.tenant_id, s.subscription_id, s.customer_id, s.next_due_at::timestamptz AS due_at,
    coalesce(t.test_clock, %(real_now)s::timestamptz) AS tenant_now
FROM beaas.subscriptions AS s
JOIN beaas.tenants AS t USING (tenant_id)
WHERE s.next_due_at <= coalesce(t.test_clock, %(real_now)s::timestamptz)
ORDER BY s.next_due_at, s.tenant_id, s.subscription_id
LIMIT %(most)s

-- name: due_of_account :many
-- The account's subscriptions with something due at or before the instant.
SELECT subscription_id
FROM beaas.subscriptions
WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s AND next_due_at <= %(instant)s
ORDER BY next_due_at, subscription_id

-- name: count_due :one
-- How many subscriptions have something due by their tenant's now.
SELECT count(*) AS due
FROM beaas.subscriptions AS s
JOIN beaas.tenants AS t USING (tenant_id)
WHERE s.next_due_at <= coalesce(t.test_clock, %(real_now)s::timestamptz)

-- name: add_subscriptions :exec
-- Adds subscriptions whose codes are new.
-- optional: trial_end_ats, cancel_ats, closed_untils, next_due_ats
INSERT INTO beaas.subscriptions (
    tenant_id, subscription_id, customer_id, plan_id, plan_version, state, starts_at, anchor_at, trial_end_at,
    cancel_at, closed_until, next_due_at, on_calendar, terms, coupons)
SELECT
    tenant_id, subscription_id, customer_id, plan_id, plan_version, state, starts_at, anchor_at, trial_end_at,
    cancel_at, closed_until, next_due_at, on_calendar, terms::jsonb, coupons::jsonb
FROM unnest(
    %(tenant_ids)s::text[], %(subscription_ids)s::text[], %(customer_ids)s::text[], %(plan_ids)s::text[],
    %(plan_versions)s::integer[], %(states)s::text[], %(starts_ats)s::timestamptz[], %(anchor_ats)s::timestamptz[],
    %(trial_end_ats)s::timestamptz[], %(cancel_ats)s::timestamptz[], %(closed_untils)s::timestamptz[],
    %(next_due_ats)s::timestamptz[], %(on_calendars)s::boolean[], %(terms)s::text[], %(coupons)s::text[])
    AS given (
        tenant_id, subscription_id, customer_id, plan_id, plan_version, state, starts_at, anchor_at, trial_end_at,
        cancel_at, closed_until, next_due_at, on_calendar, terms, coupons)

-- name: live_subscriptions_of :many
-- Every subscription of the tenants that has not ended, with its customer.
SELECT tenant_id, customer_id, subscription_id
FROM beaas.subscriptions
WHERE tenant_id = ANY(%(tenant_ids)s::text[]) AND state <> 'canceled'
ORDER BY tenant_id, subscription_id

-- name: move_subscriptions :execrows
-- Writes how far subscriptions have come; their terms stay.
-- optional: ended_ats, closed_untils, next_due_ats
UPDATE beaas.subscriptions AS s
SET state = given.state, ended_at = given.ended_at, closed_until = given.closed_until,
    next_due_at = given.next_due_at, updated_at = now()
FROM unnest(
    %(tenant_ids)s::text[], %(subscription_ids)s::text[], %(states)s::text[], %(ended_ats)s::timestamptz[],
    %(closed_untils)s::timestamptz[], %(next_due_ats)s::timestamptz[])
    AS given (tenant_id, subscription_id, state, ended_at, closed_until, next_due_at)
WHERE s.tenant_id = given.tenant_id AND s.subscription_id = given.subscription_id

-- name: replace_terms :execrows
-- Puts subscriptions on other terms.
UPDATE beaas.subscriptions AS s
SET plan_id = given.plan_id, plan_version = given.plan_version, terms = given.terms::jsonb, updated_at = now()
FROM unnest(
    %(tenant_ids)s::text[], %(subscription_ids)s::text[], %(plan_ids)s::text[], %(plan_versions)s::integer[],
    %(terms)s::text[]) AS given (tenant_id, subscription_id, plan_id, plan_version, terms)
WHERE s.tenant_id = given.tenant_id AND s.subscription_id = given.subscription_id

-- name: rezone_subscriptions :execrows
-- Writes where subscriptions have their boundaries now: what they are counted from, and when they end by themselves.
-- optional: cancel_ats
UPDATE beaas.subscriptions AS s
SET anchor_at = given.anchor_at, cancel_at = given.cancel_at, updated_at = now()
FROM unnest(
    %(tenant_ids)s::text[], %(subscription_ids)s::text[], %(anchor_ats)s::timestamptz[], %(cancel_ats)s::timestamptz[])
    AS given (tenant_id, subscription_id, anchor_at, cancel_at)
WHERE s.tenant_id = given.tenant_id AND s.subscription_id = given.subscription_id

-- name: replace_coupons :execrows
-- Writes the coupons that subscriptions have now.
UPDATE beaas.subscriptions AS s
SET coupons = given.coupons::jsonb, updated_at = now()
FROM unnest(%(tenant_ids)s::text[], %(subscription_ids)s::text[], %(coupons)s::text[])
    AS given (tenant_id, subscription_id, coupons)
WHERE s.tenant_id = given.tenant_id AND s.subscription_id = given.subscription_id
