"""The servers of these tests are theirs to kill."""

import pytest

from connectors.embedded.cluster import EmbeddedServers


@pytest.fixture(scope="session")
def servers(mortal_servers: EmbeddedServers) -> EmbeddedServers:
    """Here servers are killed, restarted and set up badly."""
    return mortal_servers
