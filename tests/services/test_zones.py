"""Claims about a tenant that moves: every boundary up to the end of the open period stays, later ones are elsewhere."""

import asyncio
from datetime import UTC, datetime

import pytest

from billing.entry import Entry, FormerZone, PlanChanged, SubscriptionId, ZoneChanged
from connectors.catalogue_file.model import Anchor, PlanCode
from connectors.catalogue_file.model import Subscription as Wanted
from connectors.services import catalog, clock, store, subscriptions
from connectors.services.errors import Conflict
from connectors.services.lifecycle import Subscription, fall_due_until
from tests.services.world import ACME, C1, JANUARY, REAL_NOW, S1, World, file, subscribed

JANUARY_15 = datetime(2026, 1, 15, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)
MARCH_15 = datetime(2026, 3, 15, tzinfo=UTC)
TOKYO = "Asia/Tokyo"
TOKYOS_MARCH = datetime(2026, 2, 28, 15, tzinfo=UTC)
TOKYOS_APRIL = datetime(2026, 3, 31, 15, tzinfo=UTC)


def in_tokyo(text: str) -> str:
    return text.replace("timezone: UTC", f"timezone: {TOKYO}")


async def set_clock(world: World, instant: datetime) -> None:
    async with world.work() as work:
        await clock.set_clock(work, ACME, instant)


async def found(world: World, code: SubscriptionId = S1) -> Subscription:
    async with world.work() as work:
        ((subscription),) = await store.load(work.connection, [(ACME, code)])
    return subscription


def due(subscription: Subscription, until: datetime) -> list[datetime]:
    """When its next steps fall due."""
    return [step.at for step in fall_due_until([subscription], {ACME: until}, 100)]


async def newest(world: World) -> Entry:
    ((payload,),) = await world.rows("SELECT payload FROM beaas.journal_commands ORDER BY sequence DESC LIMIT 1")
    return world.codec.decode_journal(payload)


async def test_an_open_period_ends_where_it_would_have_and_the_next_ends_elsewhere(world: World) -> None:
    await world.apply(file(subscribed()))
    await set_clock(world, JANUARY_15)
    await world.apply(in_tokyo(file(subscribed())))
    assert await world.subscription() == ("active", JANUARY_15, FEBRUARY)
    moved = await found(world)
    assert moved.terms.former_zones == (FormerZone("UTC", "2026-02-01T00:00:00"),)
    assert due(moved, MARCH_15) == [FEBRUARY, TOKYOS_MARCH]
    told = await newest(world)
    assert isinstance(told, ZoneChanged)
    assert told.terms == moved.terms
    assert await world.rows("SELECT barrier FROM beaas.journal_commands WHERE kind = 'ZoneChanged'") == [(False,)]


async def test_a_tenant_moves_once(world: World) -> None:
    await world.apply(file(subscribed()))
    assert not (await world.apply(in_tokyo(file(subscribed())))).nothing
    before = await world.counts()
    assert (await world.apply(in_tokyo(file(subscribed())))).nothing
    assert await world.counts() == before


async def test_all_its_live_subscriptions_move_whether_the_file_names_them_or_not_and_nobody_elses(
    world: World,
) -> None:
    three = subscribed(), subscribed("s2", "c2"), subscribed("s3", "c2")
    other = file(subscribed(), code="other").removeprefix("tenants:")
    await world.apply(file(*three) + other)
    async with world.work() as work:
        await subscriptions.cancel(work, ACME, SubscriptionId("s3"), now=REAL_NOW)
    await world.apply(in_tokyo(file(subscribed("s1"))) + other)
    moved = await world.rows(
        "SELECT tenant_id, subscription_id FROM beaas.journal_commands WHERE kind = 'ZoneChanged' ORDER BY 1, 2"
    )
    assert moved == [("acme", "s1"), ("acme", "s2")]
    zones = await world.rows(
        "SELECT tenant_id, subscription_id, terms->>'timezone' FROM beaas.subscriptions ORDER BY 1, 2"
    )
    assert zones == [("acme", "s1", TOKYO), ("acme", "s2", TOKYO), ("acme", "s3", "UTC"), ("other", "s1", "UTC")]


