-- name: invoiced_statements :many
-- Those of the statements that have an invoice.
SELECT i.tenant_id, i.statement_id
FROM beaas.invoices AS i
JOIN unnest(%(tenant_ids)s::text[], %(statement_ids)s::text[]) AS s (tenant_id, statement_id)
    ON i.tenant_id = s.tenant_id AND i.statement_id = s.statement_id;

-- name: open_grants :many
-- What is left of the customers' credit, in the order in which it was granted.
-- nullable: expires_at
SELECT g.tenant_id, g.customer_id, g.grant_id, g.currency, g.remaining_minor, g.priority, g.granted_at, g.expires_at
FROM beaas.credit_grants AS g
JOIN unnest(%(tenant_ids)s::text[], %(customer_ids)s::text[]) AS a (tenant_id, customer_id)
    ON g.tenant_id = a.tenant_id AND g.customer_id = a.customer_id
WHERE g.remaining_minor > 0
ORDER BY g.granted_at, g.sequence;

-- name: take_numbers :many
-- Each tenant's series has moved on by its count; returns where it stands. Other takers wait for the commit.
INSERT INTO beaas.invoice_series AS s (tenant_id, last_number)
SELECT t.tenant_id, t.invoices
FROM unnest(%(tenant_ids)s::text[], %(counts)s::bigint[]) AS t (tenant_id, invoices)
ORDER BY t.tenant_id
ON CONFLICT (tenant_id) DO UPDATE SET last_number = s.last_number + excluded.last_number
RETURNING tenant_id, last_number;

-- name: insert_invoices :exec
-- The invoices are there with their lines, final: in one statement, as the database wants it.
WITH invoices AS (
    INSERT INTO beaas.invoices (
        tenant_id, invoice_id, statement_id, customer_id, subscription_id, plan_id, plan_version, series_position,
        currency, timezone, tax_percent, issued_at, subtotal_minor, tax_minor, total_minor, credit_applied_minor,
        amount_due_minor, command_id, correlation_id, journal_position, tzdata
    )
    SELECT * FROM unnest(
        %(tenant_ids)s::text[], %(invoice_ids)s::uuid[], %(statement_ids)s::text[], %(customer_ids)s::text[],
        %(subscription_ids)s::text[], %(plan_ids)s::text[], %(plan_versions)s::integer[],
        %(series_positions)s::bigint[], %(currencies)s::text[], %(timezones)s::text[], %(tax_percents)s::numeric[],
        %(issued_ats)s::timestamptz[], %(subtotals_minor)s::numeric[], %(taxes_minor)s::numeric[],
        %(totals_minor)s::numeric[], %(credits_applied_minor)s::numeric[], %(amounts_due_minor)s::numeric[],
        %(command_ids)s::text[], %(correlation_ids)s::text[], %(journal_positions)s::bigint[], %(tzdata)s::text[])
)
INSERT INTO beaas.invoice_lines (
    tenant_id, invoice_id, position, kind, price_id, line_group, quantity, amount_minor, period_start, period_end,
    taxable, events, discount_minor, events_digest
)
SELECT * FROM unnest(
    %(line_tenant_ids)s::text[], %(line_invoice_ids)s::uuid[], %(positions)s::integer[], %(kinds)s::text[],
    %(price_ids)s::text[], %(line_groups)s::jsonb[], %(quantities)s::numeric[], %(amounts_minor)s::numeric[],
    %(period_starts)s::timestamptz[], %(period_ends)s::timestamptz[], %(taxables)s::boolean[], %(events)s::bigint[],
    %(discounts_minor)s::numeric[], %(events_digests)s::bytea[]
);

-- name: burn_credit :exec
-- The grants have paid what they paid of the invoices.
WITH burned AS (
    INSERT INTO beaas.credit_burns (tenant_id, invoice_id, grant_id, amount_minor)
    SELECT * FROM unnest(
        %(tenant_ids)s::text[], %(invoice_ids)s::uuid[], %(grant_ids)s::text[], %(amounts_minor)s::numeric[])
    RETURNING tenant_id, grant_id, amount_minor
)
UPDATE beaas.credit_grants AS g SET remaining_minor = g.remaining_minor - b.amount_minor
FROM (
    SELECT tenant_id, grant_id, sum(amount_minor) AS amount_minor FROM burned GROUP BY tenant_id, grant_id
) AS b
WHERE g.tenant_id = b.tenant_id AND g.grant_id = b.grant_id;

-- name: settle_commands :exec
-- The commands are answered: what they caused is invoiced, there was nothing to invoice, or they were refused.
UPDATE beaas.journal_commands AS j SET settled_at = now(), refusal = s.refusal
FROM unnest(%(tenant_ids)s::text[], %(command_ids)s::uuid[], %(refusals)s::text[]) AS s (tenant_id, command_id, refusal)
WHERE j.tenant_id = s.tenant_id AND j.command_id = s.command_id AND j.settled_at IS NULL;
