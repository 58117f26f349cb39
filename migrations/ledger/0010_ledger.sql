CREATE TABLE beaas.ledger_transactions (
    tenant_id beaas.code NOT NULL,
    transaction_id uuid NOT NULL,
    customer_id beaas.code NOT NULL,
    invoice_id uuid,  -- null: not caused by an invoice
    currency text NOT NULL REFERENCES beaas.currencies,
    posted_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, transaction_id),
    UNIQUE (tenant_id, invoice_id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES beaas.customers,
    FOREIGN KEY (tenant_id, invoice_id) REFERENCES beaas.invoices
);
SELECT beaas.isolate('beaas.ledger_transactions');
SELECT beaas.freeze('beaas.ledger_transactions');
GRANT SELECT ON beaas.ledger_transactions TO beaas_api;
GRANT SELECT, INSERT ON beaas.ledger_transactions TO beaas_service;

-- Debits are positive, credits negative; all postings of a transaction are in its one currency.
CREATE TABLE beaas.postings (
    tenant_id beaas.code NOT NULL,
    transaction_id uuid NOT NULL,
    position integer NOT NULL CHECK (position >= 1),
    account text NOT NULL,
    amount_minor beaas.minor NOT NULL CHECK (amount_minor <> 0),
    PRIMARY KEY (tenant_id, transaction_id, position),
    FOREIGN KEY (tenant_id, transaction_id) REFERENCES beaas.ledger_transactions
);
SELECT beaas.isolate('beaas.postings');
SELECT beaas.freeze('beaas.postings');
GRANT SELECT ON beaas.postings TO beaas_api;
GRANT SELECT, INSERT ON beaas.postings TO beaas_service;

-- At commit a transaction has postings, and they sum to zero ...
CREATE FUNCTION beaas.refuse_unbalanced() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    difference numeric;
BEGIN
    SELECT sum(amount_minor) INTO difference FROM beaas.postings
    WHERE tenant_id = NEW.tenant_id AND transaction_id = NEW.transaction_id;
    IF difference IS DISTINCT FROM 0 THEN
        RAISE EXCEPTION 'ledger transaction % does not balance: its postings sum to %',
            NEW.transaction_id, coalesce(difference::text, 'nothing, there are none')
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER balanced AFTER INSERT ON beaas.ledger_transactions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION beaas.refuse_unbalanced();

-- ... and postings come all at once, the first among them: so none can be added later, as there is a first already.
CREATE FUNCTION beaas.refuse_late_postings() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF EXISTS (
        SELECT FROM inserted GROUP BY tenant_id, transaction_id HAVING min(position) <> 1 OR sum(amount_minor) <> 0
    ) THEN
        RAISE EXCEPTION 'the postings of a ledger transaction come in one statement, and that one does not balance'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER all_at_once AFTER INSERT ON beaas.postings REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION beaas.refuse_late_postings();
