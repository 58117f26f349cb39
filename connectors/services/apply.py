"""`beaas apply`: makes PostgreSQL say what a file says, all of it or nothing, in one transaction.

What an apply changes of what exists:

- a tenant's zone moves with all its subscriptions, now: boundaries up to the end of the open period stay, later ones
  have the same wall times in the new zone
- its tax counts for terms that are agreed later; its currency is fixed once it has a subscription; its clock is only
  set when it is created: a file never moves a clock, `beaas clock set` does
- a changed meter, price or billing period makes a new version of each plan that it touches; subscriptions stay on the
  version that they were agreed on, and keep the coupons that they were given as they were then
- a subscription whose file names another plan changes to it, now; its customer and its start can't change; anchor,
  trial, periods and coupons are read when it is created
- what the file does not name stays as it is
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from uuid_utils.compat import uuid7

from billing.entry import SubscriptionId, TenantId
from billing.errors import IllegalTransition, InvalidDefinition
from billing.quantity import parse_quantity, plain
from billing.subscription import State
from connectors.catalogue_file import Catalogue, model
from connectors.postgres.outbox import Outbox
from connectors.postgres.pool import Pool
from connectors.postgres.queries import catalog
from connectors.postgres.unit_of_work import UnitOfWork, unit_of_work
from connectors.services import amendments, journal, lifecycle, store, subscriptions
from connectors.services.catalog import (
    Offer,
    PlanVersion,
    Raw,
    TenantState,
    changed_plans,
    check_prices,
    lock_tenants,
    offers_of,
    publish_plans,
    save_coupons,
    save_meters,
    save_tenants,
)
from connectors.services.customers import names_of, save_customers
from connectors.services.errors import Conflict
from connectors.services.lifecycle import Step, Subscription, fall_due_until


@dataclass(slots=True)
class Counts:
    """How many things of one kind an apply created, changed and left as they were."""

    created: int = 0
    changed: int = 0
    unchanged: int = 0

    def add(self, *, total: int, created: int, changed: int) -> None:
        """Counts what became of `total` things."""
        self.created += created
        self.changed += changed
        self.unchanged += total - created - changed


@dataclass(slots=True)
class Applied:
    """What an apply did, by kind; a plan counts as changed where it got a new version."""

    tenants: Counts = field(default_factory=Counts)
    meters: Counts = field(default_factory=Counts)
    plans: Counts = field(default_factory=Counts)
    customers: Counts = field(default_factory=Counts)
    subscriptions: Counts = field(default_factory=Counts)
    coupons: Counts = field(default_factory=Counts)

    @property
    def nothing(self) -> bool:
        """Whether everything was there already."""
        kinds = (self.tenants, self.meters, self.plans, self.customers, self.subscriptions, self.coupons)
        return not any(kind.created or kind.changed for kind in kinds)


async def apply(
    pool: Pool, outbox: Outbox, catalogue: Catalogue, *, now: datetime, correlation_id: str = ""
) -> Applied:
    """Makes everything that the file says be so, in one transaction; the same file again writes nothing.

    Args:
        pool: of the service's role: a file has several tenants.
        outbox: how events are written.
        catalogue: the file, read and checked.
        now: the real clock, for tenants that live on it.
        correlation_id: what the events belong to.

    Raises:
        Conflict: something exists and can't become what the file says; nothing has changed.
    """
    applied = Applied()
    async with unit_of_work(pool, None, outbox=outbox, correlation_id=correlation_id) as work:
        await catalog.serialize_applies(work.connection)
        known = await lock_tenants(work.connection, [tenant.code for tenant in catalogue.tenants])
        tenants = await _tenants(work, catalogue.tenants, known, applied, now)
        offers = await _catalog(work, catalogue.tenants, tenants, applied, now)
        moments = {tenant.code: tenant.now(now) for tenant in tenants.values()}
        moved = [code for code, before in known.items() if before.timezone != tenants[code].timezone]
        await _rezone(work, catalogue.tenants, {code: tenants[code].timezone for code in moved}, moments)
        await _customers(work, catalogue.tenants, moments, applied)
        await _subscriptions(work, catalogue.tenants, offers, moments, applied)
    return applied


async def _tenants(
    work: UnitOfWork,
    wanted: Sequence[model.Tenant],
    known: Mapping[TenantId, TenantState],
    applied: Applied,
    now: datetime,
) -> dict[TenantId, TenantState]:
    fixed = {
        row.tenant_id
        for row in await catalog.tenants_with_subscriptions(work.connection, tenant_ids=[str(code) for code in known])
    }
    states = [_tenant(tenant, known.get(tenant.code), fixed) for tenant in wanted]
    changed = [state for state in states if state != known.get(state.code)]
    await save_tenants(work, changed, now)
    created = sum(state.code not in known for state in states)
    applied.tenants.add(total=len(states), created=created, changed=len(changed) - created)
    return {state.code: state for state in states}


def _tenant(wanted: model.Tenant, known: TenantState | None, fixed: Iterable[str]) -> TenantState:
    tax_percent = plain(parse_quantity(wanted.tax_percent))
    if known is None:
        return TenantState(wanted.code, wanted.currency, wanted.timezone, tax_percent, wanted.test_clock)
    if known.currency != wanted.currency and wanted.code in fixed:
        raise Conflict(
            f"tenant {wanted.code} has subscriptions in {known.currency}, so its currency can't become"
            f" {wanted.currency}; make another tenant"
        )
    if known.test_clock is None and wanted.test_clock is not None:
        raise Conflict(f"tenant {wanted.code} lives on the real clock; a test clock is given when a tenant is created")
    return TenantState(wanted.code, wanted.currency, wanted.timezone, tax_percent, known.test_clock)


async def _catalog(
    work: UnitOfWork,
    wanted: Sequence[model.Tenant],
    tenants: dict[TenantId, TenantState],
    applied: Applied,
    now: datetime,
) -> dict[TenantId, Offer]:
    """Brings meters, plans and coupons to what the file says and returns what each tenant offers then."""
    offers = await offers_of(work.connection, tenants.values())
    meters, plans = [], []
    coupons: list[tuple[TenantState, str, Raw]] = []
    for tenant in wanted:
        offer = offers[tenant.code]
        given: dict[str, Raw] = {meter.code: json.loads(meter.definition) for meter in tenant.meters}
        changed = {code: raw for code, raw in given.items() if offer.meters.get(code) != raw}
        created = len(changed.keys() - offer.meters.keys())
        applied.meters.add(total=len(given), created=created, changed=len(changed) - created)
        versions = changed_plans(offer, {plan.code: _plan(plan) for plan in tenant.plans}, changed)
        added = sum(version.version == 1 for version in versions)
        applied.plans.add(
            total=len({plan.code for plan in tenant.plans} | {version.code for version in versions}),
            created=added,
            changed=len(versions) - added,
        )
        offer.meters.update(changed)
        _check_prices(offer, versions)
        offer.plans.update({version.code: version for version in versions})
        coupons += [(offer.tenant, *coupon) for coupon in _coupons(tenant, offer, applied)]
        meters += [(offer.tenant, code, raw) for code, raw in changed.items()]
        plans += [(offer.tenant, version) for version in versions]
    await save_meters(work, meters, now)
    await publish_plans(work, plans, now)
    await save_coupons(work, coupons, now)
    return offers


def _check_prices(offer: Offer, versions: Iterable[PlanVersion]) -> None:
    """A file's own plans fit its meters; those that it does not name have to fit them too."""
    for version in versions:
        try:
            check_prices(offer, version)
        except InvalidDefinition as refusal:
            raise Conflict(
                f"plan {offer.tenant.code}/{version.code} does not fit the meters of the file: {refusal}; change it too"
            ) from None


