"""The embedded servers, started once for the whole test session: some to rely on, some to kill."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from connectors.embedded.cluster import EmbeddedServers
from connectors.embedded.postgres_place import remove_files_elsewhere


@contextmanager
def directory_for_servers() -> Iterator[Path]:
    """Makes a directory that PostgreSQL's account can pass through, as it cannot pass pytest's own when root tests."""
    path = Path(tempfile.mkdtemp(prefix="beaas-test-"))
    path.chmod(0o711)
    try:
        yield path
    finally:
        remove_files_elsewhere(path / "servers" / "postgres")
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def servers_path() -> Iterator[Path]:
    """A directory for servers of the test's own: `servers` below it is where they belong."""
    with directory_for_servers() as path:
        yield path


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def servers() -> AsyncIterator[EmbeddedServers]:
    """Kafka, PostgreSQL and the registry; no test stops or kills them, since others rely on them."""
    with directory_for_servers() as path:
        async with EmbeddedServers(path / "servers") as running:
            yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def mortal_servers() -> AsyncIterator[EmbeddedServers]:
    """Servers that a test may kill; it starts them again before it ends."""
    with directory_for_servers() as path:
        async with EmbeddedServers(path / "servers") as running:
            yield running
