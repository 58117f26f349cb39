"""What can be done to a subscription, each in one unit of work: its state, its command to the journal, its events."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from uuid_utils.compat import uuid7

from billing.definition import decimal
from billing.entry import CustomerId, SubscriptionId, TenantId
from connectors.catalogue_file import model
from connectors.postgres.queries import subscription
from connectors.postgres.unit_of_work import UnitOfWork
from connectors.services import amendments, journal, lifecycle, store
from connectors.services.amendments import Charge
from connectors.services.catalog import hold_tenant, offers_of, tenant_of
from connectors.services.errors import Conflict, Unknown
from connectors.services.lifecycle import Step, Subscription, fall_due_until

MOST_STEPS: Final = 100_000  # what one account may have to catch up on: a century of days is 36,525
_CHARGES: Final = UUID("2f6b7c1e-58d1-5b0e-9c0f-8f6f9a4b3d21")  # the name space of charges


async def subscribe(work: UnitOfWork, tenant: TenantId, wanted: model.Subscription, *, now: datetime) -> Subscription:
    """Agrees on a subscription; it starts at once where its start is not in the tenant's future.

    The very same subscription again changes nothing and answers what it has become.

    Raises:
        Unknown: there is no such tenant, customer, plan or coupon.
        Conflict: another subscription has this code.
        InvalidDefinition: it ends, or a coupon of it, beyond the calendar.
    """
    state = await hold_tenant(work.connection, tenant)
    await store.lock_accounts(work.connection, [(tenant, wanted.customer)])
    known = await store.load(work.connection, [(tenant, wanted.code)])
    if known:
        return same(known[0], wanted)
    await _catch_up(work, tenant, wanted.customer, state.now(now))
    offer = (await offers_of(work.connection, [state]))[tenant]
    agreed = lifecycle.agreement(tenant, wanted, offer.terms(wanted.plan), map(offer.coupon, wanted.coupons))
    return (await begin(work, [agreed], {tenant: state.now(now)}))[0]


async def change_plan(
    work: UnitOfWork, tenant: TenantId, code: SubscriptionId, plan: str, *, now: datetime
) -> Subscription:
    """Puts the subscription on the newest version of the plan, now; the end of its open period stays.

    Raises:
        Unknown: there is no such tenant, subscription or plan.
        IllegalTransition: its state does not allow it.
    """
    state = await tenant_of(work.connection, tenant)
    terms = (await offers_of(work.connection, [state]))[tenant].terms(plan)
    return await _command(
        work, tenant, code, now, lambda current, command_id, at: lifecycle.change_plan(current, command_id, at, terms)
    )


async def pause(work: UnitOfWork, tenant: TenantId, code: SubscriptionId, *, now: datetime) -> Subscription:
    """Stops measuring and billing, now.

    Raises:
        Unknown: there is no such tenant or subscription.
        IllegalTransition: its state does not allow it.
    """
    return await _command(work, tenant, code, now, lifecycle.pause)


async def resume(work: UnitOfWork, tenant: TenantId, code: SubscriptionId, *, now: datetime) -> Subscription:
    """Measures and bills again, from now on.

    Raises:
        Unknown: there is no such tenant or subscription.
        IllegalTransition: its state does not allow it.
    """
    return await _command(work, tenant, code, now, lifecycle.resume)


async def cancel(work: UnitOfWork, tenant: TenantId, code: SubscriptionId, *, now: datetime) -> Subscription:
    """Ends the subscription for good, now; what is owed is stated at once.

    Raises:
        Unknown: there is no such tenant or subscription.
        IllegalTransition: its state does not allow it.
    """
    return await _command(work, tenant, code, now, lifecycle.cancel)


async def change_quantity(  # noqa: PLR0913 - whose, of which price, how many
    work: UnitOfWork, tenant: TenantId, code: SubscriptionId, price: str, quantity: str, *, now: datetime
) -> Subscription:
    """From now on a recurring price of its plan is owed `quantity` times, a decimal of at least 0.

    Raises:
        Unknown: there is no such tenant or subscription, or its plan has no such recurring price.
        InvalidDefinition: the quantity is no decimal, or below 0.
        Conflict: it has not started.
        IllegalTransition: it has ended.
    """
    times = decimal(quantity, "quantity")
    return await _command(
        work,
        tenant,
        code,
        now,
        lambda current, command_id, at: amendments.change_quantity(current, command_id, at, price, times),
    )


async def add_charge(  # noqa: PLR0913 - as the others, and what makes it the same charge again
    work: UnitOfWork,
    tenant: TenantId,
    code: SubscriptionId,
    charge: Charge,
    *,
    now: datetime,
    charge_id: str | None = None,
) -> UUID:
    """Adds a charge, on an invoice now or on the next one; returns its command's id.

    The same `charge_id` of the subscription again adds nothing more; without one every call is a charge.

    Raises:
        Unknown: there is no such tenant or subscription.
        InvalidDefinition: the code is none, the amount is 0 or no decimal, or the quantity is not above 0.
        Conflict: it has not started.
        IllegalTransition: it has ended.
    """
    charge.check()
    command_id = uuid7() if charge_id is None else uuid5(_CHARGES, f"{tenant}\x00{code}\x00{charge_id}")
    await _command(
        work,
        tenant,
        code,
        now,
        lambda current, command_id, at: amendments.add_charge(current, command_id, at, charge),
        command_id=command_id,
    )
    return command_id


async def apply_coupon(
    work: UnitOfWork, tenant: TenantId, code: SubscriptionId, coupon: str, *, now: datetime
) -> Subscription:
    """Gives the subscription a coupon of its tenant, as it is defined now, from now on.

    Raises:
        Unknown: there is no such tenant, subscription or coupon.
        InvalidDefinition: it would end beyond the calendar.
        Conflict: it is in force already, or the subscription has not started or has as many as it may.
        IllegalTransition: the subscription has ended.
    """
    state = await tenant_of(work.connection, tenant)
    given = (await offers_of(work.connection, [state]))[tenant].coupon(coupon)
    return await _command(
        work,
        tenant,
        code,
        now,
        lambda current, command_id, at: amendments.apply_coupon(current, command_id, at, given),
    )


async def remove_coupon(
    work: UnitOfWork, tenant: TenantId, code: SubscriptionId, coupon: str, *, now: datetime
) -> Subscription:
    """Takes a coupon from the subscription, from now on.

    Raises:
        Unknown: there is no such tenant or subscription.
        Conflict: the coupon is not in force, or the subscription has not started.
        IllegalTransition: the subscription has ended.
    """
    return await _command(
        work,
        tenant,
        code,
        now,
        lambda current, command_id, at: amendments.remove_coupon(current, command_id, at, coupon),
    )


async def _command(  # noqa: PLR0913 - whose command, when, what it does, and what makes it the same again
    work: UnitOfWork,
    tenant: TenantId,
    code: SubscriptionId,
    now: datetime,
    move: Callable[[Subscription, UUID, datetime], Step],
    *,
    command_id: UUID | None = None,
) -> Subscription:
    """Takes everything that is due before, then the move; nothing where the very same command was given before.

    The command counts from the tenant's now, but never from before what the journal was told: a clock may step back.
    """
    tenant_now = (await tenant_of(work.connection, tenant)).now(now)
    found = await store.load(work.connection, [(tenant, code)])
    if not found:
        raise Unknown(f"tenant {tenant} has no subscription {code}")
    await store.lock_accounts(work.connection, [(tenant, found[0].customer)])
    if command_id is not None and await journal.known(work, tenant, command_id):
        return found[0]
    await _catch_up(work, tenant, found[0].customer, tenant_now)
    (current,) = await store.load(work.connection, [(tenant, code)])
    step = move(current, command_id or uuid7(), at_least(tenant_now, current))
    await journal.take(work, [step])
    if step.after.terms is not current.terms:
        await store.replace_terms(work.connection, [step.after])
    if step.after.coupons is not current.coupons:
        await store.replace_coupons(work.connection, [step.after])
    return step.after


def at_least(now: datetime, subscription: Subscription) -> datetime:
    """Returns the moment that a command of now counts from: not before what the journal was told already."""
    return max(now, subscription.closed_until or now)


async def _catch_up(work: UnitOfWork, tenant: TenantId, account: CustomerId, now: datetime) -> None:
    """Takes what is due of the account, whose lock is held: the scheduler may be behind.

    Raises:
        Conflict: too much is due to be done here.
    """
    due = await subscription.due_of_account(work.connection, tenant_id=tenant, customer_id=account, instant=now)
    found = await store.load(work.connection, [(tenant, SubscriptionId(row.subscription_id)) for row in due])
    steps = list(fall_due_until(found, {tenant: now}, MOST_STEPS))
    if len(steps) == MOST_STEPS:
        raise Conflict(f"{MOST_STEPS} cycles and more are due before this; try again once the scheduler is through")
    await journal.take(work, steps)


def same(known: Subscription, wanted: model.Subscription) -> Subscription:
    """Returns the known subscription if the wanted one may be it: another customer or start is another subscription.

    Raises:
        Conflict: it may not.
    """
    if (known.customer, known.starts_at) == (wanted.customer, wanted.start):
        return known
    raise Conflict(
        f"subscription {known.tenant}/{known.code} is of customer {known.customer} from {known.starts_at.isoformat()},"
        f" not of {wanted.customer} from {wanted.start.isoformat()}; give the new one another code"
    )


async def begin(work: UnitOfWork, agreed: Sequence[Subscription], now: dict[TenantId, datetime]) -> list[Subscription]:
    """Adds agreed subscriptions, whose accounts are locked, and starts those whose moment has come."""
    await store.add(work.connection, agreed)
    for each in agreed:
        journal.announce(work, Step(each, None, now[each.tenant], None))
    starts = [lifecycle.fall_due(each) for each in agreed if each.starts_at <= now[each.tenant]]
    await journal.take(work, starts)
    begun = {(step.after.tenant, step.after.code): step.after for step in starts}
    return [begun.get((each.tenant, each.code), each) for each in agreed]
