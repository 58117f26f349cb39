-- Why the journal refused a command that is settled; empty where it took effect, or where it is not known yet.
ALTER TABLE beaas.journal_commands ADD COLUMN refusal text NOT NULL DEFAULT '';
