-- Coupons take something off a line: amount_minor is what is left, the two together what the line was before.
ALTER TABLE beaas.invoice_lines
    ADD COLUMN discount_minor beaas.minor NOT NULL DEFAULT 0,  -- below 0 where one that was given is taken back
    DROP CONSTRAINT invoice_lines_kind_check,
    ADD CONSTRAINT invoice_lines_kind_check
        CHECK (kind IN ('adjustment', 'unused_fee', 'usage', 'true_up', 'fee', 'charge'));

-- Which version of the tz database the boundaries were counted with; '' where it was not noted yet.
ALTER TABLE beaas.invoices ADD COLUMN tzdata text NOT NULL DEFAULT '';
