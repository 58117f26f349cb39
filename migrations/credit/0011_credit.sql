CREATE TABLE beaas.credit_grants (
    tenant_id beaas.code NOT NULL,
    grant_id text NOT NULL CHECK (grant_id <> ''),
    customer_id beaas.code NOT NULL,
    currency text NOT NULL REFERENCES beaas.currencies,
    amount_minor beaas.minor NOT NULL CHECK (amount_minor > 0),
    remaining_minor beaas.minor NOT NULL,
    priority integer NOT NULL,  -- lower burns first
    granted_at timestamptz NOT NULL,
    expires_at timestamptz,
    invoice_id uuid,  -- the invoice whose negative total became this credit
    sequence bigint GENERATED ALWAYS AS IDENTITY,  -- of two granted at one moment the earlier row burns first
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, grant_id),
    UNIQUE (tenant_id, customer_id, grant_id),
    UNIQUE (tenant_id, invoice_id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES beaas.customers,
    FOREIGN KEY (tenant_id, invoice_id) REFERENCES beaas.invoices,
    CHECK (remaining_minor BETWEEN 0 AND amount_minor)
);
CREATE INDEX credit_grants_open ON beaas.credit_grants (tenant_id, customer_id) WHERE remaining_minor > 0;
SELECT beaas.isolate('beaas.credit_grants');
SELECT beaas.freeze('beaas.credit_grants', 'DELETE OR TRUNCATE');
GRANT SELECT, INSERT ON beaas.credit_grants TO beaas_api;
GRANT SELECT, INSERT, UPDATE (remaining_minor) ON beaas.credit_grants TO beaas_service;

CREATE TABLE beaas.credit_burns (
    tenant_id beaas.code NOT NULL,
    invoice_id uuid NOT NULL,
    grant_id text NOT NULL,
    amount_minor beaas.minor NOT NULL CHECK (amount_minor > 0),
    PRIMARY KEY (tenant_id, invoice_id, grant_id),
    FOREIGN KEY (tenant_id, invoice_id) REFERENCES beaas.invoices,
    FOREIGN KEY (tenant_id, grant_id) REFERENCES beaas.credit_grants
);
CREATE INDEX credit_burns_of_grant ON beaas.credit_burns (tenant_id, grant_id);
SELECT beaas.isolate('beaas.credit_burns');
SELECT beaas.freeze('beaas.credit_burns');
GRANT SELECT ON beaas.credit_burns TO beaas_api;
GRANT SELECT, INSERT ON beaas.credit_burns TO beaas_service;

-- At commit what is left of a grant is what was granted less what was burned.
CREATE FUNCTION beaas.refuse_other_remainder() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF EXISTS (
        SELECT FROM beaas.credit_grants AS g
        WHERE g.tenant_id = NEW.tenant_id AND g.grant_id = NEW.grant_id
        AND g.remaining_minor <> g.amount_minor - (
            SELECT coalesce(sum(b.amount_minor), 0) FROM beaas.credit_burns AS b
            WHERE b.tenant_id = g.tenant_id AND b.grant_id = g.grant_id)
    ) THEN
        RAISE EXCEPTION 'what remains of credit grant % is not its amount less its burns', NEW.grant_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER remainder AFTER INSERT OR UPDATE ON beaas.credit_grants
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION beaas.refuse_other_remainder();
CREATE CONSTRAINT TRIGGER remainder AFTER INSERT ON beaas.credit_burns
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION beaas.refuse_other_remainder();
