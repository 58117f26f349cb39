"""The wire: Avro schemas by context, and the codec that reads and writes them."""
