CREATE TABLE beaas.customers (
    tenant_id beaas.code NOT NULL REFERENCES beaas.tenants,
    customer_id beaas.code NOT NULL,
    name text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, customer_id)
);
SELECT beaas.isolate('beaas.customers');
GRANT SELECT, INSERT, UPDATE ON beaas.customers TO beaas_api, beaas_service;
