"""Claims about `beaas apply`: all of a file or nothing, once; what exists changes only as a file may change it."""

import asyncio
from datetime import UTC, datetime

import pytest

from billing.entry import SubscriptionStarted
from connectors.services.apply import Applied, Counts
from connectors.services.errors import Conflict
from schemas import records
from tests.services.world import JANUARY, World, file, on_real_clock, subscribed

FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)


async def test_a_file_makes_everything_and_says_what(world: World) -> None:
    applied = await world.apply(file(subscribed()))
    one = Counts(created=1)
    assert applied == Applied(one, one, Counts(created=2), Counts(created=2), one)
    assert await world.subscription() == ("active", JANUARY, FEBRUARY)
    assert await world.commands() == ["s1 SubscriptionStarted 2026-01-01"]
    assert [type(event).__name__ for event in await world.events("catalog")] == [
        "TenantSaved",
        "MeterSaved",
        "PlanVersionPublished",
        "PlanVersionPublished",
    ]
    assert [event.to_wire() for event in await world.events("customer")] == [
        {"tenant_id": "acme", "customer_id": "c1", "name": "c1"},
        {"tenant_id": "acme", "customer_id": "c2", "name": "c2"},
    ]
    states = [(event.state_before, event.state) for event in await state_changes(world)]
    assert states == [(None, "pending"), ("pending", "active")]


async def state_changes(world: World) -> list[records.SubscriptionStateChanged]:
    return [
        event for event in await world.events("subscription") if isinstance(event, records.SubscriptionStateChanged)
    ]


async def test_the_same_file_again_writes_nothing(world: World) -> None:
    text = file(subscribed(), subscribed("s2", "c2", periods=3, anchor="calendar", start="2026-03-17T00:00:00Z"))
    await world.apply(text)
    before = await world.counts(), await world.rows("SELECT xmin::text FROM beaas.customers ORDER BY customer_id")
    applied = await world.apply(text)
    after = await world.counts(), await world.rows("SELECT xmin::text FROM beaas.customers ORDER BY customer_id")
    assert (applied.nothing, after) == (True, before)
    assert applied.subscriptions == Counts(unchanged=2)


async def test_the_same_file_twice_at_once_is_applied_once(world: World) -> None:
    both = await asyncio.gather(*(world.apply(file(subscribed())) for _ in range(2)))
    assert sorted(applied.nothing for applied in both) == [False, True]
    assert await world.commands() == ["s1 SubscriptionStarted 2026-01-01"]


async def test_a_start_in_the_tenants_future_stays_pending(world: World) -> None:
    await world.apply(file(subscribed(start="2026-02-01T00:00:00Z", trial_days=14)))
    assert await world.subscription() == ("pending", None, FEBRUARY)
    assert await world.commands() == []


async def test_a_start_in_the_past_starts_then_and_what_was_due_is_due(world: World) -> None:
    await world.apply(file(subscribed(), clock="2026-06-15T00:00:00Z"))
    assert await world.subscription() == ("active", JANUARY, FEBRUARY)


async def test_the_command_carries_all_that_pricing_needs(world: World) -> None:
    await world.apply(file(subscribed(start="2026-01-17T00:00:00Z", anchor="calendar"), clock="2026-01-17T00:00:00Z"))
    ((payload,),) = await world.rows("SELECT payload FROM beaas.journal_commands")
    started = world.codec.decode_journal(payload)
    assert isinstance(started, SubscriptionStarted)
    assert started.anchor_us == 1_767_225_600_000_000
    assert (started.terms.plan, started.terms.plan_version, started.terms.billing_period) == ("pro", 1, "P1M")
    assert (started.terms.currency, started.terms.timezone, started.terms.tax_percent) == ("USD", "UTC", "0")
    assert [price["code"] for price in started.terms.prices] == ["base", "calls"]
    assert started.terms.meters == ({"aggregation": "sum", "code": "calls", "event": "api.call", "property": "n"},)


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("'29.00'", "'30.00'", ["pro 2"]),
        ("aggregation: sum", "aggregation: max", ["pro 2"]),
        ("billing_period: P1M", "billing_period: P1Y", ["basic 2", "pro 2"]),
        ("code: calls, event: api.call", "event: api.call,     code: calls", []),
    ],
)
async def test_a_plan_gets_a_version_where_it_is_another_and_only_there(
    world: World, old: str, new: str, changed: list[str]
) -> None:
    await world.apply(file(subscribed()))
    applied = await world.apply(file(subscribed()).replace(old, new))
    assert applied.plans.changed == len(changed)
    versions = await world.rows("SELECT plan_id, version FROM beaas.plan_versions WHERE version > 1 ORDER BY plan_id")
    assert [f"{plan} {version}" for plan, version in versions] == changed
    assert await world.commands() == ["s1 SubscriptionStarted 2026-01-01"]


