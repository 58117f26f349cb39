"""Claims about what can be done to a subscription: the move, its command to the journal, and nothing where refused."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from billing.entry import CustomerId
from billing.errors import IllegalTransition, InvalidDefinition
from billing.subscription import Move
from connectors.catalogue_file.model import Anchor, PlanCode
from connectors.catalogue_file.model import Subscription as Wanted
from connectors.postgres.pool import Role, open_pool
from connectors.postgres.unit_of_work import UnitOfWork, unit_of_work
from connectors.services import clock, customers, store, subscriptions
from connectors.services.errors import Conflict, Unknown
from connectors.services.lifecycle import Subscription
from schemas import records
from tests.services.world import ACME, C1, JANUARY, REAL_NOW, S1, World, file, subscribed

FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)
MARCH_15 = datetime(2026, 3, 15, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)
DAY_US = 86_400_000_000
STARTED = "s1 SubscriptionStarted 2026-01-01"
CLOSED = ["s1 CycleClosed 2026-02-01", "s1 CycleClosed 2026-03-01"]
Commanded = Callable[[UnitOfWork], Awaitable[Subscription]]


def moving(move: Move) -> Commanded:
    """The service for a move of s1."""
    services: dict[Move, Commanded] = {
        Move.CHANGE_PLAN: lambda work: subscriptions.change_plan(work, ACME, S1, "basic", now=REAL_NOW),
        Move.PAUSE: lambda work: subscriptions.pause(work, ACME, S1, now=REAL_NOW),
        Move.RESUME: lambda work: subscriptions.resume(work, ACME, S1, now=REAL_NOW),
        Move.CANCEL: lambda work: subscriptions.cancel(work, ACME, S1, now=REAL_NOW),
    }
    return services[move]


async def commanded(world: World, *moves: Move) -> Subscription:
    """The subscription after the moves, each in a unit of work of its own."""
    async with world.work() as work:
        (after,) = await store.load(work.connection, [(ACME, S1)])
    for move in moves:
        async with world.work() as work:
            after = await moving(move)(work)
    return after


async def set_clock(world: World, instant: datetime) -> None:
    async with world.work() as work:
        await clock.set_clock(work, ACME, instant)


@pytest.mark.parametrize(
    ("moves", "state", "next_due_at", "told"),
    [
        ([Move.CHANGE_PLAN], "active", APRIL, ["PlanChanged"]),
        ([Move.PAUSE], "paused", None, ["SubscriptionPaused"]),
        (
            [Move.PAUSE, Move.CHANGE_PLAN, Move.RESUME],
            "active",
            APRIL,
            ["SubscriptionPaused", "PlanChanged", "SubscriptionResumed"],
        ),
        ([Move.CANCEL], "canceled", None, ["SubscriptionCanceled"]),
        ([Move.PAUSE, Move.CANCEL], "canceled", None, ["SubscriptionPaused", "SubscriptionCanceled"]),
    ],
)
async def test_a_move_is_told_after_everything_that_was_due_before_it(
    world: World, moves: list[Move], state: str, next_due_at: datetime | None, told: list[str]
) -> None:
    await world.apply(file(subscribed()))
    await set_clock(world, MARCH_15)
    await commanded(world, *moves)
    assert await world.subscription() == (state, MARCH_15, next_due_at)
    assert await world.commands() == [STARTED, *CLOSED, *(f"s1 {kind} 2026-03-15" for kind in told)]


async def test_a_move_at_the_end_of_a_period_belongs_to_the_next(world: World) -> None:
    await world.apply(file(subscribed()))
    await set_clock(world, FEBRUARY)
    await commanded(world, Move.CANCEL)
    assert await world.commands() == [STARTED, "s1 CycleClosed 2026-02-01", "s1 SubscriptionCanceled 2026-02-01"]


@pytest.mark.parametrize(
    ("before", "refused"),
    [
        ([], Move.RESUME),
        ([Move.PAUSE], Move.PAUSE),
        ([Move.CANCEL], Move.CANCEL),
        ([Move.CANCEL], Move.PAUSE),
        ([Move.CANCEL], Move.RESUME),
        ([Move.CANCEL], Move.CHANGE_PLAN),
    ],
)
async def test_an_illegal_move_is_refused_and_changes_nothing(world: World, before: list[Move], refused: Move) -> None:
    await world.apply(file(subscribed()))
    await commanded(world, *before)
    rows = await world.counts(), await world.subscription()
    with pytest.raises(IllegalTransition, match=f"cannot {refused}; it allows"):
        await commanded(world, refused)
    assert (await world.counts(), await world.subscription()) == rows


async def test_of_a_subscription_that_never_started_the_journal_is_told_nothing(world: World) -> None:
    await world.apply(file(subscribed(start="2026-02-01T00:00:00Z")))
    canceled = await commanded(world, Move.CANCEL)
    assert (canceled.state, canceled.ended_at, canceled.next_due_at) == ("canceled", JANUARY, None)
    assert await world.commands() == []


async def test_an_agreed_end_comes_in_a_pause_too(world: World) -> None:
    await world.apply(file(subscribed(periods=2)))
    assert (await commanded(world, Move.PAUSE)).next_due_at == datetime(2026, 3, 1, tzinfo=UTC)


async def test_a_clock_that_stepped_back_commands_nothing_before_what_was_told(world: World) -> None:
    text = "\n".join(line for line in file(subscribed()).splitlines() if "test_clock" not in line)
    await world.apply(text, now=JANUARY)
    async with world.work() as work:
        await subscriptions.pause(work, ACME, S1, now=MARCH_15)
    async with world.work() as work:
        resumed = await subscriptions.resume(work, ACME, S1, now=FEBRUARY)
    assert resumed.closed_until == MARCH_15
    assert (await world.commands())[-1] == "s1 SubscriptionResumed 2026-03-15"


async def test_a_plan_in_another_currency_is_refused(world: World) -> None:
    await world.apply(file(subscribed()))
    await world.rows('UPDATE beaas.subscriptions SET terms = terms || \'{"currency": "EUR"}\' RETURNING 1')
    with pytest.raises(Conflict, match="s1 is billed in EUR, not in USD"):
        await commanded(world, Move.CHANGE_PLAN)


WANTED = Wanted(S1, C1, PlanCode("pro"), JANUARY, Anchor.SUBSCRIPTION)


async def test_subscribing_twice_is_one_subscription(world: World) -> None:
    await world.apply(file())
    async with world.work() as work:
        first = await subscriptions.subscribe(work, ACME, WANTED, now=REAL_NOW)
    async with world.work() as work:
        assert await subscriptions.subscribe(work, ACME, WANTED, now=REAL_NOW) == first
    assert await world.commands() == [STARTED]


async def test_what_does_not_exist_is_named(world: World) -> None:
    await world.apply(file())
    for wanted, message in {
        Wanted(S1, CustomerId("c9"), PlanCode("pro"), JANUARY, Anchor.SUBSCRIPTION): "no customer c9",
        Wanted(S1, C1, PlanCode("gold"), JANUARY, Anchor.SUBSCRIPTION): "no plan gold; it has basic, pro",
    }.items():
        with pytest.raises(Unknown, match=message):
            async with world.work() as work:
                await subscriptions.subscribe(work, ACME, wanted, now=REAL_NOW)
    with pytest.raises(Unknown, match="has no subscription s1"):
        async with world.work() as work:
            await subscriptions.pause(work, ACME, S1, now=REAL_NOW)


async def test_the_role_behind_http_can_command_and_never_for_another_tenant(world: World) -> None:
    await world.apply(file(subscribed()) + file(subscribed(), code="other").removeprefix("tenants:"))
    async with open_pool(world.url, Role.API, application_name="test api") as pool:
        async with unit_of_work(pool, ACME, outbox=world.outbox) as work:
            assert (await subscriptions.pause(work, ACME, S1, now=REAL_NOW)).state == "paused"
        with pytest.raises(Unknown, match="no tenant acme"):
            async with unit_of_work(pool, "other", outbox=world.outbox) as work:
                await subscriptions.cancel(work, ACME, S1, now=REAL_NOW)


async def test_voiding_usage_twice_is_one_command(world: World) -> None:
    await world.apply(file())
    for _ in range(2):
        async with world.work() as work:
            await customers.void_usage(work, ACME, customers.UsageName(C1, "e1"), now=REAL_NOW)
    assert await world.commands() == ["c1 UsageVoided 2026-01-01"]


async def test_credit_is_granted_once_for_its_id(world: World) -> None:
    await world.apply(file())
    for _ in range(2):
        async with world.work() as work:
            await customers.grant_credit(work, ACME, customers.Grant(C1, "39.00"), now=REAL_NOW, grant_id="g1")
    assert [event.to_wire() for event in await world.events("credit")] == [
        {
            "grant_id": "g1",
            "tenant_id": "acme",
            "customer_id": "c1",
            "currency": "USD",
            "amount_minor": b"\x0f\x3c",
            "priority": 0,
            "expires_at": None,
            "granted_at": 1_767_225_600_000_000,
        }
    ]
    assert await world.rows("SELECT grant_id, remaining_minor::text FROM beaas.credit_grants") == [("g1", "3900")]


async def test_credit_is_posted_once_as_it_was_paid_and_the_ledger_balances(world: World) -> None:
    await world.apply(file())
    for _ in range(2):
        async with world.work() as work:
            await customers.grant_credit(work, ACME, customers.Grant(C1, "39.00"), now=REAL_NOW, grant_id="g1")
    posted = await world.rows("SELECT transaction_id, grant_id, invoice_id, posted_at FROM beaas.ledger_transactions")
    ((transaction_id, *rest),) = posted
    assert rest == ["g1", None, JANUARY]
    assert await world.events("ledger") == [
        records.LedgerPosted(
            transaction_id=str(transaction_id),
            tenant_id="acme",
            customer_id="c1",
            currency="USD",
            posted_at=JANUARY,
            postings=(
                records.Posting(account="prepayments", amount_minor=3900),
                records.Posting(account="customer_credit", amount_minor=-3900),
            ),
            grant_id="g1",
        )
    ]
    balance = await world.rows("SELECT account, (debit - credit)::text FROM report.trial_balance ORDER BY account")
    assert balance == [("customer_credit", "-39.00"), ("prepayments", "39.00")]


async def test_the_role_behind_http_grants_credit(world: World) -> None:
    await world.apply(file())
    async with (
        open_pool(world.url, Role.API, application_name="test api") as pool,
        unit_of_work(pool, ACME, outbox=world.outbox) as work,
    ):
        await customers.grant_credit(work, ACME, customers.Grant(C1, "39.00"), now=REAL_NOW)
    assert await world.rows("SELECT sum(amount_minor)::int, count(*) FROM beaas.postings") == [(0, 2)]


@pytest.mark.parametrize("amount", ["0", "-1", "0.001", "x"])
async def test_credit_that_is_no_money_is_refused(world: World, amount: str) -> None:
    await world.apply(file())
    with pytest.raises(InvalidDefinition, match="amount"):
        async with world.work() as work:
            await customers.grant_credit(work, ACME, customers.Grant(C1, amount), now=REAL_NOW)
