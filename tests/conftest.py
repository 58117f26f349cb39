"""Fixtures every test may use."""

from tests.support.pipeline import pipeline, pytest_collection_modifyitems
from tests.support.servers import servers, servers_path

__all__ = ["pipeline", "pytest_collection_modifyitems", "servers", "servers_path"]
