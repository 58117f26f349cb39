"""PostgreSQL: stopped, killed in a commit, its sessions cut, its tables locked, without connections or room."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import psycopg

from tests.faults.levers.lever import Lever, until
from tests.faults.levers.servers import limit_files, started
from tests.faults.rig.site import Site

Connection: TypeAlias = "psycopg.Connection[Any]"

_BUSY_WITHIN_S = 120.0
_OTHERS = "datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
_INVOICING = """
SELECT 1 FROM pg_stat_activity
WHERE application_name = 'beaas sinks' AND datname = current_database() AND state <> 'idle' AND xact_start IS NOT NULL
AND query ILIKE ANY (ARRAY['%%invoice%%', 'COMMIT%%'])
"""
_CUT_ONE = f"""
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {_OTHERS}
ORDER BY md5(pid::text || %s) LIMIT 1
"""  # noqa: S608 - both parts are ours
_CUT_ALL = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {_OTHERS}"  # noqa: S608 - as above


@dataclass(slots=True)
class StopPostgres(Lever):
    """PostgreSQL ends at once, as `pg_ctl stop -m immediate` does: no goodbye, recovery at the next start."""

    async def strike(self, site: Site) -> None:
        """It has ended."""
        site.servers.postgres.hurry()
        await site.servers.postgres.ended()

    async def heal(self, site: Site) -> None:
        """It answers."""
        await started(site.servers.postgres)


@dataclass(slots=True)
class KillPostmaster(Lever):
    """The postmaster is killed by SIGKILL while the sinks write invoices."""

    async def strike(self, site: Site) -> None:
        """It died in the middle of that, as far as one can see from outside."""
        with site.postgres() as connection:
            await until(
                lambda: connection.execute(_INVOICING).fetchone() is not None, "invoices to be written", _BUSY_WITHIN_S
            )
            await site.servers.postgres.kill()

    async def heal(self, site: Site) -> None:
        """It answers."""
        await started(site.servers.postgres)


@dataclass(slots=True)
class CutSessions(Lever):
    """Sessions of the run's database are terminated, one each interval."""

    each_s: float
    seed: int
    _cutting: "asyncio.Task[None] | None" = field(default=None, repr=False)

    async def strike(self, site: Site) -> None:
        """They are being cut."""
        self._cutting = asyncio.create_task(self._cut(site))

    async def _cut(self, site: Site) -> None:
        turn = 0
        with site.postgres() as connection:
            while True:
                connection.execute(_CUT_ONE, (f"{self.seed}/{turn}",))
                turn += 1
                await asyncio.sleep(self.each_s)

    async def heal(self, site: Site) -> None:
        """Nobody cuts any more."""
        del site
        await _ended(self._cutting)


@dataclass(slots=True)
class LockTable(Lever):
    """A session holds a table alone: nobody else reads or writes it."""

    table: str
    _holder: "Connection | None" = field(default=None, repr=False)

    async def strike(self, site: Site) -> None:
        """It is locked."""
        self._holder = holder = await asyncio.to_thread(site.postgres)
        holder.execute("BEGIN")
        locking = f"LOCK TABLE {self.table} IN ACCESS EXCLUSIVE MODE"
        await asyncio.to_thread(holder.execute, locking.encode())

    async def heal(self, site: Site) -> None:
        """It is free."""
        del site
        if self._holder is not None:
            self._holder.close()


@dataclass(slots=True)
class ExhaustConnections(Lever):
    """Every session is cut, and strangers take all connections that the server gives."""

    _taken: "list[Connection]" = field(default_factory=list, repr=False)

    async def strike(self, site: Site) -> None:
        """No connection is left."""
        await asyncio.to_thread(self._take_all, site)

    def _take_all(self, site: Site) -> None:
        self._taken.append(site.postgres())
        self._taken[0].execute(_CUT_ALL)
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                self._taken.append(site.postgres(database=False))

    async def heal(self, site: Site) -> None:
        """They are given back."""
        del site
        for connection in self._taken:
            connection.close()
        self._taken.clear()


@dataclass(slots=True)
class FillPostgresDisk(Lever):
    """No file of PostgreSQL can grow beyond a limit (RLIMIT_FSIZE): what it writes fails as on a full disk.

    Where that is the log of its writes, the server ends; healing starts it with room again.
    """

    limit_bytes: int
    _ended: "asyncio.Task[int] | None" = field(default=None, repr=False)

    async def strike(self, site: Site) -> None:
        """Nothing more can be written."""
        self._ended = asyncio.create_task(site.servers.postgres.ended())
        self._limit(site, self.limit_bytes)

    async def heal(self, site: Site) -> None:
        """There is room, and it answers."""
        assert self._ended is not None
        if not self._ended.done():
            self._limit(site, None)
            site.servers.postgres.hurry()  # the children of its children have the limit still
            await self._ended
        await started(site.servers.postgres)

    @staticmethod
    def _limit(site: Site, limit_bytes: int | None) -> None:
        pid = site.servers.postgres.pid
        for one in (pid, *_children(pid)):
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):  # it has ended meanwhile
                limit_files(one, limit_bytes)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


async def _ended(task: "asyncio.Task[None] | None") -> None:
    if task is not None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, psycopg.Error):
            await task
