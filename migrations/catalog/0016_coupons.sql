-- Coupons as the catalogue wrote them; the newest definition counts for whoever is given one from then on.
CREATE TABLE beaas.coupons (
    tenant_id beaas.code NOT NULL REFERENCES beaas.tenants,
    coupon_id beaas.code NOT NULL,
    definition jsonb NOT NULL CHECK (jsonb_typeof(definition) = 'object'),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, coupon_id)
);
SELECT beaas.isolate('beaas.coupons');
GRANT SELECT, INSERT, UPDATE ON beaas.coupons TO beaas_api, beaas_service;
