"""A barrier of our own making, the usage topics behind barriers, and ways to run rounds."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from connectors.scheduler import Round, Rounds, UsageBarrier
from connectors.services import clock
from tests.services.world import ACME, REAL_NOW, World


async def _nothing() -> None:
    pass


@dataclass(slots=True)
class FakeBarrier:
    """A usage topic and intake in memory. `meanwhile` happens after the ends were read and before they are told."""

    ends: dict[int, int] = field(default_factory=lambda: {0: 0, 1: 0})
    positions: dict[int, int] = field(default_factory=dict)
    meanwhile: Callable[[], Awaitable[None]] = _nothing

    async def end_offsets(self) -> dict[int, int]:
        """As the port says."""
        ends = dict(self.ends)
        await self.meanwhile()
        return ends

    async def committed(self) -> dict[int, int]:
        """As the port says."""
        return dict(self.positions)

    def pass_all(self) -> None:
        """Intake passes everything that is there."""
        self.positions = dict(self.ends)


class UsageTopic(Protocol):
    """What a barrier is about, for the claims that every barrier has to keep."""

    @property
    def barrier(self) -> UsageBarrier:
        """What tells of the topic."""

    async def send(self, partition: int, count: int) -> None:
        """Events are acknowledged."""

    async def take(self, partition: int, position: int) -> None:
        """Intake commits a position."""


@dataclass(slots=True)
class FakeTopic:
    """A topic of two partitions in memory."""

    barrier: FakeBarrier = field(default_factory=FakeBarrier)

    async def send(self, partition: int, count: int) -> None:
        """Events are acknowledged."""
        self.barrier.ends[partition] += count

    async def take(self, partition: int, position: int) -> None:
        """Intake commits a position."""
        self.barrier.positions[partition] = position


def rounds(world: World, barrier: UsageBarrier, *, batch: int = 500, grace: timedelta = timedelta()) -> Rounds:
    """Rounds in the world; the real clock stands still."""
    return Rounds(world.pool, world.outbox, barrier, lambda: REAL_NOW, grace, batch)


async def settle(made: Rounds) -> list[Round]:
    """Makes rounds until one does nothing."""
    done = [await made.once()]
    while done[-1].worked:
        done.append(await made.once())
    return done


async def set_clock(world: World, instant: datetime) -> None:
    """Moves the clock of acme."""
    async with world.work() as work:
        await clock.set_clock(work, ACME, instant)
