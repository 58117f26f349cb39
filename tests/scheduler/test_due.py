"""Claims about what falls due: each moment once, in its order, whatever the batches, and never before its time."""

from datetime import UTC, datetime, timedelta

import pytest

from connectors.services import subscriptions
from tests.scheduler.support import FakeBarrier, rounds, set_clock, settle
from tests.services.world import ACME, REAL_NOW, S1, World, file, on_real_clock, subscribed

CLOSES = [f"s1 CycleClosed 2026-{month:02}-01" for month in range(2, 13)]
YEAR_END = datetime(2027, 1, 1, tzinfo=UTC)


async def test_a_year_at_once_is_every_month_in_order(world: World) -> None:
    await world.apply(file(subscribed()))
    await set_clock(world, YEAR_END)
    await settle(rounds(world, FakeBarrier()))
    expected = ["s1 SubscriptionStarted 2026-01-01", *CLOSES, "s1 CycleClosed 2027-01-01"]
    assert (await world.commands(), await world.released()) == (expected, expected)
    assert await world.subscription() == ("active", YEAR_END, datetime(2027, 2, 1, tzinfo=UTC))


async def test_the_end_of_the_last_period_is_a_cancellation_and_no_close(world: World) -> None:
    await world.apply(file(subscribed(periods=12)))
    await set_clock(world, YEAR_END + timedelta(days=400))
    await settle(rounds(world, FakeBarrier()))
    assert await world.released() == [
        "s1 SubscriptionStarted 2026-01-01",
        *CLOSES,
        "s1 SubscriptionCanceled 2027-01-01",
    ]
    assert await world.subscription() == ("canceled", YEAR_END, None)


async def test_pending_becomes_trialing_becomes_active_each_at_its_time(world: World) -> None:
    await world.apply(file(subscribed(start="2026-01-10T00:00:00Z", trial_days=14)))
    states = []
    for day in (9, 10, 23, 24):
        await set_clock(world, datetime(2026, 1, day, tzinfo=UTC))
        await settle(rounds(world, FakeBarrier()))
        states.append((await world.subscription())[0])
    assert states == ["pending", "trialing", "trialing", "active"]
    assert await world.released() == ["s1 SubscriptionStarted 2026-01-10", "s1 CycleClosed 2026-01-24"]


@pytest.mark.parametrize("batch", [1, 2, 3, 7, 500])
async def test_whatever_the_batches_the_order_is_that_of_the_moments(world: World, batch: int) -> None:
    weekly = subscribed("s2", "c1", "weekly", "2026-01-05T00:00:00Z")
    text = file(subscribed(), weekly, subscribed("s3", "c2", "basic", "2026-01-19T00:00:00Z", periods=1))
    text = text.replace(
        "  - code: basic",
        "  - {code: weekly, billing_period: P1W, prices: [{code: w, type: recurring, amount: 1}]}\n  - code: basic",
    )
    await world.apply(text)
    await set_clock(world, datetime(2026, 2, 20, tzinfo=UTC))
    await settle(rounds(world, FakeBarrier(), batch=batch))
    expected = [
        "s1 SubscriptionStarted 2026-01-01",
        "s2 SubscriptionStarted 2026-01-05",
        "s2 CycleClosed 2026-01-12",
        "s2 CycleClosed 2026-01-19",
        "s3 SubscriptionStarted 2026-01-19",
        "s2 CycleClosed 2026-01-26",
        "s1 CycleClosed 2026-02-01",
        "s2 CycleClosed 2026-02-02",
        "s2 CycleClosed 2026-02-09",
        "s2 CycleClosed 2026-02-16",
        "s3 SubscriptionCanceled 2026-02-19",
    ]
    assert await world.commands() == expected
    assert await world.released() == expected


async def test_the_real_clock_waits_for_the_grace(world: World) -> None:
    ended = REAL_NOW - timedelta(minutes=10)
    start = f"{ended - timedelta(days=31):%Y-%m-%dT%H:%M:%SZ}"
    await world.apply(on_real_clock(file(subscribed(start=start))), now=REAL_NOW - timedelta(days=1))
    for grace, closes in ((timedelta(minutes=10, seconds=1), 0), (timedelta(minutes=10), 1)):
        await settle(rounds(world, FakeBarrier(), grace=grace))
        assert len(await world.released()) == 1 + closes


async def test_a_test_clock_waits_for_no_grace(world: World) -> None:
    await world.apply(file(subscribed()))
    await set_clock(world, datetime(2026, 2, 1, tzinfo=UTC))
    await settle(rounds(world, FakeBarrier(), grace=timedelta(days=7)))
    assert (await world.released())[-1] == "s1 CycleClosed 2026-02-01"


async def test_nothing_falls_due_before_its_time_or_in_a_pause(world: World) -> None:
    await world.apply(file(subscribed()))
    await set_clock(world, datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC))
    await settle(rounds(world, FakeBarrier()))
    assert await world.released() == ["s1 SubscriptionStarted 2026-01-01"]
    async with world.work() as work:
        await subscriptions.pause(work, ACME, S1, now=REAL_NOW)
    await set_clock(world, YEAR_END)
    await settle(rounds(world, FakeBarrier()))
    assert await world.released() == ["s1 SubscriptionStarted 2026-01-01", "s1 SubscriptionPaused 2026-01-31"]


async def test_every_moment_leaves_one_tick(world: World) -> None:
    await world.apply(file(subscribed()))
    await set_clock(world, datetime(2026, 3, 1, tzinfo=UTC))
    await settle(rounds(world, FakeBarrier()))
    await settle(rounds(world, FakeBarrier()))
    ticks = await world.rows("SELECT job, due_at FROM beaas.ticks ORDER BY due_at")
    assert ticks == [("subscription/s1", datetime(2026, month, 1, tzinfo=UTC)) for month in (1, 2, 3)]
