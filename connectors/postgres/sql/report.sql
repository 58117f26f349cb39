-- name: settled_tenants :many
-- Those of the tenants of which nothing is due by their test clocks and every command is settled, with the moment at
-- which something falls due next.
-- nullable: next_due_at
SELECT t.tenant_id,
    (SELECT min(s.next_due_at) FROM beaas.subscriptions AS s WHERE s.tenant_id = t.tenant_id) AS next_due_at
FROM beaas.tenants AS t
WHERE t.tenant_id = ANY(%(tenant_ids)s::text[])
AND NOT EXISTS (
    SELECT FROM beaas.journal_commands AS c WHERE c.tenant_id = t.tenant_id AND c.settled_at IS NULL)
AND NOT EXISTS (
    SELECT FROM beaas.subscriptions AS s WHERE s.tenant_id = t.tenant_id AND s.next_due_at <= t.test_clock)

-- name: invoices_of :many
-- The tenant's invoices in the order of their numbers.
SELECT number, customer, subscription, issued_at, subtotal, tax, total, credit_applied, amount_due
FROM report.invoices
WHERE tenant = %(tenant)s
ORDER BY number

-- name: invoice_lines_of :many
-- The lines of the tenant's invoices, invoice by invoice in their order.
SELECT number, price, line_group, quantity, amount, period_start, period_end, adjustment, kind, discount
FROM report.invoice_lines
WHERE tenant = %(tenant)s
ORDER BY number, position

-- name: credit_of :many
-- What credit the tenant's customers have left.
SELECT customer, balance
FROM report.credit
WHERE tenant = %(tenant)s

-- name: refusals_of :many
-- Why records of the tenant became dead letters.
SELECT reason, count(*) AS records
FROM report.dead_letters
WHERE tenant = %(tenant)s
GROUP BY reason
ORDER BY reason
