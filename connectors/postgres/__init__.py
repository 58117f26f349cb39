"""PostgreSQL: migrations, typed queries, the unit of work with its outbox, and the sinks."""
