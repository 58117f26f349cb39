"""Claims about what is agreed anew with a subscription that goes on: told in order, kept, and refused where wrong."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from billing.entry import (
    ChargeAdded,
    Coupon,
    CouponApplied,
    CouponRemoved,
    Entry,
    QuantityChanged,
    SubscriptionId,
    SubscriptionStarted,
)
from billing.errors import BillingError, IllegalTransition, InvalidDefinition
from connectors.catalogue_file.model import MOST_COUPONS
from connectors.postgres.pool import Role, open_pool
from connectors.postgres.unit_of_work import UnitOfWork, unit_of_work
from connectors.services import clock, store, subscriptions
from connectors.services.amendments import Charge
from connectors.services.apply import Counts
from connectors.services.errors import Conflict, Unknown
from connectors.services.lifecycle import HeldCoupon
from schemas import records
from tests.services.world import ACME, JANUARY, REAL_NOW, S1, World, file, subscribed

JANUARY_15 = datetime(2026, 1, 15, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
MARCH_15 = datetime(2026, 3, 15, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)
MAY = datetime(2026, 5, 1, tzinfo=UTC)
STARTED = "s1 SubscriptionStarted 2026-01-01"
CLOSED = ["s1 CycleClosed 2026-02-01", "s1 CycleClosed 2026-03-01"]
COUPONS = """  coupons:
  - {code: TENTH, percent_off: '10', periods: 2}
  - {code: FIVE, amount_off: '5.00', prices: [base]}
