"""The schema registry, by Confluent's API: where our schemas are registered and other writers' are found."""
