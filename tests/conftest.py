"""Fixtures every test may use."""

from hypothesis import HealthCheck, settings

from tests.support.pipeline import pipeline, pytest_collection_modifyitems
from tests.support.servers import mortal_servers, servers, servers_path

__all__ = ["mortal_servers", "pipeline", "pytest_collection_modifyitems", "servers", "servers_path"]

# Machines are noisy: how long an example takes says nothing of the law that it tries.
settings.register_profile("beaas", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("beaas")