def _coupons(wanted: model.Tenant, offer: Offer, applied: Applied) -> list[tuple[str, Raw]]:
    """Brings the offer's coupons to what the file says and returns those that are new or others."""
    given: dict[str, Raw] = {coupon.code: json.loads(coupon.definition) for coupon in wanted.coupons}
    changed = [(code, raw) for code, raw in given.items() if offer.coupons.get(code) != raw]
    created = sum(code not in offer.coupons for code, _ in changed)
    applied.coupons.add(total=len(given), created=created, changed=len(changed) - created)
    offer.coupons.update(changed)
    return changed


def _plan(plan: model.Plan) -> PlanVersion:
    return PlanVersion(plan.code, 0, plan.billing_period, tuple(json.loads(price) for price in plan.prices))


async def _rezone(
    work: UnitOfWork,
    wanted: Sequence[model.Tenant],
    timezones: Mapping[TenantId, str],
    moments: Mapping[TenantId, datetime],
) -> None:
    """Moves every subscription of the tenants to their new zones, after all that is due of it before."""
    if not timezones:
        return
    keys, customers = await store.live_of(work.connection, list(timezones))
    # With those of the file, which are locked next: one after the other they could wait for each other.
    named = [(tenant.code, customer.code) for tenant in wanted for customer in tenant.customers]
    await store.lock_known_accounts(work.connection, [*customers, *named])
    current, steps = await _caught_up(work, keys, moments)
    moves = [_move(each, timezones[each.tenant], moments) for each in current if each.state is not State.CANCELED]
    await journal.take(work, [*steps, *moves])
    await store.rezone(work.connection, [move.after for move in moves])


