-- Which usage events stand behind a line, whatever their order: 24 bytes; empty for fees, and for lines of before.
ALTER TABLE beaas.invoice_lines
    ADD COLUMN events_digest bytea NOT NULL DEFAULT '' CHECK (octet_length(events_digest) IN (0, 24));
