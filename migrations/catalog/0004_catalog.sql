CREATE TABLE beaas.meters (
    tenant_id beaas.code NOT NULL REFERENCES beaas.tenants,
    meter_id beaas.code NOT NULL,
    definition jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, meter_id)
);
SELECT beaas.isolate('beaas.meters');
GRANT SELECT, INSERT, UPDATE ON beaas.meters TO beaas_api, beaas_service;

-- The row that is locked while a plan gets its next version.
CREATE TABLE beaas.plans (
    tenant_id beaas.code NOT NULL REFERENCES beaas.tenants,
    plan_id beaas.code NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, plan_id)
);
SELECT beaas.isolate('beaas.plans');
GRANT SELECT, INSERT, UPDATE ON beaas.plans TO beaas_api, beaas_service;

CREATE TABLE beaas.plan_versions (
    tenant_id beaas.code NOT NULL,
    plan_id beaas.code NOT NULL,
    version integer NOT NULL CHECK (version >= 1),
    billing_period text NOT NULL,
    prices jsonb NOT NULL CHECK (jsonb_typeof(prices) = 'array'),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, plan_id, version),
    FOREIGN KEY (tenant_id, plan_id) REFERENCES beaas.plans
);
SELECT beaas.isolate('beaas.plan_versions');
SELECT beaas.freeze('beaas.plan_versions');
GRANT SELECT, INSERT ON beaas.plan_versions TO beaas_api, beaas_service;
