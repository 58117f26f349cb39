"""What every lever has: a fault that strikes, and is healed."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable

from tests.faults.rig.site import Site

_LOOK_AGAIN_S = 0.05


class NotStruck(Exception):
    """The fault found nothing to strike: the run shows nothing about it."""


class Lever(ABC):
    """A fault with its targets chosen: what it says of itself names them, and nothing else decides what it does."""

    @abstractmethod
    async def strike(self, site: Site) -> None:
        """The fault is there.

        Raises:
            NotStruck: what it waits for did not come.
        """

    async def heal(self, site: Site) -> None:
        """The fault is gone; whatever it broke may go on."""
        del site


async def until(reached: Callable[[], bool | Awaitable[bool]], what: str, within_s: float) -> None:
    """Returns as soon as the condition holds.

    Raises:
        NotStruck: it did not in time.
    """
    deadline = time.monotonic() + within_s
    while True:
        answer = reached()
        if answer if isinstance(answer, bool) else await answer:
            return
        if time.monotonic() > deadline:
            raise NotStruck(f"waited {within_s:g} s for {what}")
        await asyncio.sleep(_LOOK_AGAIN_S)
