-- Credit that a customer has paid for in advance is posted once, by the grant's id.
ALTER TABLE beaas.ledger_transactions
    ADD COLUMN grant_id text,  -- null: not caused by a grant
    ADD UNIQUE (tenant_id, grant_id),
    ADD FOREIGN KEY (tenant_id, grant_id) REFERENCES beaas.credit_grants,
    ADD CHECK (invoice_id IS NULL OR grant_id IS NULL);

-- Who may grant may post what it was paid with, and nothing else: revenue and receivables are the service's.
CREATE POLICY prepayments_only ON beaas.ledger_transactions AS RESTRICTIVE FOR INSERT TO beaas_api
    WITH CHECK (grant_id IS NOT NULL);
CREATE POLICY prepayments_only ON beaas.postings AS RESTRICTIVE FOR INSERT TO beaas_api
    WITH CHECK (account IN ('prepayments', 'customer_credit'));
GRANT INSERT ON beaas.ledger_transactions, beaas.postings TO beaas_api;

-- Grants from before this were not posted.
WITH posted AS (
    INSERT INTO beaas.ledger_transactions (tenant_id, transaction_id, customer_id, currency, posted_at, grant_id)
    SELECT tenant_id, uuidv7(), customer_id, currency, granted_at, grant_id
    FROM beaas.credit_grants WHERE invoice_id IS NULL
    RETURNING tenant_id, transaction_id, grant_id
)
INSERT INTO beaas.postings (tenant_id, transaction_id, position, account, amount_minor)
SELECT p.tenant_id, p.transaction_id, side.position, side.account, side.sign * g.amount_minor
FROM posted AS p
JOIN beaas.credit_grants AS g USING (tenant_id, grant_id)
CROSS JOIN (VALUES (1, 'prepayments', 1), (2, 'customer_credit', -1)) AS side (position, account, sign);
