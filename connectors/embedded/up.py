"""`beaas up`: the embedded servers and every role on them, in the foreground, until somebody stops it."""

import asyncio
import os
import signal
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from connectors.embedded.child import Child, Command
from connectors.embedded.cluster import EmbeddedServers
from connectors.embedded.environment import publish_environment, withdraw_environment
from connectors.embedded.errors import ServerError
from connectors.embedded.server import Server

_DRAIN_WITHIN_S: Final = 15.0
_RESTART_ME: Final = 70
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 10.0
_RESTART_WINDOW_S: Final = 60.0
_RESTARTS_BEFORE_ALARM: Final = 5

_Announce = Callable[[str, str], None]
_Prepare = Callable[[Mapping[str, str]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Role:
    """A process of ours that runs on the servers: its name, and the program's absolute path with its arguments."""

    name: str
    argv: tuple[str, ...]


async def up(data_dir: Path, *, services_only: bool, fresh: bool, roles: Sequence[Role], prepare: _Prepare) -> None:
    """Serves until SIGINT or SIGTERM, then stops the roles and after them the servers; a second signal hurries.

    Args:
        data_dir: Holds what is kept from one start to the next.
        services_only: Start no roles.
        fresh: Begin with an empty directory.
        roles: Started once `prepare` has returned, and again whenever they end.
        prepare: Makes the servers ready for the roles (migrations, topics, schemas); gets the settings to reach them.

    Raises:
        DataDirectoryError: The directory is in use or not ours.
        EmbeddedError: A server cannot be fetched or does not start.
    """
    announce = _announcer()
    shift = _Shift(EmbeddedServers(data_dir, fresh=fresh, announce=announce), announce)
    serving = asyncio.ensure_future(shift.serve(() if services_only else roles, prepare))
    try:
        with _signals_to(serving, shift.hurry, announce):
            await serving
    except asyncio.CancelledError:
        announce("beaas", "stopped")


class _Shift:
    """One run of the servers and the roles."""

    def __init__(self, servers: EmbeddedServers, announce: _Announce) -> None:
        self._servers = servers
        self._announce = announce
        self._roles: set[Child] = set()

    async def serve(self, roles: Sequence[Role], prepare: _Prepare) -> None:
        """Runs all of it until cancelled; nothing runs afterwards."""
        directory = self._servers.directory
        async with self._servers:
            environment = self._servers.environment()
            await prepare(environment)
            publish_environment(directory.path, environment)
            self._announce("beaas", "ready; Ctrl-C stops it")
            try:
                await self._keep_all(roles, environment)
            finally:
                withdraw_environment(directory.path)
                self._announce("beaas", "stopping the servers")

    def hurry(self) -> None:
        """Ends everything at once; what is kept is recovered at the next start."""
        for child in self._roles:
            child.hurry()
        self._servers.hurry()

    async def _keep_all(self, roles: Sequence[Role], environment: Mapping[str, str]) -> None:
        async with asyncio.TaskGroup() as group:
            for server in self._servers.all:
                group.create_task(self._keep_server(server))
            for role in roles:
                group.create_task(self._keep_role(role, environment))

    async def _keep_server(self, server: Server) -> None:
        restarts = _Restarts(server.name, self._announce)
        while True:
            status = await server.ended()
            await restarts.pause(status)
            with suppress(ServerError):  # it ended once more; so it is started once more
                await server.start()
                self._announce(server.name, "ready again")

    async def _keep_role(self, role: Role, environment: Mapping[str, str]) -> None:
        directory = self._servers.directory
        command = Command(
            name=f"role-{role.name}",
            argv=role.argv,
            log=directory.log(role.name),
            environment=os.environ | environment,
        )
        restarts = _Restarts(role.name, self._announce)
        while True:
            child = await Child.spawn(command, directory.records)
            self._roles.add(child)
            self._announce(role.name, f"started, logs to {command.log}")
            try:
                status = await child.ended()
            finally:
                if child.exit_status is None:
                    self._announce(role.name, f"stopped with status {await child.stop(_DRAIN_WITHIN_S)}")
                self._roles.discard(child)
            await restarts.pause(status)


class _Restarts:
    """Decides how long a process that ended stays down, and says so; it never gives up."""

    def __init__(self, name: str, announce: _Announce) -> None:
        self._name = name
        self._announce = announce
        self._recent: deque[float] = deque()

    async def pause(self, status: int) -> None:
        """Waits as long as this end asks for: not at all when the process asked for its restart."""
        now = time.monotonic()
        while self._recent and now - self._recent[0] > _RESTART_WINDOW_S:
            self._recent.popleft()
        many = len(self._recent) >= _RESTARTS_BEFORE_ALARM
        pause_s = min(_FIRST_PAUSE_S * 2 ** len(self._recent), _LONGEST_PAUSE_S)
        self._recent.append(now)
        if status == _RESTART_ME and not many:
            pause_s = 0.0
        when = f"in {pause_s:g} s" if pause_s else "at once"
        self._announce(self._name, f"ended with status {status}; restart {when}")
        if many:
            self._announce(self._name, f"ATTENTION: ended {len(self._recent)} times within a minute; see its log")
        await asyncio.sleep(pause_s)


@contextmanager
def _signals_to(serving: asyncio.Future[None], hurry: Callable[[], None], announce: _Announce) -> Iterator[None]:
    """Lets the first SIGINT or SIGTERM cancel the task, and every later one hurry."""
    loop = asyncio.get_running_loop()
    asked = False

    def stop() -> None:
        nonlocal asked
        if asked:
            announce("beaas", "stopping at once")
            hurry()
        else:
            asked = True
            announce("beaas", "stopping; once more hurries")
            serving.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _announcer() -> _Announce:
    """Returns what prints one line an event; with colour on a terminal."""
    console = Console(soft_wrap=True, highlight=False)

    def announce(who: str, what: str) -> None:
        colour = "bold red" if what.startswith("ATTENTION") else ""
        console.print(Text.assemble((time.strftime("%H:%M:%S "), "dim"), (f"{who:<10} ", "cyan"), (what, colour)))

    return announce
