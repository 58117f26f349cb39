-- numeric has a value that is no number and that every sum of it becomes.
ALTER DOMAIN beaas.minor ADD CONSTRAINT minor_is_a_number CHECK (VALUE <> 'NaN');

-- These stand in for keys (migration 0023): like `frozen`, also where a session replicates.
ALTER TABLE beaas.invoices ENABLE ALWAYS TRIGGER with_lines;
ALTER TABLE beaas.ledger_transactions ENABLE ALWAYS TRIGGER whole;
ALTER TABLE beaas.invoice_lines ENABLE ALWAYS TRIGGER all_at_once;
ALTER TABLE beaas.postings ENABLE ALWAYS TRIGGER all_at_once;
