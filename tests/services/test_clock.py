"""Claims about test clocks: only forward, only where there is one; settled means that nothing is left to invoice."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from connectors.services.clock import Settlement, set_clock, settlement, wait_settled
from connectors.services.errors import Conflict, Unknown
from tests.services.world import ACME, JANUARY, World, file, on_real_clock, subscribed

FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)
WITHIN_S = 60.0


async def moved(world: World, instant: datetime) -> bool:
    async with world.work() as work:
        return await set_clock(work, ACME, instant)


async def test_a_test_clock_moves_forward_and_not_back(world: World) -> None:
    await world.apply(file())
    assert [await moved(world, FEBRUARY), await moved(world, FEBRUARY)] == [True, False]
    with pytest.raises(Conflict, match="is at 2026-02-01T00:00:00\\+00:00 and only moves forward"):
        await moved(world, FEBRUARY - timedelta(microseconds=1))
    assert await world.rows("SELECT test_clock FROM beaas.tenants") == [(FEBRUARY,)]


async def test_the_real_clock_is_not_ours_to_set(world: World) -> None:
    await world.apply(on_real_clock(file()))
    with pytest.raises(Conflict, match="lives on the real clock"):
        await moved(world, FEBRUARY)


async def test_an_unknown_tenant_is_named(world: World) -> None:
    with pytest.raises(Unknown, match="there is no tenant acme"):
        await moved(world, FEBRUARY)


async def test_it_is_settled_once_nothing_is_due_and_every_command_is_invoiced(world: World) -> None:
    await world.apply(file(subscribed(), subscribed("s2", "c2")))
    assert await settlement(world.pool, ACME, JANUARY) == Settlement(settled=0, total=2, due=0)
    assert await settlement(world.pool, ACME, FEBRUARY) == Settlement(settled=0, total=2, due=2)
    seen, first = list[Settlement](), asyncio.Event()

    def progress(now: Settlement) -> None:
        seen.append(now)
        first.set()

    waiting = asyncio.create_task(wait_settled(world.pool, ACME, JANUARY, timeout_s=WITHIN_S, progress=progress))
    await asyncio.wait_for(first.wait(), WITHIN_S)
    await world.rows("UPDATE beaas.journal_commands SET settled_at = now() RETURNING 1")
    done = await waiting
    assert seen == [Settlement(settled=0, total=2, due=0), done]
    assert done == Settlement(settled=2, total=2, due=0)


async def test_who_waits_for_what_does_not_settle_gives_up_in_time(world: World) -> None:
    await world.apply(file(subscribed()))
    with pytest.raises(TimeoutError):
        await wait_settled(world.pool, ACME, JANUARY, timeout_s=0.2)
