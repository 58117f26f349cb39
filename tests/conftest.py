"""Fixtures every test may use."""

from tests.support.servers import servers, servers_path

__all__ = ["servers", "servers_path"]
