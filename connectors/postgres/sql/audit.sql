-- name: audited_tenants :many
-- The tenants, and how far the series of each has come.
-- optional: tenant_id
SELECT t.tenant_id, coalesce(s.last_number, 0)::bigint AS last_number
FROM beaas.tenants AS t
LEFT JOIN beaas.invoice_series AS s ON s.tenant_id = t.tenant_id
WHERE %(tenant_id)s::text IS NULL OR t.tenant_id = %(tenant_id)s::text
ORDER BY t.tenant_id;

-- name: audited_postings :many
-- The postings of the first so many ledger transactions behind an id; nulls for one that has none.
-- nullable: account, amount_minor
SELECT t.transaction_id, t.currency, p.account, p.amount_minor
FROM (
    SELECT tenant_id, transaction_id, currency FROM beaas.ledger_transactions
    WHERE tenant_id = %(tenant_id)s AND transaction_id > %(after)s
    ORDER BY transaction_id
    LIMIT %(most)s
) AS t
LEFT JOIN beaas.postings AS p ON p.tenant_id = t.tenant_id AND p.transaction_id = t.transaction_id
ORDER BY t.transaction_id, p.position;

-- name: audited_orphans :many
-- Invoices that are not there, and how many lines and ledger transactions name each: no key is enforced between them.
SELECT o.invoice_id::uuid AS invoice_id, sum(o.lines)::bigint AS lines, sum(o.transactions)::bigint AS transactions
FROM (
    SELECT l.invoice_id, 1 AS lines, 0 AS transactions FROM beaas.invoice_lines AS l
    WHERE l.tenant_id = %(tenant_id)s AND NOT EXISTS (
        SELECT FROM beaas.invoices AS i WHERE i.tenant_id = l.tenant_id AND i.invoice_id = l.invoice_id)
    UNION ALL
    SELECT t.invoice_id, 0, 1 FROM beaas.ledger_transactions AS t
    WHERE t.tenant_id = %(tenant_id)s AND t.invoice_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM beaas.invoices AS i WHERE i.tenant_id = t.tenant_id AND i.invoice_id = t.invoice_id)
) AS o
GROUP BY o.invoice_id
ORDER BY o.invoice_id
LIMIT %(most)s;

-- name: audited_strays :many
-- Ledger transactions that are not there, and how many postings name each: no key is enforced between them.
SELECT p.transaction_id, count(*) AS postings
FROM beaas.postings AS p
WHERE p.tenant_id = %(tenant_id)s AND NOT EXISTS (
    SELECT FROM beaas.ledger_transactions AS t
    WHERE t.tenant_id = p.tenant_id AND t.transaction_id = p.transaction_id)
GROUP BY p.transaction_id
ORDER BY p.transaction_id
LIMIT %(most)s;

-- name: audited_credit :many
-- The first so many customers and currencies behind one: what the ledger says of their credit, and what remains of their
-- grants, expired or not, in one look; a side that has nothing says 0.
SELECT customer_id, currency, coalesce(l.posted_minor, 0)::numeric AS posted_minor,
    coalesce(g.remaining_minor, 0)::numeric AS remaining_minor
FROM (
    SELECT t.customer_id, t.currency, sum(p.amount_minor) AS posted_minor
    FROM beaas.postings AS p
    JOIN beaas.ledger_transactions AS t ON t.tenant_id = p.tenant_id AND t.transaction_id = p.transaction_id
    WHERE p.tenant_id = %(tenant_id)s AND p.account = %(account)s
    AND (t.customer_id, t.currency) > (%(after_customer)s, %(after_currency)s)
    GROUP BY t.customer_id, t.currency
) AS l
FULL JOIN (
    SELECT customer_id, currency, sum(remaining_minor) AS remaining_minor
    FROM beaas.credit_grants
    WHERE tenant_id = %(tenant_id)s AND (customer_id, currency) > (%(after_customer)s, %(after_currency)s)
    GROUP BY customer_id, currency
) AS g USING (customer_id, currency)
ORDER BY customer_id, currency
LIMIT %(most)s;

-- name: audited_kinds :many
-- What kind of commands these are.
SELECT command_id, kind FROM beaas.journal_commands
WHERE tenant_id = %(tenant_id)s AND command_id = ANY(%(command_ids)s::uuid[]);

-- name: audited_customers :many
-- The first so many customers behind a code.
SELECT customer_id FROM beaas.customers
WHERE tenant_id = %(tenant_id)s AND customer_id > %(after)s
ORDER BY customer_id
LIMIT %(most)s;

-- name: audited_totals :many
-- Running totals of windows that a newer invoice of their subscription closed, and what was invoiced of each: null where
-- no line names it.
-- nullable: invoiced
WITH lines AS (
    SELECT i.customer_id, i.subscription_id, l.price_id, l.line_group, l.period_start, sum(l.quantity) AS quantity
    FROM beaas.invoices AS i
    JOIN beaas.invoice_lines AS l ON l.tenant_id = i.tenant_id AND l.invoice_id = i.invoice_id
    WHERE i.tenant_id = %(tenant_id)s AND i.customer_id = ANY(%(customer_ids)s::text[])
    AND l.kind IN ('usage', 'adjustment')
    GROUP BY i.customer_id, i.subscription_id, l.price_id, l.line_group, l.period_start
), closed AS (
    SELECT customer_id, subscription_id, max(journal_position) AS journal_position, max(issued_at) AS issued_at
    FROM beaas.invoices
    WHERE tenant_id = %(tenant_id)s AND customer_id = ANY(%(customer_ids)s::text[])
    AND created_at < %(before)s
    GROUP BY customer_id, subscription_id
)
SELECT u.subscription_id, u.price_id, u.line_group, u.period_start, u.quantity, u.amount_minor,
    lines.quantity AS invoiced
