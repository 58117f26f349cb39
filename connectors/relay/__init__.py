"""From the outbox to the bus: PostgreSQL's log is read in commit order, and confirmed when the bus has acknowledged."""
