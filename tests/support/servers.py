"""The embedded servers, started once for the whole test session on a directory of its own."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from connectors.embedded.cluster import EmbeddedServers


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedServers]:
    """Kafka, PostgreSQL and the registry; what a test kills it starts again before it ends."""
    async with EmbeddedServers(tmp_path_factory.mktemp("beaas") / "servers") as running:
        yield running
