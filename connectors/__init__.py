"""What touches the outside: PostgreSQL, Kafka, the schema registry, the embedded servers."""
