"""Fixtures every test may use."""

from tests.support.servers import servers

__all__ = ["servers"]
