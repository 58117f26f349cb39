-- What is final comes whole: an invoice in one statement with its lines, the transaction of an invoice in one with its
-- postings. Then one look at a statement's rows sees all that keys and deferred triggers looked up row by row: a fifth to
-- a quarter of what an invoice cost PostgreSQL (ADR 10).
--
-- The keys stay declared, and what they promise holds: their parents are frozen for everybody (beaas.freeze), so a
-- parent that was there when its children came is there for ever, and has the amounts that it had.
ALTER TABLE beaas.invoice_lines ALTER CONSTRAINT invoice_lines_tenant_id_invoice_id_fkey NOT ENFORCED;
ALTER TABLE beaas.postings ALTER CONSTRAINT postings_tenant_id_transaction_id_fkey NOT ENFORCED;
ALTER TABLE beaas.ledger_transactions ALTER CONSTRAINT ledger_transactions_tenant_id_invoice_id_fkey NOT ENFORCED;

-- The plans of these functions are made on the first, empty day and kept: only by index may they look up a parent.
DROP TRIGGER sums_to_subtotal ON beaas.invoices;
CREATE OR REPLACE FUNCTION beaas.refuse_other_subtotal() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    bare record;
BEGIN
    SELECT i.invoice_id, i.subtotal_minor INTO bare FROM inserted AS i
    WHERE NOT EXISTS (
        SELECT FROM beaas.invoice_lines AS l
        WHERE l.tenant_id = i.tenant_id AND l.invoice_id = i.invoice_id AND l.position = 1
    ) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the lines of invoice % sum to nothing, there are none, its subtotal is %',
            bare.invoice_id, bare.subtotal_minor
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'Insert the lines in the statement of the invoice.';
    END IF;
    RETURN NULL;
END
$$;
-- Named so that it comes after `number_of_series`.
CREATE TRIGGER with_lines AFTER INSERT ON beaas.invoices REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION beaas.refuse_other_subtotal();

CREATE OR REPLACE FUNCTION beaas.refuse_late_lines() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    wrong record;
BEGIN
    SELECT l.invoice_id, l.first, l.subtotal_minor, i.subtotal_minor AS expected_minor INTO wrong
    FROM (
        SELECT tenant_id, invoice_id, min(position) AS first, sum(amount_minor) AS subtotal_minor
        FROM inserted GROUP BY tenant_id, invoice_id
    ) AS l
    LEFT JOIN beaas.invoices AS i ON i.tenant_id = l.tenant_id AND i.invoice_id = l.invoice_id
    WHERE l.first <> 1 OR l.subtotal_minor IS DISTINCT FROM i.subtotal_minor LIMIT 1;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF wrong.expected_minor IS NULL THEN
        RAISE EXCEPTION 'there is no invoice % for these lines', wrong.invoice_id USING ERRCODE = 'foreign_key_violation';
    END IF;
    IF wrong.first <> 1 THEN
        RAISE EXCEPTION 'lines were added to invoice %, which has lines: all of them come in one statement',
            wrong.invoice_id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RAISE EXCEPTION 'the lines of invoice % sum to %, its subtotal is %',
        wrong.invoice_id, wrong.subtotal_minor, wrong.expected_minor USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE OR REPLACE FUNCTION beaas.refuse_late_postings() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    wrong record;
BEGIN
    SELECT p.transaction_id, p.first, p.difference_minor, t.transaction_id AS parent INTO wrong
    FROM (
        SELECT tenant_id, transaction_id, min(position) AS first, sum(amount_minor) AS difference_minor
        FROM inserted GROUP BY tenant_id, transaction_id
    ) AS p
    LEFT JOIN beaas.ledger_transactions AS t ON t.tenant_id = p.tenant_id AND t.transaction_id = p.transaction_id
    WHERE p.first <> 1 OR p.difference_minor <> 0 OR t.transaction_id IS NULL LIMIT 1;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF wrong.parent IS NULL THEN
        RAISE EXCEPTION 'there is no ledger transaction % for these postings', wrong.transaction_id
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    IF wrong.first <> 1 THEN
        RAISE EXCEPTION 'postings were added to ledger transaction %, which has postings: all come in one statement',
            wrong.transaction_id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RAISE EXCEPTION 'ledger transaction % does not balance: its postings sum to %',
        wrong.transaction_id, wrong.difference_minor USING ERRCODE = 'integrity_constraint_violation';
END
$$;

-- Credit paid for in advance may come in two statements: only the transactions of invoices are many.
DROP TRIGGER balanced ON beaas.ledger_transactions;
CREATE CONSTRAINT TRIGGER balanced AFTER INSERT ON beaas.ledger_transactions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.invoice_id IS NULL)
    EXECUTE FUNCTION beaas.refuse_unbalanced();

CREATE FUNCTION beaas.refuse_bare_transaction() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    wrong record;
BEGIN
    SELECT t.transaction_id, t.invoice_id, p.position, i.invoice_id AS parent INTO wrong
    FROM inserted AS t
    LEFT JOIN beaas.invoices AS i ON i.tenant_id = t.tenant_id AND i.invoice_id = t.invoice_id
        AND i.customer_id = t.customer_id AND i.currency = t.currency
    LEFT JOIN beaas.postings AS p ON p.tenant_id = t.tenant_id AND p.transaction_id = t.transaction_id AND p.position = 1
    WHERE t.invoice_id IS NOT NULL AND (i.invoice_id IS NULL OR p.position IS NULL) LIMIT 1;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF wrong.parent IS NULL THEN
        RAISE EXCEPTION 'ledger transaction % names invoice %, and there is none of its customer in its currency',
            wrong.transaction_id, wrong.invoice_id USING ERRCODE = 'foreign_key_violation';
    END IF;
    RAISE EXCEPTION 'ledger transaction % does not balance: its postings sum to nothing, there are none',
        wrong.transaction_id
        USING ERRCODE = 'integrity_constraint_violation', HINT = 'Insert the postings in the statement of the transaction.';
END
$$;
CREATE TRIGGER whole AFTER INSERT ON beaas.ledger_transactions REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION beaas.refuse_bare_transaction();
