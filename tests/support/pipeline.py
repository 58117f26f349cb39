"""The whole pipeline as an outsider meets it: every role a child process, the command line, the report views."""

import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
import msgspec
import psycopg
import pytest
import pytest_asyncio
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from connectors.embedded.child import Child, Command
from connectors.embedded.cluster import EmbeddedServers
from streams.cli.roles import ROLES, role_arguments
from streams.settings import load_settings
from tests.support.commands import BEAAS, Ran, environment_with, run_to_end

ANNOUNCED: Final = {"intake": "intake-1", "rating": "rating-1", "sinks": "sinks-1", "relay": "relay-0"}
READY_WITHIN_S: Final = 120.0
DRAIN_WITHIN_S: Final = 30.0
MOST_RESTARTS: Final = 2
LOOK_AGAIN_S: Final = 0.05


async def until(reached: Callable[[], Awaitable[bool]], what: str, within_s: float = 90.0) -> None:
    """Returns as soon as the condition holds."""
    deadline = time.monotonic() + within_s
    while not await reached():
        assert time.monotonic() < deadline, f"waited {within_s:g} s for {what}"
        await asyncio.sleep(LOOK_AGAIN_S)


@dataclass(slots=True)
class Running:
    """A role that is kept running."""

    argv: tuple[str, ...]
    child: Child | None = None
    killed: bool = False
    task: asyncio.Task[None] | None = None
    starts: int = 0
    ended_by_itself: list[str] = field(default_factory=list)


