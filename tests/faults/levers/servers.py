"""Kafka and the registry: killed, frozen, without room on their disk."""

import asyncio
import os
import resource
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from connectors.embedded.errors import ServerError
from connectors.embedded.server import Server
from tests.faults.levers.lever import Lever, NotStruck
from tests.faults.rig.site import Site

_ATTEMPTS = 3


@dataclass(slots=True)
class KillBroker(Lever):
    """The broker is killed by SIGKILL; healing starts it again."""

    async def strike(self, site: Site) -> None:
        """It is dead."""
        await site.servers.kafka.kill()

    async def heal(self, site: Site) -> None:
        """It answers."""
        await started(site.servers.kafka)


@dataclass(slots=True)
class FreezeBroker(Lever):
    """The broker stands still with all its connections."""

    async def strike(self, site: Site) -> None:
        """It stands still."""
        os.kill(site.servers.kafka.pid, signal.SIGSTOP)

    async def heal(self, site: Site) -> None:
        """It goes on."""
        os.kill(site.servers.kafka.pid, signal.SIGCONT)


@dataclass(slots=True)
class FillKafkaDisk(Lever):
    """No file of the broker can grow beyond a limit (RLIMIT_FSIZE): its writes fail as on a full disk.

    A write that fails makes Kafka give up its only log directory and end; healing starts it with room again.
    """

    limit_bytes: int
    _ended: "asyncio.Task[int] | None" = field(default=None, repr=False)

    async def strike(self, site: Site) -> None:
        """Nothing more can be written."""
        self._ended = asyncio.create_task(site.servers.kafka.ended())
        limit_files(site.servers.kafka.pid, self.limit_bytes)

    async def heal(self, site: Site) -> None:
        """There is room, and it answers."""
        assert self._ended is not None
        if not self._ended.done():
            limit_files(site.servers.kafka.pid, None)
            self._ended.cancel()
            await asyncio.gather(self._ended, return_exceptions=True)
            return
        await started(site.servers.kafka)


@dataclass(slots=True)
class KillRegistry(Lever):
    """The registry is killed, and a worker that needs it to start is killed too; healing starts the registry again."""

    member: str

    async def strike(self, site: Site) -> None:
        """Both are dead."""
        await site.servers.registry.kill()
        site.fleet.kill(self.member)

    async def heal(self, site: Site) -> None:
        """The registry answers."""
        await started(site.servers.registry)


async def started(server: Server) -> None:
    """The server runs and answers; a start that fails right after a crash is tried again."""
    for attempt in range(_ATTEMPTS):
        try:
            await server.start()
        except ServerError:
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            return


def limit_files(pid: int, limit_bytes: int | None) -> None:
    """No file of the process can grow beyond this any more; None: as large as it likes.

    Raises:
        NotStruck: the process is another account's, and `prlimit`, run as that account, is not there or cannot do it.
        OSError: there is no such process any more.
    """
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE) if _is_ours(pid) else (0, resource.RLIM_INFINITY)
    soft = hard if limit_bytes is None else limit_bytes
    if _is_ours(pid):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
        return
    if (tool := shutil.which("prlimit")) is None:
        raise NotStruck("there is no prlimit (util-linux) to limit the files of another account's process")
    told = "unlimited" if soft == resource.RLIM_INFINITY else str(soft)
    owner = Path(f"/proc/{pid}").stat()
    ran = subprocess.run(
        [tool, f"--pid={pid}", f"--fsize={told}:"],
        user=owner.st_uid,
        group=owner.st_gid,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        os.kill(pid, 0)  # it may have ended meanwhile
        raise NotStruck(f"prlimit of {pid}: {ran.stderr.strip()}")


def _is_ours(pid: int) -> bool:
    """Whether the process runs under our account: root needs one more right for what another account runs."""
    return Path(f"/proc/{pid}").stat().st_uid == os.getuid()
