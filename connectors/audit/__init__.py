"""The facts that invariants judge, read out of the running system: PostgreSQL in batches, Kafka from end to end."""
