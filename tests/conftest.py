"""Fixtures every test may use."""

from tests.support.pipeline import pipeline, pytest_collection_modifyitems
from tests.support.servers import mortal_servers, servers, servers_path

__all__ = ["mortal_servers", "pipeline", "pytest_collection_modifyitems", "servers", "servers_path"]
