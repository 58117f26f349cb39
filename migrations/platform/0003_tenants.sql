CREATE TABLE beaas.tenants (
    tenant_id beaas.code PRIMARY KEY,
    currency text NOT NULL REFERENCES beaas.currencies,
    timezone text NOT NULL,
    tax_percent numeric NOT NULL DEFAULT 0 CHECK (tax_percent >= 0),
    test_clock timestamptz,  -- null: the real clock
    created_at timestamptz NOT NULL DEFAULT now()
);
SELECT beaas.isolate('beaas.tenants');
GRANT SELECT, INSERT, UPDATE ON beaas.tenants TO beaas_api, beaas_service;

CREATE FUNCTION beaas.refuse_backward_clock() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'the test clock of tenant % stands at %: it only moves forward, or away from null', OLD.tenant_id, OLD.test_clock
        USING ERRCODE = 'check_violation', HINT = 'Give a later instant.';
END
$$;
CREATE TRIGGER clock_moves_forward BEFORE UPDATE OF test_clock ON beaas.tenants
    FOR EACH ROW WHEN (OLD.test_clock IS NOT NULL AND (NEW.test_clock IS NULL OR NEW.test_clock < OLD.test_clock))
    EXECUTE FUNCTION beaas.refuse_backward_clock();

-- A request's answer, written in the transaction of its effect: the same key again answers the same.
CREATE TABLE beaas.idempotency_keys (
    tenant_id beaas.code NOT NULL REFERENCES beaas.tenants,
    route text NOT NULL,
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    request_sha256 bytea NOT NULL CHECK (length(request_sha256) = 32),
    status smallint NOT NULL,
    response bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, route, key)
);
CREATE INDEX idempotency_keys_age ON beaas.idempotency_keys (created_at);
SELECT beaas.isolate('beaas.idempotency_keys');
GRANT SELECT, INSERT ON beaas.idempotency_keys TO beaas_api;
GRANT SELECT, INSERT, DELETE ON beaas.idempotency_keys TO beaas_service;