"""
TENTH = Coupon(code="TENTH", percent_off="10", periods=2)
FIVE = Coupon(code="FIVE", amount_off="5.00", prices=("base",))
Amendment = Callable[[UnitOfWork], Awaitable[object]]


def offering(text: str) -> str:
    """The file with coupons."""
    return text.replace("  customers:", COUPONS + "  customers:")


def change_quantity(quantity: str = "3", price: str = "base") -> Amendment:
    return lambda work: subscriptions.change_quantity(work, ACME, S1, price, quantity, now=REAL_NOW)


def add_charge(charge: Charge | None = None, charge_id: str | None = None) -> Amendment:
    wanted = charge or Charge("setup", "-7.50", "2", taxable=False, at_once=True)
    return lambda work: subscriptions.add_charge(work, ACME, S1, wanted, now=REAL_NOW, charge_id=charge_id)


def apply_coupon(coupon: str = "TENTH") -> Amendment:
    return lambda work: subscriptions.apply_coupon(work, ACME, S1, coupon, now=REAL_NOW)


def remove_coupon(coupon: str = "TENTH") -> Amendment:
    return lambda work: subscriptions.remove_coupon(work, ACME, S1, coupon, now=REAL_NOW)


AMENDMENTS = {"quantity": change_quantity(), "charge": add_charge(), "coupon": apply_coupon()}


async def done(world: World, *amendments: Amendment) -> None:
    """Each in a unit of work of its own."""
    for amendment in amendments:
        async with world.work() as work:
            await amendment(work)


async def set_clock(world: World, instant: datetime) -> None:
    async with world.work() as work:
        await clock.set_clock(work, ACME, instant)


async def told(world: World) -> list[Entry]:
    """What the journal is told after the start and the closes."""
    rows = await world.rows("SELECT payload FROM beaas.journal_commands ORDER BY sequence")
    entries = [world.codec.decode_journal(payload) for (payload,) in rows]
    return [entry for entry in entries if not type(entry).__name__.startswith(("SubscriptionStarted", "CycleClosed"))]


async def held(world: World) -> tuple[HeldCoupon, ...]:
    async with world.work() as work:
        ((subscription),) = await store.load(work.connection, [(ACME, S1)])
    return subscription.coupons


def common(entry: Any) -> dict[str, Any]:
    """What every command has, as this one has it."""
    names = ("command_id", "tenant", "customer", "subscription", "at_us", "correlation_id")
    return {name: getattr(entry, name) for name in names}


async def test_an_amendment_is_told_after_what_was_due_and_leaves_state_and_due_moment(world: World) -> None:
    await world.apply(offering(file(subscribed())))
    await set_clock(world, MARCH_15)
    await done(world, *AMENDMENTS.values(), remove_coupon())
    assert await world.subscription() == ("active", MARCH_15, APRIL)
    kinds = ["QuantityChanged", "ChargeAdded", "CouponApplied", "CouponRemoved"]
    assert await world.commands() == [STARTED, *CLOSED, *(f"s1 {kind} 2026-03-15" for kind in kinds)]
    entries = await told(world)
    assert entries == [
        QuantityChanged(**common(entries[0]), price="base", quantity="3"),
        ChargeAdded(**common(entries[1]), code="setup", amount="-7.50", quantity="2", taxable=False, at_once=True),
        CouponApplied(**common(entries[2]), coupon=TENTH),
        CouponRemoved(**common(entries[3]), code="TENTH"),
    ]


async def test_no_amendment_waits_for_usage(world: World) -> None:
    await world.apply(offering(file(subscribed())))
    await done(world, *AMENDMENTS.values(), remove_coupon())
    barriers = await world.rows("SELECT DISTINCT barrier FROM beaas.journal_commands")
    assert barriers == [(False,)]


@pytest.mark.parametrize("amendment", AMENDMENTS.values(), ids=AMENDMENTS)
@pytest.mark.parametrize("state", ["trialing", "paused"])
async def test_a_trial_and_a_pause_take_amendments(world: World, amendment: Amendment, state: str) -> None:
    await world.apply(offering(file(subscribed(trial_days=14) if state == "trialing" else subscribed())))
    if state == "paused":
        async with world.work() as work:
            await subscriptions.pause(work, ACME, S1, now=REAL_NOW)
    before = await world.subscription()
    await done(world, amendment)
    assert await world.subscription() == before
    assert before[0] == state
    assert len(await told(world)) == (2 if state == "paused" else 1)


@pytest.mark.parametrize("amendment", [*AMENDMENTS.values(), remove_coupon()], ids=[*AMENDMENTS, "removal"])
async def test_before_the_start_and_after_the_end_every_amendment_is_refused(
    world: World, amendment: Amendment
) -> None:
    await world.apply(offering(file(subscribed(start="2026-02-01T00:00:00Z"))))
    before = await world.counts()
    with pytest.raises(Conflict, match=r"subscription acme/s1 starts at 2026-02-01T00:00:00\+00:00"):
        await done(world, amendment)
    assert await world.counts() == before
    async with world.work() as work:
        await subscriptions.cancel(work, ACME, S1, now=REAL_NOW)
    with pytest.raises(IllegalTransition, match="canceled cannot amend; it allows nothing any more; start a new"):
        await done(world, amendment)


async def test_a_subscription_whose_start_is_due_is_started_first(world: World) -> None:
    await world.apply(file(subscribed(start="2026-02-01T00:00:00Z")))
    await set_clock(world, FEBRUARY)
    await done(world, change_quantity())
    assert await world.commands() == ["s1 SubscriptionStarted 2026-02-01", "s1 QuantityChanged 2026-02-01"]


REFUSED: dict[str, tuple[Amendment, type[BillingError], str]] = {
    "a price that the plan has not": (change_quantity(price="x"), Unknown, "plan pro has no recurring price x; it has"),
    "a price of usage": (change_quantity(price="calls"), Unknown, "no recurring price calls; it has base"),
    "a quantity below 0": (change_quantity("-1"), InvalidDefinition, "quantity: is -1; a decimal of at least 0"),
    "a quantity that is none": (change_quantity("3 seats"), InvalidDefinition, "quantity: '3 seats' is no decimal"),
    "a charge of nothing": (add_charge(Charge("x", "0.00")), InvalidDefinition, "amount: is 0"),
    "a charge that is none": (add_charge(Charge("x", "1,5")), InvalidDefinition, "amount: '1,5' is no decimal"),
    "no charge at all": (add_charge(Charge("x", "1", "0")), InvalidDefinition, "quantity: is 0; a decimal above 0"),
    "a charge without a name": (add_charge(Charge("", "1")), InvalidDefinition, "code: '' is no code"),
    "a coupon that there is not": (apply_coupon("SIX"), Unknown, "tenant acme has no coupon SIX; it has FIVE, TENTH"),
    "a coupon that is not in force": (remove_coupon(), Conflict, "TENTH is not in force .*; in force are none"),
}


@pytest.mark.parametrize(("amendment", "error", "message"), REFUSED.values(), ids=REFUSED)
async def test_what_can_not_be_is_refused_and_nothing_has_changed(
    world: World, amendment: Amendment, error: type[BillingError], message: str
) -> None:
    await world.apply(offering(file(subscribed())))
    before = await world.counts()
    with pytest.raises(error, match=message):
        await done(world, amendment)
    assert await world.counts() == before


async def test_a_quantity_of_zero_and_of_a_fraction_is_one(world: World) -> None:
    await world.apply(file(subscribed()))
    await done(world, change_quantity("0"), change_quantity("2.50"))
    assert [getattr(entry, "quantity", None) for entry in await told(world)] == ["0", "2.5"]


async def test_a_charge_with_an_id_is_added_once_even_at_once_and_later_and_without_one_every_time(
    world: World,
) -> None:
    await world.apply(file(subscribed()))
    await asyncio.gather(*(done(world, add_charge(charge_id="order-7")) for _ in range(3)))
    await set_clock(world, MARCH_15)
    await done(world, add_charge(charge_id="order-7"))
    assert len(await told(world)) == 1
    await done(world, add_charge(), add_charge())
    assert len(await told(world)) == 3


async def test_the_id_of_a_charge_is_its_subscriptions_own(world: World) -> None:
    await world.apply(file(subscribed(), subscribed("s2")))
    charge, s2 = Charge("setup", "5"), SubscriptionId("s2")
    await done(
        world,
        add_charge(charge, "1"),
        lambda work: subscriptions.add_charge(work, ACME, s2, charge, now=REAL_NOW, charge_id="1"),
    )
    assert [entry.subscription for entry in await told(world) if isinstance(entry, ChargeAdded)] == ["s1", "s2"]


async def test_a_coupon_is_kept_as_it_was_given_until_it_ends(world: World) -> None:
    await world.apply(offering(file(subscribed())))
    await set_clock(world, JANUARY_15)
    await done(world, apply_coupon(), apply_coupon("FIVE"))
    await world.apply(offering(file(subscribed())).replace("'10'", "'20'"))
    assert await held(world) == (HeldCoupon(TENTH, JANUARY_15, MARCH), HeldCoupon(FIVE, JANUARY_15, None))
    with pytest.raises(Conflict, match="coupon TENTH is in force for subscription acme/s1 already; remove it first"):
        await done(world, apply_coupon())
    await set_clock(world, MARCH)
    await done(world, apply_coupon())
    again = Coupon(code="TENTH", percent_off="20", periods=2)
    assert await held(world) == (HeldCoupon(FIVE, JANUARY_15, None), HeldCoupon(again, MARCH, MAY))


async def test_a_coupon_that_was_removed_may_be_given_again(world: World) -> None:
    await world.apply(offering(file(subscribed())))
    await done(world, apply_coupon(), remove_coupon(), apply_coupon())
    assert await held(world) == (HeldCoupon(TENTH, JANUARY, MARCH),)
    assert [type(entry) for entry in await told(world)] == [CouponApplied, CouponRemoved, CouponApplied]


async def test_a_coupon_that_has_ended_can_not_be_removed(world: World) -> None:
    await world.apply(offering(file(subscribed())))
    await done(world, apply_coupon())
    await set_clock(world, MARCH)
    with pytest.raises(Conflict, match="TENTH is not in force"):
        await done(world, remove_coupon())


async def test_in_a_trial_a_coupons_periods_count_from_the_trials_end(world: World) -> None:
    await world.apply(offering(file(subscribed(trial_days=45))))
    await done(world, apply_coupon())
    assert await held(world) == (HeldCoupon(TENTH, JANUARY, APRIL),)


async def test_a_subscription_has_only_as_many_coupons_as_may_travel_with_it(world: World) -> None:
    coupons = "".join(f"  - {{code: C{number}, percent_off: 1}}\n" for number in range(MOST_COUPONS))
    text = offering(file(subscribed())).replace("  customers:", coupons + "  customers:")
    await world.apply(text)
    await done(world, *(apply_coupon(f"C{number}") for number in range(MOST_COUPONS)))
    with pytest.raises(Conflict, match=f"has {MOST_COUPONS} coupons in force; remove one first"):
        await done(world, apply_coupon())


async def test_coupons_of_a_file_begin_with_the_subscription(world: World) -> None:
    text = offering(file(subscribed(coupons="[FIVE, TENTH]")))
    applied = await world.apply(text)
    assert applied.coupons == Counts(created=2)
    ((payload,),) = await world.rows("SELECT payload FROM beaas.journal_commands")
    started = world.codec.decode_journal(payload)
    assert isinstance(started, SubscriptionStarted)
    assert started.coupons == (FIVE, TENTH)
    assert await held(world) == (HeldCoupon(FIVE, JANUARY, None), HeldCoupon(TENTH, JANUARY, MARCH))
    assert (await world.apply(text)).nothing


async def test_a_later_start_begins_with_the_coupons_as_they_were_agreed(world: World) -> None:
    text = offering(file(subscribed(start="2026-02-01T00:00:00Z", coupons="[TENTH]")))
    await world.apply(text)
    await world.apply(text.replace("'10'", "'20'"))
    await set_clock(world, FEBRUARY)
    await done(world, change_quantity())
    rows = await world.rows("SELECT payload FROM beaas.journal_commands ORDER BY sequence")
    started = world.codec.decode_journal(rows[0][0])
    assert isinstance(started, SubscriptionStarted)
    assert started.coupons == (TENTH,)
    assert await held(world) == (HeldCoupon(TENTH, FEBRUARY, APRIL),)


async def test_coupons_are_counted_and_told_of_like_meters(world: World) -> None:
    text = offering(file())
    assert (await world.apply(text)).coupons == Counts(created=2)
    applied = await world.apply(text.replace("'10'", "'20'"))
    assert applied.coupons == Counts(changed=1, unchanged=1)
    assert applied.plans == Counts(unchanged=2)
    saved = [event for event in await world.events("catalog") if isinstance(event, records.CouponSaved)]
    assert [(event.coupon, event.definition) for event in saved] == [
        ("TENTH", '{"code":"TENTH","percent_off":"10","periods":"2"}'),
        ("FIVE", '{"amount_off":"5.00","code":"FIVE","prices":["base"]}'),
        ("TENTH", '{"code":"TENTH","percent_off":"20","periods":"2"}'),
    ]
    assert (await world.apply(text.replace("'10'", "'20'"))).nothing


async def test_a_coupon_of_more_digits_than_another_currency_has_is_not_given(world: World) -> None:
    await world.apply(offering(file()).replace("'5.00'", "'5.25'"))
    await world.apply(file(subscribed()).replace("USD", "JPY").replace("'29.00'", "'29'").replace("'10.00'", "'10'"))
    with pytest.raises(InvalidDefinition, match="amount_off"):
        await done(world, apply_coupon("FIVE"))


async def test_the_role_behind_http_amends(world: World) -> None:
    await world.apply(offering(file(subscribed())))
    async with open_pool(world.url, Role.API, application_name="test api") as pool:
        for amendment in (*AMENDMENTS.values(), remove_coupon()):
            async with unit_of_work(pool, ACME, outbox=world.outbox) as work:
                await amendment(work)
    assert len(await told(world)) == 4
