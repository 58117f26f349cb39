CREATE TABLE beaas.subscriptions (
    tenant_id beaas.code NOT NULL,
    subscription_id beaas.code NOT NULL,
    customer_id beaas.code NOT NULL,
    plan_id beaas.code NOT NULL,
    plan_version integer NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'trialing', 'active', 'paused', 'canceled', 'expired')),
    starts_at timestamptz NOT NULL,
    anchor_at timestamptz NOT NULL,
    trial_end_at timestamptz,
    cancel_at timestamptz,
    ended_at timestamptz,
    closed_until timestamptz,  -- the end of the last period whose close was commanded
    next_due_at timestamptz,  -- null: nothing will ever fall due
    terms jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, subscription_id),
    UNIQUE (tenant_id, customer_id, subscription_id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES beaas.customers,
    FOREIGN KEY (tenant_id, plan_id, plan_version) REFERENCES beaas.plan_versions
);
CREATE INDEX subscriptions_due ON beaas.subscriptions (next_due_at) WHERE next_due_at IS NOT NULL;
SELECT beaas.isolate('beaas.subscriptions');
GRANT SELECT, INSERT, UPDATE ON beaas.subscriptions TO beaas_api, beaas_service;