def _move(current: Subscription, timezone: str, moments: Mapping[TenantId, datetime]) -> Step:
    at = subscriptions.at_least(moments[current.tenant], current)
    try:
        return amendments.rezone(current, uuid7(), at, timezone)
    except InvalidDefinition as refusal:
        raise Conflict(f"subscription {current.tenant}/{current.code} can't move to {timezone}: {refusal}") from None


async def _caught_up(
    work: UnitOfWork, keys: Sequence[store.Key], moments: Mapping[TenantId, datetime]
) -> tuple[list[Subscription], list[Step]]:
    """Returns the subscriptions, whose accounts are locked, as they are after all that is due of them, and the steps.

    Raises:
        Conflict: too much is due to be done here.
    """
    found = await store.load(work.connection, keys)
    steps = list(fall_due_until(found, moments, subscriptions.MOST_STEPS))
    if len(steps) == subscriptions.MOST_STEPS:
        raise Conflict(
            f"{len(steps)} cycles and more are due before this; apply it again once the scheduler is through"
        )
    newest = {(each.tenant, each.code): each for each in found}
    newest |= {(step.after.tenant, step.after.code): step.after for step in steps}
    return list(newest.values()), steps


async def _customers(
    work: UnitOfWork, wanted: Sequence[model.Tenant], moments: dict[TenantId, datetime], applied: Applied
) -> None:
    given = {(tenant.code, customer.code): customer.name for tenant in wanted for customer in tenant.customers}
    known = await names_of(work.connection, given)
    changed = [(account, name) for account, name in given.items() if known.get(account) != name]
    await save_customers(work, changed, moments)
    created = sum(account not in known for account, _ in changed)
    applied.customers.add(total=len(given), created=created, changed=len(changed) - created)


async def _subscriptions(
    work: UnitOfWork,
    wanted: Sequence[model.Tenant],
    offers: dict[TenantId, Offer],
    moments: dict[TenantId, datetime],
    applied: Applied,
) -> None:
    given = {(tenant.code, each.code): each for tenant in wanted for each in tenant.subscriptions}
    known = {(each.tenant, each.code): each for each in await store.load(work.connection, list(given))}
    other_plan = [
        key for key, each in known.items() if subscriptions.same(each, given[key]).terms.plan != given[key].plan
    ]
    agreed = [
        lifecycle.agreement(tenant, each, offers[tenant].terms(each.plan), map(offers[tenant].coupon, each.coupons))
        for (tenant, code), each in given.items()
        if (tenant, code) not in known
    ]
    accounts = [(each.tenant, each.customer) for each in agreed] + [(key[0], known[key].customer) for key in other_plan]
    await store.lock_accounts(work.connection, accounts)
    await subscriptions.begin(work, agreed, moments)
    await _change_plans(work, {key: given[key].plan for key in other_plan}, offers, moments)
    applied.subscriptions.add(total=len(given), created=len(agreed), changed=len(other_plan))


async def _change_plans(
    work: UnitOfWork,
    plans: dict[tuple[TenantId, SubscriptionId], model.PlanCode],
    offers: dict[TenantId, Offer],
    moments: dict[TenantId, datetime],
) -> None:
    """Changes the plans of subscriptions whose accounts are locked, after all that is due of them before."""
    current, steps = await _caught_up(work, list(plans), moments)
    changes = [_change_plan(each, offers[each.tenant], plans[each.tenant, each.code], moments) for each in current]
    await journal.take(work, [*steps, *changes])
    await store.replace_terms(work.connection, [step.after for step in changes])


def _change_plan(current: Subscription, offer: Offer, plan: model.PlanCode, moments: dict[TenantId, datetime]) -> Step:
    at = subscriptions.at_least(moments[current.tenant], current)
    try:
        return lifecycle.change_plan(current, uuid7(), at, offer.terms(plan))
    except IllegalTransition as refusal:
        raise Conflict(f"subscription {current.tenant}/{current.code} can't change to plan {plan}: {refusal}") from None
