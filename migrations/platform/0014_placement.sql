-- How records are placed: fixed once topics are made, since an account that moved would be billed twice over.
CREATE TABLE beaas.placement (
    topic_prefix text PRIMARY KEY,
    partitions integer NOT NULL CHECK (partitions > 0),
    tenant_slice integer NOT NULL CHECK (tenant_slice > 0)
);
SELECT beaas.freeze('beaas.placement');
GRANT SELECT ON beaas.placement TO beaas_service;
