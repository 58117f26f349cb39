"""A world for each test, copied from one that was migrated once."""

from tests.services.worlds import migrated, world

__all__ = ["migrated", "world"]
