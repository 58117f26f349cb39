"""An empty world for each test."""

from tests.services.worlds import migrated, world

__all__ = ["migrated", "world"]
