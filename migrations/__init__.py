"""The tables: SQL by domain, applied in the order of the numbers."""
