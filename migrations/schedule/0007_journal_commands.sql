-- Every command on its way to the journal: released per account in `sequence` order, those with a barrier once intake
-- has passed the offsets noted for them, settled once their statement is invoiced.
CREATE TABLE beaas.journal_commands (
    tenant_id beaas.code NOT NULL,
    command_id uuid NOT NULL,
    customer_id beaas.code NOT NULL,
    subscription_id beaas.code,  -- null: UsageVoided
    kind text NOT NULL,
    at timestamptz NOT NULL,
    payload bytea NOT NULL,
    sequence bigint GENERATED ALWAYS AS IDENTITY,
    barrier boolean NOT NULL,
    noted_at timestamptz,
    noted_offsets jsonb,
    released_at timestamptz,
    settled_at timestamptz,
    correlation_id text NOT NULL DEFAULT '',
    causation_id text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, command_id),
    FOREIGN KEY (tenant_id, customer_id) REFERENCES beaas.customers,
    FOREIGN KEY (tenant_id, customer_id, subscription_id)
        REFERENCES beaas.subscriptions (tenant_id, customer_id, subscription_id),
    CHECK ((noted_at IS NULL) = (noted_offsets IS NULL)),
    CHECK (NOT barrier OR released_at IS NULL OR noted_at IS NOT NULL)
);
CREATE INDEX journal_commands_waiting ON beaas.journal_commands (tenant_id, customer_id, sequence)
    WHERE released_at IS NULL;
CREATE INDEX journal_commands_unsettled ON beaas.journal_commands (tenant_id, at) WHERE settled_at IS NULL;
SELECT beaas.isolate('beaas.journal_commands');
GRANT SELECT, INSERT ON beaas.journal_commands TO beaas_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON beaas.journal_commands TO beaas_service;

-- A tick is a row: a jumping clock or a second scheduler can neither skip nor repeat one.
CREATE TABLE beaas.ticks (
    tenant_id beaas.code NOT NULL REFERENCES beaas.tenants,
    job text NOT NULL,
    due_at timestamptz NOT NULL,
    ran_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, job, due_at)
);
SELECT beaas.isolate('beaas.ticks');
GRANT SELECT, INSERT ON beaas.ticks TO beaas_api;
GRANT SELECT, INSERT, DELETE ON beaas.ticks TO beaas_service;
