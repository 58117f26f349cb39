"""The three embedded servers together, on one data directory."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from connectors.embedded.artifacts import KAFKA_PINS, REGISTRY_PINS, Archives, read_pins
from connectors.embedded.child import end_leftovers
from connectors.embedded.data_directory import DataDirectory
from connectors.embedded.kafka import Kafka
from connectors.embedded.postgres import Postgres
from connectors.embedded.postgres_place import SHARED, place_for, remove_files_elsewhere
from connectors.embedded.registry import Registry, RegistryDatabase
from connectors.embedded.server import Server

_DATABASE: Final = "beaas"
_REGISTRY: Final = "registry"
_PORTS: Final = ("kafka", "kafka-controller", "postgres", "registry", "registry-management")


def _say_nothing(_who: str, _what: str) -> None:
    pass


class EmbeddedServers:
    """Kafka, PostgreSQL and the schema registry, started on what the data directory holds.

    An async context manager; `start` and `stop` do the same one by one. The event loop's thread counts as the
    servers' parent: when it dies, they end.

    Args:
        data_dir: Holds all that they keep; made if it does not exist.
        fresh: Begin with an empty directory.
        archives: Where Kafka and the registry come from; the shared cache when None.
        announce: Told who did what, one call an event.
        shared: Where PostgreSQL stands when root starts it and its account cannot reach the data directory.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        fresh: bool = False,
        archives: Archives | None = None,
        announce: Callable[[str, str], None] = _say_nothing,
        shared: Path = SHARED,
    ) -> None:
        self.directory = DataDirectory(data_dir)
        self._fresh = fresh
        self._archives = archives or Archives()
        self._announce = announce
        self._shared = shared
        self._held = AsyncExitStack()
        self._all: tuple[Server, ...] = ()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def kafka_bootstrap_servers(self) -> str:
        """Where Kafka clients start from."""
        return self.kafka.bootstrap_servers

    @property
    def postgres_url(self) -> str:
        """The superuser's address of the database `beaas`; it holds the password."""
        return self.postgres.url(_DATABASE)

    @property
    def schema_registry_url(self) -> str:
        """The base address of the registry's Confluent API."""
        return self.registry.url

    @property
    def all(self) -> tuple[Server, ...]:
        """Every server; none before the first start."""
        return self._all

    def environment(self) -> dict[str, str]:
        """Returns the settings that reach these servers; they hold the database password."""
        return {
            "BEAAS_KAFKA_BOOTSTRAP_SERVERS": self.kafka_bootstrap_servers,
            "BEAAS_POSTGRES_URL": self.postgres_url,
            "BEAAS_SCHEMA_REGISTRY_URL": self.schema_registry_url,
            "BEAAS_DATA_DIR": str(self.directory.path),
        }

    async def start(self) -> None:
        """Owns the directory, ends what an earlier start left running, and starts all three.

        Raises:
            DataDirectoryError: The directory is in use or not ours.
            ArchiveError: A server cannot be fetched.
            ServerError: A server does not start; none runs then.
        """
        async with AsyncExitStack() as stack:
            stack.enter_context(self.directory.owned())
            self._announce("beaas", f"starting the servers on {self.directory.path}")
            for name in await end_leftovers(self.directory.records):
                self._announce(name, "was still running from an earlier start; ended")
            if self._fresh:
                remove_files_elsewhere(self.directory.path / "postgres")
                self.directory.wipe()
            await asyncio.to_thread(self._archives.fetch_all)
            self._lay_out()
            stack.push_async_callback(self._stop_all)
            await self._start_all()
            self._held = stack.pop_all()

    async def stop(self) -> None:
        """Ends all three in order and gives the directory back."""
        await self._held.aclose()

    def hurry(self) -> None:
        """Ends all three at once; `stop` then returns soon, and the next start recovers."""
        for server in self._all:
            server.hurry()

    async def _start_all(self) -> None:
        async def database_then_registry() -> None:
            await self._start(self.postgres)
            await self.postgres.ensure_database(_DATABASE)
            password = self.directory.password(_REGISTRY)
            await self.postgres.ensure_database(_REGISTRY, owner=_REGISTRY, password=password)
            await self._start(self.registry)

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._start(self.kafka))
                group.create_task(database_then_registry())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def _start(self, server: Server) -> None:
        began = time.monotonic()
        await server.start()
        self._announce(server.name, f"ready after {time.monotonic() - began:.1f} s")

    async def _stop_all(self) -> None:
        await self.registry.stop()  # before its database
        await asyncio.gather(self.kafka.stop(), self.postgres.stop())

    def _lay_out(self) -> None:
        directory = self.directory
        ports = directory.ports(_PORTS)
        [registry_pin] = read_pins(REGISTRY_PINS)
        self.kafka = Kafka(
            home=directory.path / "kafka",
            log=directory.log("kafka"),
            records=directory.records,
            jars=self._archives.files(read_pins(KAFKA_PINS)),
            port=ports["kafka"],
            controller_port=ports["kafka-controller"],
        )
        self.postgres = Postgres(
            place=place_for(directory.path / "postgres", self._shared),
            log=directory.log("postgres"),
            records=directory.records,
            port=ports["postgres"],
            password=directory.password("postgres"),
        )
        self.registry = Registry(
            home=directory.path / "registry",
            log=directory.log("registry"),
            records=directory.records,
            program=self._archives.tree(registry_pin),
            port=ports["registry"],
            management_port=ports["registry-management"],
            database=RegistryDatabase(ports["postgres"], _REGISTRY, _REGISTRY, directory.password(_REGISTRY)),
        )
        self._all = (self.kafka, self.postgres, self.registry)
