"""The fixtures that make worlds."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio
from psycopg import sql
from psycopg.conninfo import make_conninfo

from connectors.embedded.cluster import EmbeddedServers
from connectors.postgres.migrate import migrate
from connectors.postgres.outbox import Outbox
from connectors.postgres.pool import Role, open_pool
from schemas import topics
from schemas.codec import Codec
from tests.services.world import World


class NoRegistry:
    """The codec needs no schema but its own."""

    def schema(self, schema_id: int) -> str | None:
        """Nobody may ask."""
        raise AssertionError(f"asked for schema {schema_id}")


def outbox() -> Outbox:
    """The outbox with the real codec."""
    ids = {subject: number for number, subject in enumerate(sorted(topics.subjects("beaas.")), start=1)}
    return Outbox(Codec(ids, NoRegistry()))


@contextmanager
def database(server_url: str, template: str) -> Iterator[str]:
    """A database that lives as long as the block."""
    name = f"world_{uuid4().hex}"
    copied = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(copied)
        try:
            yield make_conninfo(server_url, dbname=name)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def migrated(servers: EmbeddedServers) -> Iterator[str]:
    """The name of a migrated database to copy."""
    with database(servers.postgres_url, "template1") as url:
        migrate(url)
        yield str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])


@pytest_asyncio.fixture
async def world(servers: EmbeddedServers, migrated: str) -> AsyncIterator[World]:
    """An empty world."""
    with database(servers.postgres_url, migrated) as url:
        async with open_pool(url, Role.SERVICE, application_name="test service") as pool:
            yield World(url, pool, outbox())
