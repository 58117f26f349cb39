"""Everything of one run: servers, links, the fleet, and a database and topics of its own."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from tests.faults.rig.environment import Environment
from tests.faults.rig.fleet import Fleet, Size, running
from tests.faults.rig.links import Links, carried
from tests.faults.rig.servers import ServersWithDoors


@dataclass(frozen=True, slots=True)
class Site:
    """What levers take hold of."""

    servers: ServersWithDoors
    links: Links
    fleet: Fleet
    environment: Environment

    def postgres(self, *, database: bool = True) -> psycopg.Connection[tuple[object, ...]]:
        """A direct connection to the run's database, or to the one that is always there."""
        url = self.environment.postgres_url if database else self.servers.postgres.url("postgres")
        return psycopg.connect(url, autocommit=True, connect_timeout=5)


@asynccontextmanager
async def servers_with_links(directory: Path, size: Size) -> AsyncIterator[tuple[ServersWithDoors, Links]]:
    """Servers and links run while the block does; several runs may follow one another on them."""
    members = size.members()
    async with (
        ServersWithDoors(directory, members) as servers,
        carried(servers.links(), directory / "proxy.log") as links,
    ):
        yield servers, links


@asynccontextmanager
async def site(  # noqa: PLR0913 - what a run stands on, all of it made elsewhere
    servers: ServersWithDoors, links: Links, size: Size, directory: Path, prefix: str, *, plant: str = ""
) -> AsyncIterator[Site]:
    """Every role runs on a database and topics of the run's own while the block does; what they hold stays."""
    database = f"{prefix.strip('.').replace('-', '_')}_{os.getpid()}"
    environment = Environment(
        servers.kafka_bootstrap_servers,
        servers.postgres.url(database),
        servers.schema_registry_url,
        prefix,
        directory,
    )
    with psycopg.connect(servers.postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    await environment.ok("setup")

    def of_member(name: str) -> dict[str, str]:
        return dict(environment.variables) | {
            "BEAAS_KAFKA_BOOTSTRAP_SERVERS": servers.kafka_of(name),
            "BEAAS_POSTGRES_URL": servers.postgres_of(name, environment.postgres_url),
        }

    async with running(Fleet(size, directory, of_member, plant=plant)) as fleet:
        yield Site(servers, links, fleet, environment)
