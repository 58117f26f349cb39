"""What can be done to a subscription, each in one unit of work: its state, its command to the journal, its events."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from billing.entry import CustomerId, SubscriptionId, TenantId, Terms
from billing.period import billing_period, calendar_anchor, zone
from billing.schedule import Schedule
from billing.subscription import State
from connectors.catalogue_file import model
from connectors.postgres.pool import Connection
from connectors.postgres.queries import customer, subscription
from connectors.postgres.unit_of_work import UnitOfWork
from connectors.services import journal, lifecycle
from connectors.services.catalog import offers_of, tenant_of
from connectors.services.errors import Conflict, Unknown
from connectors.services.lifecycle import Step, Subscription, fall_due_until

MOST_STEPS: Final = 100_000  # what one account may have to catch up on: a century of days is 36,525
_TERMS: Final = msgspec.json.Decoder(Terms)
Key = tuple[TenantId, SubscriptionId]


async def subscribe(work: UnitOfWork, tenant: TenantId, wanted: model.Subscription, *, now: datetime) -> Subscription:
    """Agrees on a subscription; it starts at once where its start is not in the tenant's future.

    The very same subscription again changes nothing and answers what it has become.

    Raises:
        Unknown: there is no such tenant, customer or plan.
        Conflict: another subscription has this code.
    """
    state = await tenant_of(work.connection, tenant)
    await lock_accounts(work.connection, [(tenant, wanted.customer)])
    known = await load(work.connection, [(tenant, wanted.code)])
    if known:
        return same(known[0], wanted)
    await _catch_up(work, tenant, wanted.customer, state.now(now))
    offers = await offers_of(work.connection, [state])
    agreed = agreement(tenant, wanted, offers[tenant].terms(wanted.plan))
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


async def _command(
    work: UnitOfWork,
    tenant: TenantId,
    code: SubscriptionId,
    now: datetime,
    move: Callable[[Subscription, UUID, datetime], Step],
) -> Subscription:
    """Takes everything that is due before, then the move.

    The command counts from the tenant's now, but never from before what the journal was told: a clock may step back.
    """
    tenant_now = (await tenant_of(work.connection, tenant)).now(now)
    found = await load(work.connection, [(tenant, code)])
    if not found:
        raise Unknown(f"tenant {tenant} has no subscription {code}")
    await lock_accounts(work.connection, [(tenant, found[0].customer)])
    await _catch_up(work, tenant, found[0].customer, tenant_now)
    (current,) = await load(work.connection, [(tenant, code)])
    step = move(current, uuid7(), at_least(tenant_now, current))
    await journal.take(work, [step])
    if step.after.terms is not current.terms:
        await replace_terms(work.connection, [step.after])
    return step.after


def at_least(now: datetime, subscription: Subscription) -> datetime:
    """Returns the moment that a command of now counts from: not before what the journal was told already."""
    return max(now, subscription.closed_until or now)


async def _catch_up(work: UnitOfWork, tenant: TenantId, account: CustomerId, now: datetime) -> None:
    """Takes what is due of the account, whose lock is held: the scheduler may be behind."""
    due = await subscription.due_of_account(work.connection, tenant_id=tenant, customer_id=account, instant=now)
    found = await load(work.connection, [(tenant, SubscriptionId(row.subscription_id)) for row in due])
    await journal.take(work, list(fall_due_until(found, {tenant: now}, MOST_STEPS)))


def agreement(tenant: TenantId, wanted: model.Subscription, terms: Terms) -> Subscription:
    """Returns the subscription that is agreed by these terms, pending; `periods` has become the instant of its end."""
    period, where = billing_period(terms.billing_period), zone(terms.timezone)
    on_calendar = wanted.anchor is model.Anchor.CALENDAR
    anchor = calendar_anchor(wanted.start, period, where) if on_calendar else wanted.start
    ends = Schedule(wanted.start, anchor, period, where, wanted.trial_end, wanted.periods).ends_at
    return Subscription(
        tenant=tenant,
        code=wanted.code,
        customer=wanted.customer,
        state=State.PENDING,
        starts_at=wanted.start,
        anchor_at=anchor,
        terms=terms,
        trial_end_at=wanted.trial_end,
        cancel_at=ends,
        next_due_at=wanted.start,
    )


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
    await _add(work.connection, agreed)
    for each in agreed:
        journal.announce(work, Step(each, None, now[each.tenant], None))
    starts = [lifecycle.fall_due(each) for each in agreed if each.starts_at <= now[each.tenant]]
    await journal.take(work, starts)
    begun = {step.after.code: step.after for step in starts}
    return [begun.get(each.code, each) for each in agreed]


async def lock_accounts(connection: Connection, accounts: Iterable[tuple[TenantId, CustomerId]]) -> None:
    """Holds the accounts until the transaction ends: whoever commands something of one, holds it.

    Raises:
        Unknown: one does not exist.
    """
    wanted = sorted(set(accounts))
    rows = await customer.lock_accounts(
        connection, tenant_ids=[tenant for tenant, _ in wanted], customer_ids=[account for _, account in wanted]
    )
    missing = set(wanted) - {(TenantId(row.tenant_id), CustomerId(row.customer_id)) for row in rows}
    if missing:
        tenant, account = min(missing)
        raise Unknown(f"tenant {tenant} has no customer {account}")


async def load(connection: Connection, keys: Sequence[Key]) -> list[Subscription]:
    """Returns those of the subscriptions that exist, by tenant and code."""
    rows = await subscription.subscriptions_by_id(
        connection, tenant_ids=[tenant for tenant, _ in keys], subscription_ids=[code for _, code in keys]
    )
    return [_to_domain(row) for row in rows]


def _to_domain(row: subscription.SubscriptionsById) -> Subscription:
    return Subscription(
        tenant=TenantId(row.tenant_id),
        code=SubscriptionId(row.subscription_id),
        customer=CustomerId(row.customer_id),
        state=State(row.state),
        starts_at=row.starts_at,
        anchor_at=row.anchor_at,
        terms=_TERMS.decode(row.terms),
        trial_end_at=row.trial_end_at,
        cancel_at=row.cancel_at,
        ended_at=row.ended_at,
        closed_until=row.closed_until,
        next_due_at=row.next_due_at,
    )


async def _add(connection: Connection, added: Sequence[Subscription]) -> None:
    await subscription.add_subscriptions(
        connection,
        tenant_ids=[each.tenant for each in added],
        subscription_ids=[each.code for each in added],
        customer_ids=[each.customer for each in added],
        plan_ids=[each.terms.plan for each in added],
        plan_versions=[each.terms.plan_version for each in added],
        states=[str(each.state) for each in added],
        starts_ats=[each.starts_at for each in added],
        anchor_ats=[each.anchor_at for each in added],
        trial_end_ats=[each.trial_end_at for each in added],
        cancel_ats=[each.cancel_at for each in added],
        closed_untils=[each.closed_until for each in added],
        next_due_ats=[each.next_due_at for each in added],
        terms=[_written(each.terms) for each in added],
    )


async def replace_terms(connection: Connection, changed: Sequence[Subscription]) -> None:
    """Writes the terms that subscriptions were put on."""
    await subscription.replace_terms(
        connection,
        tenant_ids=[each.tenant for each in changed],
        subscription_ids=[each.code for each in changed],
        plan_ids=[each.terms.plan for each in changed],
        plan_versions=[each.terms.plan_version for each in changed],
        terms=[_written(each.terms) for each in changed],
    )


def _written(terms: Terms) -> str:
    return msgspec.json.encode(terms).decode()
