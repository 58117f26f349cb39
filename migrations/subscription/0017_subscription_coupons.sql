ALTER TABLE beaas.subscriptions
    -- What its anchor was chosen by, so that a tenant that moves before the start has it chosen again.
    ADD COLUMN on_calendar boolean NOT NULL DEFAULT false,
    -- The coupons that it was given, as they were then, each with when it begins and ends.
    ADD COLUMN coupons jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(coupons) = 'array'),
    -- No state machine has `expired`.
    DROP CONSTRAINT subscriptions_state_check,
    ADD CONSTRAINT subscriptions_state_check
        CHECK (state IN ('pending', 'trialing', 'active', 'paused', 'canceled'));

UPDATE beaas.subscriptions SET on_calendar = true WHERE anchor_at <> starts_at;
