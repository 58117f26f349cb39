-- name: insert_transactions :exec
-- The ledger transactions are there; their postings follow before the commit.
-- optional: invoice_ids, grant_ids
INSERT INTO beaas.ledger_transactions (
    tenant_id, transaction_id, customer_id, invoice_id, currency, posted_at, grant_id
)
SELECT * FROM unnest(
    %(tenant_ids)s::text[], %(transaction_ids)s::uuid[], %(customer_ids)s::text[], %(invoice_ids)s::uuid[],
    %(currencies)s::text[], %(posted_ats)s::timestamptz[], %(grant_ids)s::text[]
);

-- name: insert_postings :exec
-- The postings stand in their transactions.
INSERT INTO beaas.postings (tenant_id, transaction_id, position, account, amount_minor)
SELECT * FROM unnest(
    %(tenant_ids)s::text[], %(transaction_ids)s::uuid[], %(positions)s::integer[], %(accounts)s::text[],
    %(amounts_minor)s::numeric[]
);

-- name: insert_entries :exec
-- The transactions of invoices are there with their postings: in one statement, as the database wants it.
WITH transactions AS (
    INSERT INTO beaas.ledger_transactions (tenant_id, transaction_id, customer_id, invoice_id, currency, posted_at)
    SELECT * FROM unnest(
        %(tenant_ids)s::text[], %(transaction_ids)s::uuid[], %(customer_ids)s::text[], %(invoice_ids)s::uuid[],
        %(currencies)s::text[], %(posted_ats)s::timestamptz[])
)
INSERT INTO beaas.postings (tenant_id, transaction_id, position, account, amount_minor)
SELECT * FROM unnest(
    %(posting_tenant_ids)s::text[], %(posting_transaction_ids)s::uuid[], %(positions)s::integer[],
    %(accounts)s::text[], %(amounts_minor)s::numeric[]
);
