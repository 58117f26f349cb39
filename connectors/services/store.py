"""Subscriptions as rows, and the accounts that are locked while they change."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from billing.entry import CustomerId, SubscriptionId, TenantId, Terms
from billing.subscription import State
from connectors.postgres.pool import Connection
from connectors.postgres.queries import customer, subscription
from connectors.services.errors import Unknown
from connectors.services.lifecycle import HeldCoupon, Subscription

_TERMS: Final = msgspec.json.Decoder(Terms)
_COUPONS: Final = msgspec.json.Decoder(tuple[HeldCoupon, ...])
Key = tuple[TenantId, SubscriptionId]


async def lock_accounts(connection: Connection, accounts: Iterable[tuple[TenantId, CustomerId]]) -> None:
    """Holds the accounts until the transaction ends: whoever commands something of one, holds it.

    Raises:
        Unknown: one does not exist.
    """
    wanted = set(accounts)
    missing = wanted - await lock_known_accounts(connection, wanted)
    if missing:
        tenant, account = min(missing)
        raise Unknown(f"tenant {tenant} has no customer {account}")


async def lock_known_accounts(
    connection: Connection, accounts: Iterable[tuple[TenantId, CustomerId]]
) -> set[tuple[TenantId, CustomerId]]:
    """Holds those of the accounts that exist until the transaction ends, and returns them."""
    wanted = sorted(set(accounts))
    rows = await customer.lock_accounts(
        connection, tenant_ids=[tenant for tenant, _ in wanted], customer_ids=[account for _, account in wanted]
    )
    return {(TenantId(row.tenant_id), CustomerId(row.customer_id)) for row in rows}


async def live_of(
    connection: Connection, tenants: Sequence[TenantId]
) -> tuple[list[Key], set[tuple[TenantId, CustomerId]]]:
    """Returns the tenants' subscriptions that have not ended, and whose they are."""
    rows = await subscription.live_subscriptions_of(connection, tenant_ids=list(tenants))
    keys = [(TenantId(row.tenant_id), SubscriptionId(row.subscription_id)) for row in rows]
    return keys, {(TenantId(row.tenant_id), CustomerId(row.customer_id)) for row in rows}


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
        on_calendar=row.on_calendar,
        coupons=_COUPONS.decode(row.coupons),
    )


async def add(connection: Connection, added: Sequence[Subscription]) -> None:
    """Adds subscriptions whose codes are new."""
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
        on_calendars=[each.on_calendar for each in added],
        terms=[_written(each.terms) for each in added],
        coupons=[_written(each.coupons) for each in added],
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


async def rezone(connection: Connection, moved: Sequence[Subscription]) -> None:
    """Writes where subscriptions have their boundaries now: zones, anchor, end, and the ends of their coupons."""
    await replace_terms(connection, moved)
    await subscription.rezone_subscriptions(
        connection,
        tenant_ids=[each.tenant for each in moved],
        subscription_ids=[each.code for each in moved],
        anchor_ats=[each.anchor_at for each in moved],
        cancel_ats=[each.cancel_at for each in moved],
    )
    await replace_coupons(connection, moved)


async def replace_coupons(connection: Connection, changed: Sequence[Subscription]) -> None:
    """Writes the coupons that subscriptions have now."""
    await subscription.replace_coupons(
        connection,
        tenant_ids=[each.tenant for each in changed],
        subscription_ids=[each.code for each in changed],
        coupons=[_written(each.coupons) for each in changed],
    )


def _written(part: Terms | tuple[HeldCoupon, ...]) -> str:
    return msgspec.json.encode(part).decode()
