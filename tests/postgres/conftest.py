"""Databases to test on: each test has its own, copied from one that was migrated once."""

from collections.abc import AsyncIterator, Iterator
from typing import LiteralString
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from connectors.embedded.cluster import EmbeddedServers
from connectors.postgres.migrate import migrate
from connectors.postgres.outbox import Outbox
from connectors.postgres.pool import Pool, Role, open_pool
from tests.postgres.builders import outbox_of, seed


class Databases:
    """Makes databases; all are dropped at the end, since each drop waits for a checkpoint."""

    def __init__(self, server_url: str) -> None:
        self._server_url = server_url
        self._names: list[str] = []

    def new(self, template: str = "template1") -> str:
        """The address of a new copy of the template."""
        name = f"test_{uuid4().hex}"
        self._run("CREATE DATABASE {} TEMPLATE {}", name, template)
        self._names.append(name)
        return make_conninfo(self._server_url, dbname=name)

    def drop_all(self) -> None:
        """None of them is left."""
        for name in self._names:
            self._run("DROP DATABASE {} WITH (FORCE)", name)

    def _run(self, statement: LiteralString, *names: str) -> None:
        with psycopg.connect(self._server_url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@pytest.fixture(scope="session")
def server_url(servers: EmbeddedServers) -> str:
    """The superuser's address of a running PostgreSQL."""
    return servers.postgres_url


@pytest.fixture(scope="session")
def databases(server_url: str) -> Iterator[Databases]:
    """Where a test gets a database."""
    made = Databases(server_url)
    yield made
    made.drop_all()


@pytest.fixture
def empty_database(databases: Databases) -> str:
    """A database without anything of ours."""
    return databases.new()


@pytest.fixture(scope="session")
def migrated_template(databases: Databases) -> str:
    """The name of a migrated and seeded database to copy."""
    url = databases.new()
    migrate(url)
    with psycopg.connect(url) as connection:
        seed(connection)
    return str(conninfo_to_dict(url)["dbname"])


@pytest.fixture
def database(databases: Databases, migrated_template: str) -> str:
    """A migrated database with the tenants, customers and subscriptions of `builders.seed`."""
    return databases.new(migrated_template)


@pytest.fixture
def owner(database: str) -> Iterator[psycopg.Connection]:
    """The login that migrated, each statement its own transaction."""
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def shared_database(databases: Databases, migrated_template: str) -> str:
    """As `database`, one for all tests that leave nothing in it: a copy takes a good half second."""
    return databases.new(migrated_template)


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
