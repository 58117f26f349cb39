"""Databases to test on: each test has its own, copied from one that was migrated once."""

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
from connectors.postgres.pool import Pool, Role, open_pool
from tests.postgres.builders import outbox_of, seed


@contextmanager
def new_database(server_url: str, template: str = "template1") -> Iterator[str]:
    """A database that lives as long as the block."""
    name = f"test_{uuid4().hex}"
    copied = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(copied)
        yield make_conninfo(server_url, dbname=name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def server_url(servers: EmbeddedServers) -> str:
    """The superuser's address of a running PostgreSQL."""
    return servers.postgres_url


@pytest.fixture
def empty_database(server_url: str) -> Iterator[str]:
    """A database without anything of ours."""
    with new_database(server_url) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_template(server_url: str) -> Iterator[str]:
    """The name of a migrated and seeded database to copy."""
    with new_database(server_url) as url:
        migrate(url)
        with psycopg.connect(url) as connection:
            seed(connection)
        yield str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])


@pytest.fixture
def database(server_url: str, migrated_template: str) -> Iterator[str]:
    """A migrated database with the tenants, customers and subscriptions of `builders.seed`."""
    with new_database(server_url, migrated_template) as url:
        yield url


@pytest.fixture
def owner(database: str) -> Iterator[psycopg.Connection]:
    """The login that migrated, each statement its own transaction."""
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def shared_database(server_url: str, migrated_template: str) -> Iterator[str]:
    """As `database`, one for all tests that leave nothing in it: a copy takes a good half second."""
    with new_database(server_url, migrated_template) as url:
        yield url


@pytest.fixture
def shared_owner(shared_database: str) -> Iterator[psycopg.Connection]:
    """As `owner`, of the shared database."""
    with psycopg.connect(shared_database, autocommit=True) as connection:
        yield connection


@pytest_asyncio.fixture
async def service(database: str) -> AsyncIterator[Pool]:
    """A pool of the role that sees all tenants."""
    async with open_pool(database, Role.SERVICE, application_name="test service") as pool:
        yield pool


@pytest_asyncio.fixture
async def api(database: str) -> AsyncIterator[Pool]:
    """A pool of one connection, so that every user of it follows another, of the role that sees one tenant."""
    async with open_pool(database, Role.API, application_name="test api", size=1) as pool:
        yield pool


@pytest.fixture
def outbox() -> Outbox:
    """The outbox with the real codec."""
    return outbox_of()