async def test_what_was_due_before_is_told_before(world: World) -> None:
    await world.apply(file(subscribed(), subscribed("s2", "c2", start="2026-03-01T00:00:00Z")))
    await set_clock(world, MARCH_15)
    await world.apply(in_tokyo(file()))
    assert await world.commands() == [
        "s1 SubscriptionStarted 2026-01-01",
        "s1 CycleClosed 2026-02-01",
        "s1 CycleClosed 2026-03-01",
        "s2 SubscriptionStarted 2026-03-01",
        "s1 ZoneChanged 2026-03-15",
        "s2 ZoneChanged 2026-03-15",
    ]


async def test_an_end_after_so_many_periods_moves_with_them(world: World) -> None:
    await world.apply(file(subscribed(periods=3), subscribed("s2", periods=1)))
    await world.apply(in_tokyo(file()))
    assert due(await found(world), REAL_NOW) == [FEBRUARY, TOKYOS_MARCH, TOKYOS_APRIL]
    assert (await found(world)).cancel_at == TOKYOS_APRIL
    assert (await found(world, SubscriptionId("s2"))).cancel_at == FEBRUARY


async def test_a_trial_ends_where_it_would_have(world: World) -> None:
    await world.apply(file(subscribed(trial_days=20)))
    await world.apply(in_tokyo(file()))
    trial_end = datetime(2026, 1, 21, tzinfo=UTC)
    assert await world.subscription() == ("trialing", JANUARY, trial_end)
    assert due(await found(world), MARCH_15) == [trial_end, datetime(2026, 1, 31, 15, tzinfo=UTC), TOKYOS_MARCH]


async def test_after_a_pause_all_boundaries_are_elsewhere(world: World) -> None:
    await world.apply(file(subscribed(periods=3)))
    async with world.work() as work:
        await subscriptions.pause(work, ACME, S1, now=REAL_NOW)
    await set_clock(world, JANUARY_15)
    await world.apply(in_tokyo(file()))
    assert await world.subscription() == ("paused", JANUARY_15, TOKYOS_APRIL)
    async with world.work() as work:
        resumed = await subscriptions.resume(work, ACME, S1, now=REAL_NOW)
    assert due(resumed, REAL_NOW) == [datetime(2026, 1, 31, 15, tzinfo=UTC), TOKYOS_MARCH, TOKYOS_APRIL]


async def test_what_has_not_started_is_agreed_anew_and_the_journal_is_told_at_its_start(world: World) -> None:
    """A calendar's first is another moment in another zone; a subscription's own start is the same."""
    start = "2026-02-01T00:00:00Z"
    later = (
        subscribed("own", start=start, periods=2),
        subscribed("first", start=start, periods=2, anchor="calendar"),
        subscribed("middle", start="2026-02-14T00:00:00Z", periods=2, anchor="calendar"),
    )
    await world.apply(file(*later))
    await world.apply(in_tokyo(file(*later)))
    assert await world.commands() == []
    rows = await world.rows(
        "SELECT subscription_id, anchor_at, cancel_at, next_due_at, terms->'former_zones' FROM beaas.subscriptions"
    )
    tokyos_february = datetime(2026, 1, 31, 15, tzinfo=UTC)
    assert {code: rest for code, *rest in rows} == {
        "own": [FEBRUARY, datetime(2026, 4, 1, tzinfo=UTC), FEBRUARY, []],
        "first": [tokyos_february, TOKYOS_APRIL, FEBRUARY, []],
        "middle": [tokyos_february, TOKYOS_APRIL, datetime(2026, 2, 14, tzinfo=UTC), []],
    }


