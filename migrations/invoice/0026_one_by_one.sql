-- A join may read the whole of the other table once and keep it: that is what these two did when their plans were made
-- on empty tables, and each statement of a month's end then compared every row of its own with every row there is, which
-- grows with the square. A subquery that returns one value is never made a join: it looks a row up by its key, whatever
-- the table held when the plan was made.
CREATE OR REPLACE FUNCTION beaas.refuse_other_subtotal() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog SET enable_seqscan = off AS $$
DECLARE
    bare record;
BEGIN
    SELECT i.invoice_id, i.subtotal_minor INTO bare FROM inserted AS i
    WHERE (
        SELECT l.position FROM beaas.invoice_lines AS l
        WHERE l.tenant_id = i.tenant_id AND l.invoice_id = i.invoice_id AND l.position = 1
    ) IS NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the lines of invoice % sum to nothing, there are none, its subtotal is %',
            bare.invoice_id, bare.subtotal_minor
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'Insert the lines in the statement of the invoice.';
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION beaas.refuse_bare_transaction() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog SET enable_seqscan = off AS $$
DECLARE
    wrong record;
BEGIN
    SELECT t.transaction_id, t.invoice_id, t.of_invoice INTO wrong
    FROM (
        SELECT transaction_id, invoice_id,
            coalesce((
                SELECT i.customer_id = inserted.customer_id AND i.currency = inserted.currency
                FROM beaas.invoices AS i
                WHERE i.tenant_id = inserted.tenant_id AND i.invoice_id = inserted.invoice_id
            ), false) AS of_invoice,
            (
                SELECT p.position FROM beaas.postings AS p
                WHERE p.tenant_id = inserted.tenant_id AND p.transaction_id = inserted.transaction_id AND p.position = 1
            ) AS first
        FROM inserted WHERE invoice_id IS NOT NULL
    ) AS t
    WHERE NOT t.of_invoice OR t.first IS NULL LIMIT 1;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF NOT wrong.of_invoice THEN
        RAISE EXCEPTION 'ledger transaction % names invoice %, and there is none of its customer in its currency',
            wrong.transaction_id, wrong.invoice_id USING ERRCODE = 'foreign_key_violation';
    END IF;
    RAISE EXCEPTION 'ledger transaction % does not balance: its postings sum to nothing, there are none',
        wrong.transaction_id
        USING ERRCODE = 'integrity_constraint_violation', HINT = 'Insert the postings in the statement of the transaction.';
END
$$;

-- Its plan too is made on the first, empty day: then it read all invoices for each series that moved.
ALTER FUNCTION beaas.refuse_gap() SET enable_seqscan = off;