class Pipeline:
    """Every role on the servers, in a database and under a topic prefix of its own; a role that ends is restarted."""

    def __init__(
        self,
        servers: EmbeddedServers,
        prefix: str,
        directory: Path,
        *,
        argv: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        """Takes the program of a role from `argv` where a test plants another one."""
        self.servers, self.prefix, self.directory = servers, prefix, directory
        self.database_url = make_conninfo(servers.postgres_url, dbname=self._database)
        self.environment = {
            "BEAAS_KAFKA_BOOTSTRAP_SERVERS": servers.kafka_bootstrap_servers,
            "BEAAS_POSTGRES_URL": self.database_url,
            "BEAAS_SCHEMA_REGISTRY_URL": servers.schema_registry_url,
            "BEAAS_TOPIC_PREFIX": prefix,
            "BEAAS_DATA_DIR": str(directory / "data"),
            "BEAAS_SESSION_TIMEOUT_SECONDS": "60",  # a test makes a worker stand still for longer than the default
        }
        self.settings = load_settings(self.environment)
        planted = argv or {}
        self._roles = {role: Running(planted.get(role, (*BEAAS, *role_arguments(role)))) for role in ROLES}

    @property
    def _database(self) -> str:
        return f"{self.prefix.strip('.')}_{os.getpid()}"

    # Life -----------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Database, topics and schemas are there, and every role is ready."""
        with psycopg.connect(self.servers.postgres_url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self._database)))
        ran = await self.beaas("setup")
        assert ran.status == 0, ran.err
        for role, running in self._roles.items():
            running.task = asyncio.create_task(self._keep(role, running))
        await asyncio.gather(*map(self.ready, ROLES))

    async def stop(self) -> None:
        """No role runs any more.

        Raises:
            AssertionError: a role had ended by itself, or does not end well when asked to.
        """
        statuses = dict(zip(ROLES, await asyncio.gather(*map(self._stop, ROLES)), strict=True))
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = %s",
                (self._database,),
            )
        with psycopg.connect(self.servers.postgres_url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(self._database)))
        unasked = [end for running in self._roles.values() for end in running.ended_by_itself]
        assert not unasked, "\n".join(unasked)
        assert statuses == dict.fromkeys(ROLES, 0), "a role does not drain: " + self._tails(statuses)

    async def _stop(self, role: str) -> int:
        running = self._roles[role]
        if running.task is not None:
            running.task.cancel()
            await asyncio.wait({running.task})
        return 0 if running.child is None else await running.child.stop(DRAIN_WITHIN_S)

    def _tails(self, statuses: Mapping[str, int]) -> str:
        ended = [(role, status, self._roles[role].child) for role, status in statuses.items() if status]
        return "\n".join(
            f"{role} ended with {status}. {child.log_tail() if child else ''}" for role, status, child in ended
        )

    async def _keep(self, role: str, running: Running) -> None:
        command = Command(
            name=f"role-{role}",
            argv=running.argv,
            log=self.log(role),
            environment=environment_with(self.environment),
        )
        while True:
            self._announced(role).unlink(missing_ok=True)
            running.killed, running.starts = False, running.starts + 1
            running.child = await Child.spawn(command, self.directory / "children")
            status = await running.child.ended()
            if not running.killed:
                running.ended_by_itself.append(f"{role} ended with {status} by itself.{running.child.log_tail()}")
                if len(running.ended_by_itself) > MOST_RESTARTS:
                    return

    # Roles ----------------------------------------------------------------------------------------------------------

    def log(self, role: str) -> Path:
        """Where the role's output goes."""
        return self.directory / "logs" / f"{role}.log"

    async def kill(self, role: str) -> None:
        """The role was killed by SIGKILL, its place was taken by another process, and that one is ready."""
        child = self._child(role)
        self._roles[role].killed = True
        child.kill()
        await until(lambda: self._replaced(role, child), f"{role} to be started again")
        await self.ready(role)

    async def ready(self, role: str) -> None:
        """The role says that it is ready."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:

            async def answers() -> bool:
                running = self._roles[role]
                assert len(running.ended_by_itself) <= MOST_RESTARTS, running.ended_by_itself[-1]
                try:
                    url = msgspec.json.decode(self._announced(role).read_bytes())["url"]
                    async with session.get(f"{url}/readyz") as answer:
                        return answer.status == 200
                except (OSError, aiohttp.ClientError, msgspec.DecodeError, TimeoutError):
                    return False

            await until(answers, f"{role} to be ready", READY_WITHIN_S)

    @contextmanager
    def paused(self, role: str) -> Iterator[None]:
        """The role stands still: it has its sessions, and does nothing."""
        pid = self._child(role).pid
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            with suppress(ProcessLookupError):  # it was killed meanwhile
                os.kill(pid, signal.SIGCONT)

    async def _replaced(self, role: str, former: Child) -> bool:
        child = self._roles[role].child
        return child is not former and child is not None and child.exit_status is None

    def _child(self, role: str) -> Child:
        child = self._roles[role].child
        assert child is not None, f"{role} does not run"
        return child

    def _announced(self, role: str) -> Path:
        return self.directory / "data" / "health" / f"{ANNOUNCED.get(role, role)}.json"

    # What an outsider does ------------------------------------------------------------------------------------------

    async def beaas(self, *arguments: str | Path, within_s: float = 200.0, **environment: str) -> Ran:
        """Runs a command to its end, with further environment where it is given."""
        return await run_to_end(*BEAAS, *arguments, variables=self.environment | environment, within_s=within_s)

    async def ok(self, *arguments: str | Path) -> str:
        """Runs a command that ends well, and returns what it printed."""
        ran = await self.beaas(*arguments)
        assert ran.status == 0, (arguments, ran)
        return ran.out

    async def settle(self, tenant: str, instant: str) -> None:
        """The tenant's clock stands at the instant, and all that is due by then is invoiced."""
        await self.ok("clock", "set", tenant, instant, "--wait", "--timeout", "150")

    def rows(self, query: str, *parameters: object) -> list[TupleRow]:
        """What a query of an outsider returns; he sees the views of `report`."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(query.encode(), parameters).fetchall()

    def topic(self, name: str) -> str:
        """The topic's full name."""
        return f"{self.prefix}{name}"


@asynccontextmanager
async def running_pipeline(
    servers: EmbeddedServers, prefix: str, *, argv: Mapping[str, tuple[str, ...]] | None = None
) -> AsyncIterator[Pipeline]:
    """All roles run while the block does."""
    directory = Path(tempfile.mkdtemp(prefix="beaas-pipeline-"))
    made = Pipeline(servers, prefix, directory, argv=argv)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()
    shutil.rmtree(directory, ignore_errors=True)  # what failed stays, to be looked at


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def pipeline(servers: EmbeddedServers) -> AsyncIterator[Pipeline]:
    """One pipeline for all tests; each makes tenants of its own."""
    async with running_pipeline(servers, "pipeline.") as running:
        yield running


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What uses the pipeline comes last: its roles then run beside no other test, and nobody restarts its servers."""
    items.sort(key=lambda item: "pipeline" in getattr(item, "fixturenames", ()))