async def test_it_is_as_if_it_had_been_agreed_in_the_new_zone(world: World) -> None:
    start = "2026-02-14T00:00:00Z"
    coupons = "  coupons: [{code: ONCE, percent_off: 5, periods: 1}]\n"

    def text(code: str) -> str:
        return file(subscribed(code, start=start, periods=2, anchor="calendar", coupons="[ONCE]")).replace(
            "  customers:", coupons + "  customers:"
        )

    await world.apply(text("before"))
    await world.apply(in_tokyo(text("after")))
    rows = await world.rows(
        "SELECT anchor_at, cancel_at, next_due_at, on_calendar, terms, coupons FROM beaas.subscriptions"
    )
    assert len(rows) == 2
    assert rows[0] == rows[1]


async def test_a_plan_change_later_and_in_the_same_file_keeps_where_it_was_before(world: World) -> None:
    await world.apply(file(subscribed()))
    await world.apply(in_tokyo(file(subscribed(plan="basic"))))
    assert [command.split()[1] for command in await world.commands()] == [
        "SubscriptionStarted",
        "ZoneChanged",
        "PlanChanged",
    ]
    async with world.work() as work:
        await subscriptions.change_plan(work, ACME, S1, "pro", now=REAL_NOW)
    changed = await found(world)
    assert (changed.terms.plan, changed.terms.timezone) == ("pro", TOKYO)
    assert changed.terms.former_zones == (FormerZone("UTC", "2026-02-01T00:00:00"),)
    told = await newest(world)
    assert isinstance(told, PlanChanged)
    assert told.terms == changed.terms
    assert due(changed, MARCH_15) == [FEBRUARY, TOKYOS_MARCH]


async def test_moving_on_before_the_period_has_ended_forgets_where_it_never_was(world: World) -> None:
    await world.apply(file(subscribed()))
    await world.apply(in_tokyo(file()))
    await world.apply(file().replace("timezone: UTC", "timezone: Europe/Berlin"))
    terms = (await found(world)).terms
    assert (terms.timezone, terms.former_zones) == ("Europe/Berlin", (FormerZone("UTC", "2026-02-01T00:00:00"),))
    assert due(await found(world), MARCH_15) == [FEBRUARY, datetime(2026, 2, 28, 23, tzinfo=UTC)]


async def test_a_zone_too_far_for_so_short_a_period_is_refused_and_nothing_has_changed(world: World) -> None:
    daily = file(subscribed()).replace("P1M", "P1D").replace("timezone: UTC", "timezone: Pacific/Niue")
    await world.apply(daily)
    before = await world.counts(), await world.subscription()
    with pytest.raises(Conflict, match=r"subscription acme/s1 can't move to Pacific/Kiritimati: .*between the two"):
        await world.apply(daily.replace("Niue", "Kiritimati"))
    assert (await world.counts(), await world.subscription()) == before
    assert await world.rows("SELECT timezone FROM beaas.tenants") == [("Pacific/Niue",)]


async def test_whoever_subscribes_while_its_tenant_moves_is_in_the_new_zone(world: World) -> None:
    """Agreed by what the tenant was a moment ago, it would stay behind for ever: nobody moves it later."""
    await world.apply(file())
    wanted = Wanted(S1, C1, PlanCode("pro"), JANUARY, Anchor.SUBSCRIPTION)

    async def subscribe() -> Subscription:
        async with world.work() as work:
            return await subscriptions.subscribe(work, ACME, wanted, now=REAL_NOW)

    async with world.work() as work:
        (state,) = (await catalog.lock_tenants(work.connection, [ACME])).values()
        moved = catalog.TenantState(ACME, state.currency, TOKYO, state.tax_percent, state.test_clock)
        await catalog.save_tenants(work, [moved], REAL_NOW)
        subscribing = asyncio.create_task(subscribe())
        while not await world.rows("SELECT 1 FROM pg_locks WHERE NOT granted"):
            assert not subscribing.done()
            await asyncio.sleep(0.01)
    assert (await subscribing).terms.timezone == TOKYO
