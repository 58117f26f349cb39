CREATE OR REPLACE VIEW report.invoices WITH (security_invoker = true) AS
SELECT i.tenant_id::text AS tenant, i.customer_id::text AS customer, i.subscription_id::text AS subscription, i.number,
    'finalized'::text AS status, i.currency, i.issued_at,
    i.subtotal_minor * c.unit AS subtotal, i.tax_minor * c.unit AS tax, i.total_minor * c.unit AS total,
    i.credit_applied_minor * c.unit AS credit_applied, i.amount_due_minor * c.unit AS amount_due, i.tzdata
FROM beaas.invoices AS i JOIN beaas.currencies AS c USING (currency);

CREATE OR REPLACE VIEW report.invoice_lines WITH (security_invoker = true) AS
SELECT l.tenant_id::text AS tenant, i.number, l.position, l.price_id AS price, l.line_group, l.quantity,
    l.amount_minor * c.unit AS amount, l.period_start, l.period_end, l.kind = 'adjustment' AS adjustment,
    l.discount_minor * c.unit AS discount, l.kind
FROM beaas.invoice_lines AS l
JOIN beaas.invoices AS i USING (tenant_id, invoice_id)
JOIN beaas.currencies AS c USING (currency);
