"""Claims about dying: whatever statement a scheduler dies before, the next one neither skips nor repeats anything."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

import psycopg
import pytest_asyncio
from psycopg import AsyncCursor

from connectors.postgres.pool import Pool, Role, open_pool
from connectors.scheduler import Rounds
from tests.scheduler.support import FakeBarrier, rounds, set_clock, settle
from tests.services.world import REAL_NOW, World, file, subscribed

MONTHS = 40  # more than a run has statements, so that each is died before once


class Died(Exception):
    """The process is gone."""


@dataclass(slots=True)
class Death:
    """Comes before the statement or the question to Kafka with this number."""

    at: int | None = None
    met: int = 0

    def step(self) -> None:
        """One more thing is about to be done.

        Raises:
            Died: it is the last.
        """
        self.met += 1
        if self.met == self.at:
            raise Died


DEATH = Death()


class MortalCursor(AsyncCursor[Any]):
    """A cursor whose process may die before it sends a statement."""

    async def execute(self, *args: Any, **options: Any) -> Self:
        """Dies or executes."""
        DEATH.step()
        return await super().execute(*args, **options)


@dataclass(slots=True)
class MortalBarrier(FakeBarrier):
    """A barrier whose process may die before it asks Kafka; intake has always passed everything."""

    async def end_offsets(self) -> dict[int, int]:
        """Dies or answers."""
        DEATH.step()
        return dict(self.ends)

    async def committed(self) -> dict[int, int]:
        """Dies or answers."""
        DEATH.step()
        return dict(self.ends)


@pytest_asyncio.fixture
async def mortal(world: World) -> AsyncIterator[Pool]:
    """Connections of a scheduler that dies."""
    pool = open_pool(world.url, Role.SERVICE, application_name="mortal")
    assert isinstance(pool.kwargs, dict)
    pool.kwargs["cursor_factory"] = MortalCursor
    async with pool:
        yield pool


async def test_dying_before_any_statement_neither_skips_nor_repeats(world: World, mortal: Pool) -> None:
    await world.apply(file(subscribed(), subscribed("s2", "c2")))
    dying = Rounds(mortal, world.outbox, MortalBarrier(), lambda: REAL_NOW)
    deaths = 0
    expected = ["s1 SubscriptionStarted 2026-01-01", "s2 SubscriptionStarted 2026-01-01"]
    for month in range(1, MONTHS):
        moment = datetime(2026 + month // 12, month % 12 + 1, 1, tzinfo=UTC)
        expected += [f"{code} CycleClosed {moment:%Y-%m-%d}" for code in ("s1", "s2")]
        await set_clock(world, moment)
        DEATH.at, DEATH.met = month, 0
        try:
            await settle(dying)
        except Died:
            deaths += 1
        DEATH.at = None
        await settle(rounds(world, MortalBarrier()))
    assert await world.released() == expected
    assert 20 <= deaths < MONTHS - 1, "every statement of a run has been died before, and some runs were whole"


@dataclass(frozen=True, slots=True)
class ReleasesInTwoTransactions(Rounds):
    """A planted bug: the event is committed before the command is marked, so a death between them repeats it."""

    async def release(self) -> tuple[int, bool]:
        """Wrong."""
        done, waiting = await Rounds.release(self)
        if done:
            async with self.pool.connection() as connection:
                await connection.execute(
                    "UPDATE beaas.journal_commands SET released_at = NULL WHERE released_at IS NOT NULL"
                )
        return done, waiting


async def test_a_second_release_is_stopped_by_the_events_id(world: World) -> None:
    await world.apply(file(subscribed()))
    planted = ReleasesInTwoTransactions(world.pool, world.outbox, FakeBarrier(), lambda: REAL_NOW)
    await planted.once()
    try:
        await planted.once()
        refused = False
    except psycopg.errors.UniqueViolation:
        refused = True
    assert (refused, await world.released()) == (True, ["s1 SubscriptionStarted 2026-01-01"])


async def test_two_schedulers_that_both_believe_to_lead_release_everything_once_in_order(world: World) -> None:
    await world.apply(file(subscribed(), subscribed("s2", "c2")))
    await set_clock(world, datetime(2028, 1, 1, tzinfo=UTC))
    both = [rounds(world, FakeBarrier(), batch=5), rounds(world, FakeBarrier(), batch=7)]
    await asyncio.gather(*(settle(made) for made in both))
    await settle(both[0])
    released = await world.released()
    for code in ("s1", "s2"):
        mine = [command for command in released if command.startswith(code)]
        closes = [f"{code} CycleClosed {2026 + n // 12}-{n % 12 + 1:02}-01" for n in range(1, 25)]
        assert mine == [f"{code} SubscriptionStarted 2026-01-01", *closes]
