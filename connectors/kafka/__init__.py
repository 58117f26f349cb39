"""Kafka's administration: the topics as `schemas.topics` declares them."""
