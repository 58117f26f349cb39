-- What outsiders read, in plain types. Every view runs with the rights of whoever asks, else it would show all tenants to each.
-- minor * unit is exact and has all of the currency's digits: 12.30 USD, 101 JPY, 1.250 KWD.
CREATE VIEW report.invoices WITH (security_invoker = true) AS
SELECT i.tenant_id::text AS tenant, i.customer_id::text AS customer, i.subscription_id::text AS subscription, i.number,
    'finalized'::text AS status, i.currency, i.issued_at,
    i.subtotal_minor * c.unit AS subtotal, i.tax_minor * c.unit AS tax, i.total_minor * c.unit AS total,
    i.credit_applied_minor * c.unit AS credit_applied, i.amount_due_minor * c.unit AS amount_due
FROM beaas.invoices AS i JOIN beaas.currencies AS c USING (currency);

CREATE VIEW report.invoice_lines WITH (security_invoker = true) AS
SELECT l.tenant_id::text AS tenant, i.number, l.position, l.price_id AS price, l.line_group, l.quantity,
    l.amount_minor * c.unit AS amount, l.period_start, l.period_end, l.kind = 'adjustment' AS adjustment
FROM beaas.invoice_lines AS l
JOIN beaas.invoices AS i USING (tenant_id, invoice_id)
JOIN beaas.currencies AS c USING (currency);

CREATE VIEW report.trial_balance WITH (security_invoker = true) AS
SELECT p.tenant_id::text AS tenant, t.currency, p.account,
    sum(greatest(p.amount_minor, 0)) * c.unit AS debit, sum(greatest(-p.amount_minor, 0)) * c.unit AS credit
FROM beaas.postings AS p
JOIN beaas.ledger_transactions AS t USING (tenant_id, transaction_id)
JOIN beaas.currencies AS c USING (currency)
GROUP BY p.tenant_id, t.currency, p.account, c.unit;

CREATE VIEW report.usage_totals WITH (security_invoker = true) AS
SELECT u.tenant_id::text AS tenant, u.customer_id::text AS customer, u.subscription_id::text AS subscription, u.price_id AS price,
    u.line_group, u.period_start, u.quantity, u.amount_minor * c.unit AS amount, u.as_of
FROM beaas.usage_totals AS u JOIN beaas.currencies AS c USING (currency);

CREATE VIEW report.parked_usage WITH (security_invoker = true) AS
SELECT tenant_id::text AS tenant, customer_id::text AS customer, events, reason, as_of
FROM beaas.parked_usage WHERE events > 0;

CREATE VIEW report.dead_letters WITH (security_invoker = true) AS
SELECT tenant_id::text AS tenant, reason, source_topic AS topic, source_partition AS "partition", source_offset AS "offset",
    received_at
FROM beaas.dead_letters;

-- Expired credit is not in the balance; a tenant on a test clock lives at its test clock.
CREATE VIEW report.credit WITH (security_invoker = true) AS
SELECT g.tenant_id::text AS tenant, g.customer_id::text AS customer, g.currency, sum(
    CASE WHEN g.expires_at IS NULL OR g.expires_at > coalesce(t.test_clock, now()) THEN g.remaining_minor ELSE 0 END
    ) * c.unit AS balance
FROM beaas.credit_grants AS g
JOIN beaas.tenants AS t USING (tenant_id)
JOIN beaas.currencies AS c ON c.currency = g.currency
GROUP BY g.tenant_id, g.customer_id, g.currency, c.unit;

GRANT SELECT ON ALL TABLES IN SCHEMA report TO beaas_api, beaas_service;
