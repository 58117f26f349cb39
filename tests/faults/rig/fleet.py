"""The roles as processes that are kept running: whoever ends, by a fault or by itself, is started again."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
import msgspec

from connectors.embedded.child import Child, Command
from streams.cli.roles import WORKERS
from tests.faults.rig.points import DIRECTORY, Trigger
from tests.support.commands import environment_with

_ROLE: Final = str(Path(__file__).with_name("role.py"))
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_DRAIN_WITHIN_S: Final = 60.0
_READY_WITHIN_S: Final = 240.0
_LOOK_AGAIN_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Size:
    """How many processes of each role; every one of them has a stable name."""

    intake: int = 2
    rating: int = 3
    sinks: int = 2
    relay: int = 2
    scheduler: int = 2

    def members(self) -> list[str]:
        """Their names: the role and a number."""
        return [f"{role}-{number}" for role in self.__slots__ for number in range(1, getattr(self, role) + 1)]


def role_of(member: str) -> str:
    """The role in a member's name."""
    return member.rpartition("-")[0]


@dataclass(frozen=True, slots=True)
class End:
    """A member that ended without being told to."""

    member: str
    status: int
    at_s: float
    """By the monotonic clock."""
    log: str


@dataclass(slots=True)
class Member:
    """One process of the fleet, over all its lives."""

    name: str
    argv: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str]
    trigger: Trigger
    child: Child | None = None
    wanted: bool = True
    struck: bool = False
    """Whether its next end is a fault's doing."""
    starts: int = 0
    """How many processes it has had, the present one among them."""
    back: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while it may run."""

    @property
    def pid(self) -> int:
        """Its process; only while it runs."""
        assert self.child is not None, f"{self.name} does not run"
        return self.child.pid

    @property
    def runs(self) -> bool:
        """Whether it has a living process."""
        return self.child is not None and self.child.exit_status is None

    @property
    def announced(self) -> Path:
        """Where a living member says at which port it can be asked."""
        role = role_of(self.name)
        name = self.name if role in WORKERS else {"relay": "relay-0"}.get(role, role)
        return self.directory / "data" / "health" / f"{name}.json"


class Fleet:
    """All members; `environment_of` gives the settings by which a member reaches the servers."""

    def __init__(
        self, size: Size, directory: Path, environment_of: Callable[[str], Mapping[str, str]], *, plant: str = ""
    ) -> None:
        """Every role with the planted bug, where one is named, runs it."""
        self.directory = directory
        self.ends: list[End] = []
        self.members = {name: self._member(name, environment_of(name), plant) for name in size.members()}
        self._keeping: list[asyncio.Task[None]] = []
        self._calm = asyncio.Event()

    def _member(self, name: str, environment: Mapping[str, str], plant: str) -> Member:
        directory = self.directory / name
        role = role_of(name)
        arguments = ("worker", role, "--instance", name) if role in WORKERS else (role,)
        own: dict[str, str] = dict(environment) | {
            DIRECTORY: str(directory / "points"),
            "BEAAS_DATA_DIR": str(directory / "data"),
        }
        if plant:
            own["BEAAS_FAULTS_PLANT"] = plant
        argv = (sys.executable, _ROLE, *arguments)
        return Member(name, argv, directory, environment_with(own), Trigger(directory / "points"))

    # Life -----------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Every member is ready."""
        for member in self.members.values():
            member.back.set()
            self._keeping.append(asyncio.create_task(self._keep(member), name=member.name))
        await self.ready()

    async def stop(self) -> dict[str, int]:
        """No member runs; returns those that did not end well when asked now, with their statuses."""
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)
        running = [(member.name, member.child) for member in self.members.values() if member.child and member.runs]
        for member in self.members.values():
            self.resume(member.name)
        statuses = await asyncio.gather(*(child.stop(_DRAIN_WITHIN_S) for _, child in running))
        return {name: status for (name, _), status in zip(running, statuses, strict=True) if status}

    async def _keep(self, member: Member) -> None:
        in_a_row = 0
        while True:
            await member.back.wait()
            command = Command(
                name=member.name,
                argv=member.argv,
                log=self.directory / "logs" / f"{member.name}.log",
                environment=member.environment,
            )
            member.announced.unlink(missing_ok=True)
            started_at = time.monotonic()
            member.child = child = await Child.spawn(command, self.directory / "children")
            member.starts += 1
            status = await child.ended()
            if member.struck or member.trigger.struck or not member.wanted:
                member.struck = False
            else:
                self.ends.append(End(member.name, status, time.monotonic(), child.log_tail()))
            in_a_row = in_a_row + 1 if time.monotonic() - started_at < _LONGEST_PAUSE_S else 0
            await self._pause(min(_FIRST_PAUSE_S * 2**in_a_row, _LONGEST_PAUSE_S))

    async def _pause(self, pause_s: float) -> None:
        """Waits before the next start; not longer than until the last fault is healed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._calm.wait()
                await asyncio.sleep(_FIRST_PAUSE_S)

    def calm(self) -> None:
        """All faults are healed: nobody waits for his next start any more."""
        self._calm.set()
        for member in self.members.values():
            self.resume(member.name)
            member.trigger.disarm()
            self.allow(member.name)

    # What is done to members ----------------------------------------------------------------------------------------

    def of(self, role: str) -> list[str]:
        """The members of a role that are meant to run."""
        return [name for name, member in self.members.items() if role_of(name) == role and member.wanted]

    def kill(self, name: str) -> None:
        """The member dies by SIGKILL; it is started again at once."""
        member = self.members[name]
        if member.runs and member.child is not None:
            member.struck = True
            member.child.kill()

    def pause(self, name: str) -> None:
        """The member stands still with all its connections."""
        self._signal(name, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """The member goes on, as if nothing had been."""
        self._signal(name, signal.SIGCONT)

    def _signal(self, name: str, number: signal.Signals) -> None:
        member = self.members[name]
        if member.runs:
            with suppress(ProcessLookupError):
                os.kill(member.pid, number)

    def forbid(self, name: str) -> None:
        """The member is not started again until it is allowed to."""
        self.members[name].wanted = False
        self.members[name].back.clear()

    def allow(self, name: str) -> None:
        """The member runs again."""
        self.members[name].wanted = True
        self.members[name].back.set()

    async def retire(self, name: str) -> int:
        """The member drains and stays away; returns its exit status."""
        self.forbid(name)
        child = self.members[name].child
        return 0 if child is None else await child.stop(_DRAIN_WITHIN_S)

    # Seeing ---------------------------------------------------------------------------------------------------------

    async def ready(self, names: Sequence[str] = (), within_s: float = _READY_WITHIN_S) -> None:
        """These members say that they are ready; all that are wanted where none is named."""
        wanted = names or [name for name, member in self.members.items() if member.wanted]
        deadline = time.monotonic() + within_s
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            for name in wanted:
                while not await self._answers(session, name, "readyz"):
                    if time.monotonic() > deadline:
                        child = self.members[name].child
                        raise TimeoutError(f"{name} is not ready.{child.log_tail() if child else ''}")
                    await asyncio.sleep(_LOOK_AGAIN_S)

    async def ready_again(self, name: str, before: int, within_s: float = _READY_WITHIN_S) -> None:
        """The member has had more starts than before, and its new process is ready: a dying one may say so too."""
        deadline = time.monotonic() + within_s
        while self.members[name].starts <= before:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} was not started again")
            await asyncio.sleep(_LOOK_AGAIN_S)
        await self.ready([name], deadline - time.monotonic())

    async def metric(self, name: str, metric: str) -> float | None:
        """A metric without labels of a living member."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            text = await self._answers(session, name, "metrics")
        for line in (text or "").splitlines():
            if line.startswith(f"{metric} "):
                return float(line.split()[1])
        return None

    async def _answers(self, session: aiohttp.ClientSession, name: str, path: str) -> str | None:
        try:
            url = msgspec.json.decode(self.members[name].announced.read_bytes())["url"]
            async with session.get(f"{url}/{path}") as answer:
                return await answer.text() if answer.status == 200 else None
        except (OSError, aiohttp.ClientError, msgspec.DecodeError, TimeoutError):
            return None

    def restarts_since(self, at_s: float, within_s: float) -> dict[str, int]:
        """How often each member ended by itself in the time after a moment, where it did."""
        found: dict[str, int] = {}
        for end in self.ends:
            if at_s <= end.at_s <= at_s + within_s:
                found[end.member] = found.get(end.member, 0) + 1
        return found


@asynccontextmanager
async def running(fleet: Fleet) -> AsyncIterator[Fleet]:
    """The fleet runs while the block does."""
    try:
        await fleet.start()
        yield fleet
    finally:
        await fleet.stop()
