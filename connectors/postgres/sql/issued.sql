-- name: known_accounts :one
-- Whether the tenant is there, and the customer (true where none is asked for).
-- optional: customer_id
SELECT
    EXISTS (SELECT FROM beaas.tenants WHERE tenant_id = %(tenant_id)s::text)::boolean AS tenant,
    (%(customer_id)s::text IS NULL OR EXISTS (
        SELECT FROM beaas.customers WHERE tenant_id = %(tenant_id)s::text AND customer_id = %(customer_id)s::text)
    )::boolean AS customer;

-- name: refused_commands :many
-- The first so many commands that the journal refused, in their order; both ends of the span belong to it.
-- nullable: subscription_id
-- optional: since, until
SELECT kind, customer_id, subscription_id, at, refusal
FROM beaas.journal_commands
WHERE tenant_id = %(tenant_id)s AND refusal <> ''
AND (%(since)s::timestamptz IS NULL OR at >= %(since)s::timestamptz)
AND (%(until)s::timestamptz IS NULL OR at <= %(until)s::timestamptz)
ORDER BY sequence
LIMIT %(most)s;

-- name: invoices_numbered :many
-- The invoices of this number: one a tenant at most.
-- optional: tenant_id
SELECT i.tenant_id, i.customer_id, i.subscription_id, i.number, i.invoice_id, i.statement_id, i.journal_position,
    i.series_position
FROM beaas.invoices AS i
WHERE i.number = %(number)s AND (%(tenant_id)s::text IS NULL OR i.tenant_id = %(tenant_id)s::text)
ORDER BY i.tenant_id;

-- name: numbers_of :many
-- The numbers of the invoices that were drawn from these statements.
SELECT statement_id, number
FROM beaas.invoices
WHERE tenant_id = %(tenant_id)s AND statement_id = ANY(%(statement_ids)s::text[]);

-- name: issued_invoices :many
-- Invoices as they were issued, whole: the first so many behind a number of the series.
-- optional: customer_id
SELECT tenant_id, invoice_id, statement_id, customer_id, subscription_id, plan_id, plan_version, series_position,
    number, currency, timezone, tax_percent, issued_at, subtotal_minor, tax_minor, total_minor, credit_applied_minor,
    amount_due_minor, command_id, correlation_id, journal_position, tzdata
FROM beaas.invoices
WHERE tenant_id = %(tenant_id)s AND series_position > %(after)s
AND (%(customer_id)s::text IS NULL OR customer_id = %(customer_id)s::text)
ORDER BY series_position
LIMIT %(most)s;

-- name: issued_lines :many
-- The lines of these invoices, whole.
SELECT tenant_id, invoice_id, position, kind, price_id, line_group, quantity, amount_minor, period_start, period_end,
    taxable, events, events_digest, discount_minor
FROM beaas.invoice_lines
WHERE tenant_id = %(tenant_id)s AND invoice_id = ANY(%(invoice_ids)s::uuid[])
ORDER BY invoice_id, position;

-- name: issued_transactions :many
-- The ledger transactions of these invoices, whole.
-- nullable: grant_id
SELECT tenant_id, transaction_id, customer_id, invoice_id::uuid AS invoice_id, currency, posted_at, grant_id
FROM beaas.ledger_transactions
WHERE tenant_id = %(tenant_id)s AND invoice_id = ANY(%(invoice_ids)s::uuid[]);

-- name: issued_postings :many
-- The postings of these ledger transactions, whole.
SELECT tenant_id, transaction_id, position, account, amount_minor
FROM beaas.postings
WHERE tenant_id = %(tenant_id)s AND transaction_id = ANY(%(transaction_ids)s::uuid[])
ORDER BY transaction_id, position;

-- name: issued_burns :many
-- What credit paid of these invoices, in the order in which grants burn.
-- nullable: expires_at
SELECT b.invoice_id, b.grant_id, b.amount_minor, g.priority, g.granted_at, g.expires_at
FROM beaas.credit_burns AS b
JOIN beaas.credit_grants AS g ON g.tenant_id = b.tenant_id AND g.grant_id = b.grant_id
WHERE b.tenant_id = %(tenant_id)s AND b.invoice_id = ANY(%(invoice_ids)s::uuid[])
ORDER BY b.invoice_id, g.priority, g.expires_at NULLS LAST, g.granted_at, g.sequence;

-- name: issued_grants :many
-- The credit that these invoices gave.
-- nullable: expires_at
SELECT tenant_id, grant_id, customer_id, currency, amount_minor, priority, granted_at, expires_at,
    invoice_id::uuid AS invoice_id
FROM beaas.credit_grants
WHERE tenant_id = %(tenant_id)s AND invoice_id = ANY(%(invoice_ids)s::uuid[]);

-- name: issued_events :many
-- What the outbox still has of the events that told of these invoices.
SELECT aggregate_id, payload
FROM beaas.billing_events
WHERE tenant_id = %(tenant_id)s AND aggregate_type = %(aggregate_type)s
AND aggregate_id = ANY(%(aggregate_ids)s::text[]);
