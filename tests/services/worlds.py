"""The fixtures that make worlds."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import LiteralString
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
def database(server_url: str) -> Iterator[str]:
    """A database that lives as long as the block."""
    name = f"world_{uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield make_conninfo(server_url, dbname=name)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


EMPTY: LiteralString = """
DO $$
DECLARE
    guarded regclass;
BEGIN
    FOR guarded IN SELECT tgrelid::regclass FROM pg_trigger WHERE tgname = 'frozen' LOOP
        EXECUTE format('ALTER TABLE %s DISABLE TRIGGER frozen', guarded);
    END LOOP;
    TRUNCATE beaas.tenants, beaas.billing_events CASCADE;
    FOR guarded IN SELECT tgrelid::regclass FROM pg_trigger WHERE tgname = 'frozen' LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER frozen', guarded);
    END LOOP;
END
$$
"""
"""Takes every row that a test wrote: a fifth of the time that a new database takes."""


@pytest.fixture(scope="session")
def migrated(servers: EmbeddedServers) -> Iterator[str]:
    """The address of a migrated database."""
    with database(servers.postgres_url) as url:
        migrate(url)
        yield url


@pytest_asyncio.fixture
async def world(migrated: str) -> AsyncIterator[World]:
    """An empty world."""
    with psycopg.connect(migrated) as connection:
        connection.execute(EMPTY)
    async with open_pool(migrated, Role.SERVICE, application_name="test service") as pool:
        yield World(migrated, pool, outbox())
