"""The smallest bill: one tenant, one customer, a few events."""