FROM beaas.usage_totals AS u
JOIN closed ON closed.customer_id = u.customer_id AND closed.subscription_id = u.subscription_id
    AND closed.journal_position >= u.journal_position AND closed.issued_at >= u.period_end
LEFT JOIN lines ON lines.customer_id = u.customer_id AND lines.subscription_id = u.subscription_id
    AND lines.price_id = u.price_id AND lines.line_group = u.line_group AND lines.period_start = u.period_start
WHERE u.tenant_id = %(tenant_id)s AND u.customer_id = ANY(%(customer_ids)s::text[])
ORDER BY u.subscription_id, u.price_id, u.period_start;

-- name: audited_events :many
-- The first so many rows of the outbox behind an id.
-- optional: tenant_id
SELECT id, tenant_id, aggregate_type, aggregate_id, sequence, created_at
FROM beaas.billing_events
WHERE id > %(after)s AND (%(tenant_id)s::text IS NULL OR tenant_id = %(tenant_id)s::text)
ORDER BY id
LIMIT %(most)s;

-- name: audited_moment :one
-- The database's time, and that of the oldest row of the outbox.
-- nullable: oldest_at
SELECT now()::timestamptz AS now, (SELECT min(created_at) FROM beaas.billing_events) AS oldest_at;

-- name: audited_placement :one
-- By what the records of a prefix were placed from its first setup on.
SELECT partitions, tenant_slice FROM beaas.placement WHERE topic_prefix = %(topic_prefix)s;

-- name: audited_busiest :many
-- The subscriptions and days with the most invoices.
SELECT subscription_id, (issued_at AT TIME ZONE 'UTC')::date::text AS day, count(*) AS invoices
FROM beaas.invoices
WHERE tenant_id = %(tenant_id)s
GROUP BY 1, 2
ORDER BY 3 DESC, 1, 2
LIMIT %(most)s;

-- name: audited_letters :many
-- Dead letters that were not put back, by tenant (empty: it could not be read), reason and the topic they came from.
-- optional: tenant_id
SELECT coalesce(tenant_id, '')::text AS tenant_id, reason, source_topic, count(*) AS letters
FROM beaas.dead_letters
WHERE redriven_at IS NULL AND (%(tenant_id)s::text IS NULL OR tenant_id = %(tenant_id)s::text)
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3;

-- name: audited_commands :one
-- How many commands are not released, not settled, and since when; what subscriptions have due, and whether a scheduler
-- leads.
-- nullable: unreleased_at, unsettled_at, due_at, ticked_at
SELECT c.unreleased, c.unreleased_at, c.unsettled, c.unsettled_at, d.due, d.due_at,
    (SELECT max(ran_at) FROM beaas.ticks) AS ticked_at,
    EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND granted AND (classid::bigint << 32) | objid::bigint
            = hashtextextended('beaas.scheduler', 0)
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    )::boolean AS leads
FROM (
    SELECT count(*) FILTER (WHERE released_at IS NULL) AS unreleased,
        min(created_at) FILTER (WHERE released_at IS NULL) AS unreleased_at,
        count(*) FILTER (WHERE released_at IS NOT NULL) AS unsettled,
        min(released_at) AS unsettled_at
    FROM beaas.journal_commands WHERE settled_at IS NULL
) AS c,
(
    SELECT count(*) AS due, min(CASE WHEN t.test_clock IS NULL THEN s.next_due_at END) AS due_at
    FROM beaas.subscriptions AS s JOIN beaas.tenants AS t USING (tenant_id)
    WHERE s.next_due_at <= coalesce(t.test_clock, %(real_now)s)
) AS d;

-- name: audited_relations :many
-- Every table and view of ours, and how it keeps tenants apart.
SELECT n.nspname::text AS schema, c.relname::text AS name, c.relkind IN ('v', 'm') AS is_view,
    EXISTS (
        SELECT FROM pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped) AS has_tenant,
    EXISTS (
        SELECT FROM pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attname = 'tenant' AND NOT a.attisdropped) AS shows_tenant,
    (c.relrowsecurity AND c.relforcerowsecurity)::boolean AS forces_security,
    coalesce('security_invoker=true' = ANY(c.reloptions), false)::boolean AS as_invoker,
    has_table_privilege('beaas_api', c.oid, 'SELECT') AS readable
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname IN ('beaas', 'report') AND c.relkind IN ('r', 'p', 'v', 'm')
ORDER BY 1, 2;

-- name: audited_functions :many
-- Every function of ours, and whether it runs with its owner's rights.
SELECT n.nspname || '.' || p.proname AS name, p.prosecdef AS as_definer
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname IN ('beaas', 'report')
ORDER BY 1;

-- name: audited_roles :many
-- The roles that our processes work as, and whether row-level security does not hold for one.
SELECT rolname::text AS name, (rolsuper OR rolbypassrls)::boolean AS above_security
FROM pg_roles WHERE rolname IN ('beaas_api', 'beaas_service')
ORDER BY 1;

-- name: audited_presence :many
-- Those of the invoices that are there.
SELECT invoice_id FROM beaas.invoices
WHERE tenant_id = %(tenant_id)s AND invoice_id = ANY(%(invoice_ids)s::uuid[]);

-- name: audited_subscriptions :many
-- Those of the subscriptions that are there.
SELECT subscription_id FROM beaas.subscriptions
WHERE tenant_id = %(tenant_id)s AND subscription_id = ANY(%(subscription_ids)s::text[]);
