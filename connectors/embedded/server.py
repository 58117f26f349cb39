"""What the embedded servers have in common: start, stop, and the crash that tests are after."""

import asyncio
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Final

from connectors.embedded.child import Child, Command
from connectors.embedded.errors import ServerError
from connectors.embedded.ports import LOOPBACK

_START_WITHIN_S: Final = 180.0  # 3 s on an idle machine; one that ends is noticed at once
_STOP_WITHIN_S: Final = 15.0


class Server(ABC):
    """One server on one directory; what it keeps outlives stop, kill and restart.

    Args:
        records: Where its process is recorded while it runs.
    """

    name: ClassVar[str]

    def __init__(self, records: Path) -> None:
        self._records = records
        self._child: Child | None = None

    @property
    def pid(self) -> int:
        """The process id; only while it runs."""
        assert self._child is not None, f"{self.name} is not running"
        return self._child.pid

    async def start(self) -> None:
        """Starts it and waits until it answers.

        Raises:
            ServerError: It ended or did not answer in time.
        """
        self._child = child = await Child.spawn(await self._prepared(), self._records)
        try:
            await child.ready(self._answers, _START_WITHIN_S)
        except ServerError:
            await self._crash(child)
            raise

    async def stop(self) -> None:
        """Ends it in order; nothing happens if it does not run."""
        if self._child is not None:
            await self._child.stop(_STOP_WITHIN_S)
            self._child = None

    async def restart(self) -> None:
        """Stops it and starts it on what it kept, at the same address."""
        await self.stop()
        await self.start()

    async def kill(self) -> None:
        """Ends it by SIGKILL, as a crash would."""
        if self._child is not None:
            await self._crash(self._child)
            self._child = None

    async def ended(self) -> int:
        """Waits until it has ended, by itself or not, and returns its exit status."""
        assert self._child is not None, f"{self.name} is not running"
        return await self._child.ended()

    def hurry(self) -> None:
        """Ends it at once in the way that it recovers from fastest; `stop` then returns soon."""
        if self._child is not None:
            self._child.hurry()

    @staticmethod
    async def _crash(child: Child) -> None:
        child.kill()
        await child.ended()

    @abstractmethod
    async def _prepared(self) -> Command:
        """Makes all that a start needs be there, and returns the command."""

    @abstractmethod
    async def _answers(self) -> bool:
        """Tells whether it serves clients."""


async def accepts(port: int) -> bool:
    """Tells whether something accepts connections on the loopback port."""
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
