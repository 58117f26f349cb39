"""Usage from files to Kafka: what a producer without code of its own uses, and the examples."""
