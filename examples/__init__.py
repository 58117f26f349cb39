"""Examples that run: each is a test too."""