async def test_a_meter_does_not_change_under_a_plan_that_needs_it_as_it_was(world: World) -> None:
    """Its next version would be agreed on, and refused by the journal."""
    price = "model: per_unit, unit_amount: '0.10'"
    await world.apply(file().replace(price, "model: percentage, rate_percent: '2'"))
    before = await world.counts()
    meter = "tenants:\n- code: acme\n  currency: USD\n  timezone: UTC\n  test_clock: '2026-01-01T00:00:00Z'\n  meters:"
    with pytest.raises(Conflict, match=r"plan acme/pro does not fit .* prices\[1\].meter: percentage prices"):
        await world.apply(meter + " [{code: calls, event: api.call, aggregation: count}]\n")
    assert await world.counts() == before


async def test_a_new_version_is_for_those_that_come_after_it(world: World) -> None:
    await world.apply(file(subscribed()))
    await world.apply(file(subscribed(), subscribed("s2", "c2")).replace("'29.00'", "'30.00'"))
    rows = await world.rows("SELECT subscription_id, plan_version FROM beaas.subscriptions ORDER BY subscription_id")
    assert rows == [("s1", 1), ("s2", 2)]


async def test_another_plan_in_the_file_is_a_change_now(world: World) -> None:
    await world.apply(file(subscribed()))
    applied = await world.apply(file(subscribed(plan="basic")))
    assert applied.subscriptions == Counts(changed=1)
    assert await world.commands() == ["s1 SubscriptionStarted 2026-01-01", "s1 PlanChanged 2026-01-01"]
    assert await world.rows("SELECT plan_id, terms->>'plan' FROM beaas.subscriptions") == [("basic", "basic")]
    assert (await world.apply(file(subscribed(plan="basic")))).nothing


async def test_a_plan_change_comes_after_what_was_due_before_it(world: World) -> None:
    await world.apply(on_real_clock(file(subscribed())), now=JANUARY)
    await world.apply(on_real_clock(file(subscribed(plan="basic"))), now=datetime(2026, 3, 15, tzinfo=UTC))
    assert (await world.commands())[1:] == [
        "s1 CycleClosed 2026-02-01",
        "s1 CycleClosed 2026-03-01",
        "s1 PlanChanged 2026-03-15",
    ]


async def test_tax_counts_for_later_terms_only(world: World) -> None:
    await world.apply(file(subscribed()))
    changed = file(subscribed(), subscribed("s2", "c2")).replace("timezone: UTC", "timezone: UTC\n  tax_percent: 10")
    assert (await world.apply(changed)).tenants == Counts(changed=1)
    rows = await world.rows("SELECT subscription_id, terms->>'tax_percent' FROM beaas.subscriptions ORDER BY 1")
    assert rows == [("s1", "0"), ("s2", "10")]


async def test_a_clock_is_set_at_creation_and_never_by_a_file_again(world: World) -> None:
    await world.apply(file(clock="2026-01-01T00:00:00Z"))
    for other in ("2027-01-01T00:00:00Z", "2025-01-01T00:00:00Z"):
        assert (await world.apply(file(clock=other))).nothing
    assert await world.rows("SELECT test_clock FROM beaas.tenants") == [(JANUARY,)]


async def test_what_can_not_become_so_is_refused_and_nothing_of_the_file_is_applied(world: World) -> None:
    await world.apply(file(subscribed()))
    before = await world.counts()
    other = file(subscribed(), code="other")
    for bad, message in {
        file(subscribed(), subscribed("s2")).replace("USD", "EUR"): "its currency can't become EUR",
        file(subscribed(customer="c2"), subscribed("s2")): "subscription acme/s1 is of customer c1 from 2026-01-01",
        file(subscribed(start="2026-01-02T00:00:00Z")): "give the new one another code",
    }.items():
        with pytest.raises(Conflict, match=message):
            await world.apply(other + bad.removeprefix("tenants:"))
    assert await world.counts() == before


async def test_a_tenant_on_the_real_clock_gets_no_test_clock(world: World) -> None:
    await world.apply(on_real_clock(file()))
    with pytest.raises(Conflict, match="lives on the real clock"):
        await world.apply(file())


async def test_the_currency_of_a_tenant_without_subscriptions_may_change(world: World) -> None:
    await world.apply(file())
    assert (await world.apply(file().replace("USD", "EUR"))).tenants == Counts(changed=1)


async def test_thousands_of_customers_are_a_few_statements(world: World) -> None:
    many = 3_000
    text = file(*(subscribed(f"s{n}", f"c{n}") for n in range(many)))
    customers = "customers:" + "".join(f"\n  - {{code: c{n}}}" for n in range(many))
    text = text.replace("customers: [{code: c1}, {code: c2}]", customers)
    assert (await world.apply(text)).subscriptions == Counts(created=many)
    assert (await world.apply(text)).subscriptions == Counts(unchanged=many)
    assert len(await world.commands()) == many
