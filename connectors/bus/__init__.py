"""Where events go: one port, and an implementation for each bus."""
