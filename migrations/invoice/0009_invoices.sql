-- One row a tenant: the lock that makes its numbers gapless.
CREATE TABLE beaas.invoice_series (
    tenant_id beaas.code PRIMARY KEY REFERENCES beaas.tenants,
    last_number bigint NOT NULL CHECK (last_number >= 0)
);
SELECT beaas.isolate('beaas.invoice_series');
SELECT beaas.freeze('beaas.invoice_series', 'DELETE OR TRUNCATE');
GRANT SELECT ON beaas.invoice_series TO beaas_api;
GRANT SELECT, INSERT, UPDATE ON beaas.invoice_series TO beaas_service;

CREATE TABLE beaas.invoices (
    tenant_id beaas.code NOT NULL,
    invoice_id uuid NOT NULL,
    statement_id text NOT NULL,
    customer_id beaas.code NOT NULL,
    subscription_id beaas.code NOT NULL,
    plan_id text NOT NULL,
    plan_version integer NOT NULL,
    series_position bigint NOT NULL CHECK (series_position >= 1),
    number text NOT NULL GENERATED ALWAYS AS (
        'INV-' || lpad(series_position::text, greatest(6, length(series_position::text)), '0')) STORED,
    currency text NOT NULL REFERENCES beaas.currencies,
    timezone text NOT NULL,
    tax_percent numeric NOT NULL,
    issued_at timestamptz NOT NULL,
    subtotal_minor beaas.minor NOT NULL,
    tax_minor beaas.minor NOT NULL,
    total_minor beaas.minor NOT NULL,
    credit_applied_minor beaas.minor NOT NULL,
    amount_due_minor beaas.minor NOT NULL,
    command_id text NOT NULL,
    correlation_id text NOT NULL DEFAULT '',
    journal_position bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, invoice_id),
    UNIQUE (tenant_id, statement_id),
    UNIQUE (tenant_id, series_position),
    UNIQUE (tenant_id, number),
    FOREIGN KEY (tenant_id, customer_id, subscription_id)
        REFERENCES beaas.subscriptions (tenant_id, customer_id, subscription_id),
    CHECK (total_minor = greatest(subtotal_minor + tax_minor, 0)),
    CHECK (credit_applied_minor BETWEEN 0 AND total_minor),
    CHECK (amount_due_minor = total_minor - credit_applied_minor)
);
CREATE INDEX invoices_of_customer ON beaas.invoices (tenant_id, customer_id, issued_at);
SELECT beaas.isolate('beaas.invoices');
SELECT beaas.freeze('beaas.invoices');
GRANT SELECT ON beaas.invoices TO beaas_api;
GRANT SELECT, INSERT ON beaas.invoices TO beaas_service;

CREATE TABLE beaas.invoice_lines (
    tenant_id beaas.code NOT NULL,
    invoice_id uuid NOT NULL,
    position integer NOT NULL CHECK (position >= 1),
    kind text NOT NULL CHECK (kind IN ('adjustment', 'unused_fee', 'usage', 'fee')),
    price_id text NOT NULL,
    line_group jsonb NOT NULL CHECK (jsonb_typeof(line_group) = 'object'),
    quantity numeric NOT NULL,
    amount_minor beaas.minor NOT NULL,
    period_start timestamptz NOT NULL,
    period_end timestamptz NOT NULL,
    taxable boolean NOT NULL,
    events bigint NOT NULL CHECK (events >= 0),
    PRIMARY KEY (tenant_id, invoice_id, position),
    FOREIGN KEY (tenant_id, invoice_id) REFERENCES beaas.invoices,
    CHECK (period_start <= period_end)
);
SELECT beaas.isolate('beaas.invoice_lines');
SELECT beaas.freeze('beaas.invoice_lines');
GRANT SELECT ON beaas.invoice_lines TO beaas_api;
GRANT SELECT, INSERT ON beaas.invoice_lines TO beaas_service;

-- At commit every number that a series moved over belongs to an invoice, so there are no gaps ...
CREATE FUNCTION beaas.refuse_gap() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    before bigint := CASE WHEN TG_OP = 'INSERT' THEN 0 ELSE OLD.last_number END;
    found bigint;
BEGIN
    SELECT count(*) INTO found FROM beaas.invoices
    WHERE tenant_id = NEW.tenant_id AND series_position > before AND series_position <= NEW.last_number;
    IF found <> NEW.last_number - before THEN
        RAISE EXCEPTION 'the invoice series of tenant % moved from % to %, over % invoices: numbers are gapless',
            NEW.tenant_id, before, NEW.last_number, found USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER gapless AFTER INSERT OR UPDATE ON beaas.invoice_series
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION beaas.refuse_gap();

-- ... and no invoice takes a number beyond its series.
CREATE FUNCTION beaas.refuse_foreign_number() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT tenant_id, max(series_position) AS highest FROM inserted GROUP BY tenant_id) AS i
        LEFT JOIN beaas.invoice_series AS s USING (tenant_id)
        WHERE i.highest > coalesce(s.last_number, 0)
    ) THEN
        RAISE EXCEPTION 'an invoice has a number that its tenant''s series has not reached'
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'Move beaas.invoice_series first.';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER number_of_series AFTER INSERT ON beaas.invoices REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION beaas.refuse_foreign_number();

-- At commit an invoice has lines, and they sum to its subtotal ...
CREATE FUNCTION beaas.refuse_other_subtotal() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    found numeric;
BEGIN
    SELECT sum(amount_minor) INTO found FROM beaas.invoice_lines
    WHERE tenant_id = NEW.tenant_id AND invoice_id = NEW.invoice_id;
    IF found IS DISTINCT FROM NEW.subtotal_minor THEN
        RAISE EXCEPTION 'the lines of invoice % sum to %, its subtotal is %',
            NEW.invoice_id, coalesce(found::text, 'nothing, there are none'), NEW.subtotal_minor
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER sums_to_subtotal AFTER INSERT ON beaas.invoices
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION beaas.refuse_other_subtotal();

-- ... and lines come all at once, the first among them: so none can be added later, as there is a first already. One
-- check a statement, because one for each line made half of what an invoice costs.
CREATE FUNCTION beaas.refuse_late_lines() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF EXISTS (SELECT FROM inserted GROUP BY tenant_id, invoice_id HAVING min(position) <> 1) THEN
        RAISE EXCEPTION 'lines were added to an invoice that has lines: all of them come in one statement'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER all_at_once AFTER INSERT ON beaas.invoice_lines REFERENCING NEW TABLE AS inserted
    FOR EACH STATEMENT EXECUTE FUNCTION beaas.refuse_late_lines();
