"""Claims about the process: one leads, it wakes at once, stops between rounds, and another follows a dead one."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from connectors.postgres.pool import Role, open_pool
from connectors.scheduler import Rounds, SchedulerMetrics, run_scheduler
from tests.scheduler.support import FakeBarrier, set_clock
from tests.services.world import REAL_NOW, World, file, subscribed

STARTED = "s1 SubscriptionStarted 2026-01-01"
CLOSED = [f"s1 CycleClosed 2026-0{month}-01" for month in (2, 3, 4)]
RESTS_S = 60.0
"""Far longer than any machine takes for a round: who works before it is over was woken."""
WITHIN_S = 50.0


@pytest.fixture(autouse=True)
def _rests_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler that finds nothing to do rests so long at once, and not only after many rounds."""
    monkeypatch.setattr("connectors.scheduler.loop._SHORTEST_REST_S", RESTS_S)


@asynccontextmanager
async def scheduler(
    world: World, name: str, registry: CollectorRegistry
) -> AsyncIterator[tuple[asyncio.Task[None], asyncio.Event]]:
    """A scheduler that runs as long as the block, with connections of its own."""
    stop = asyncio.Event()
    async with open_pool(world.url, Role.SERVICE, application_name=name) as pool:
        made = Rounds(pool, world.outbox, FakeBarrier(), lambda: REAL_NOW)
        running = asyncio.create_task(
            run_scheduler(made, stop=stop, metrics=SchedulerMetrics(registry), longest_rest_s=RESTS_S)
        )
        try:
            yield running, stop
        finally:
            stop.set()
            await asyncio.wait([running], timeout=WITHIN_S)


async def until(holds: Callable[[], Coroutine[Any, Any, bool]]) -> None:
    """Returns as soon as it holds."""
    async with asyncio.timeout(WITHIN_S):
        while not await holds():  # noqa: ASYNC110 - what is awaited stands in the database
            await asyncio.sleep(0.01)


def has_released(world: World, *commands: str) -> Callable[[], Coroutine[Any, Any, bool]]:
    async def holds() -> bool:
        return await world.released() == list(commands)

    return holds


def rests(registry: CollectorRegistry) -> Callable[[], Coroutine[Any, Any, bool]]:
    """Whether a round has found nothing, after the one that released what there was."""

    async def holds() -> bool:
        return (registry.get_sample_value("beaas_scheduler_round_seconds_count") or 0) >= 2

    return holds


async def test_it_wakes_when_a_clock_moves_and_stops_when_it_is_told(world: World) -> None:
    registry = CollectorRegistry()
    await world.apply(file(subscribed()))
    async with scheduler(world, "one", registry) as (running, stop):
        await until(has_released(world, STARTED))
        await until(rests(registry))
        await set_clock(world, datetime(2026, 2, 1, tzinfo=UTC))
        await until(has_released(world, STARTED, CLOSED[0]))
        stop.set()
        await asyncio.wait_for(running, WITHIN_S)
    assert registry.get_sample_value("beaas_scheduler_released_total") == 2
    assert registry.get_sample_value("beaas_scheduler_fallen_due_total") == 1
    assert registry.get_sample_value("beaas_scheduler_leads") == 0


async def test_one_leads_and_another_follows_when_its_session_is_cut(world: World) -> None:
    first, second = CollectorRegistry(), CollectorRegistry()
    await world.apply(file(subscribed()))
    async with scheduler(world, "first", first) as (leader, _):
        await until(has_released(world, STARTED))
        async with scheduler(world, "second", second) as (follower, _):
            await set_clock(world, datetime(2026, 2, 1, tzinfo=UTC))
            await until(has_released(world, STARTED, CLOSED[0]))
            assert second.get_sample_value("beaas_scheduler_leads") == 0
            await world.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'first'")
            with pytest.raises(psycopg.OperationalError):
                await asyncio.wait_for(leader, WITHIN_S)
            await set_clock(world, datetime(2026, 4, 1, tzinfo=UTC))
            await until(has_released(world, STARTED, *CLOSED))
            assert second.get_sample_value("beaas_scheduler_leads") == 1
            assert not follower.done()
